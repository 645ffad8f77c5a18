"""Long lists as files that are read from SQL while they are written.

A step of an export (a page that is read, its rows that are rendered) holds the `turn` of the process: there is one step
at a time, however many exports there are, and a pause after it while others are served, so they leave threads and
processor to other requests.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import BinaryIO, TypeVar

from starlette.responses import Response, StreamingResponse

from api.exports.files import BOM, CSV, XLSX, lines, sheets
from domain.reports.report import Cell
from readmodel.base.paging import RowPage

T = TypeVar("T")
Pages = AsyncIterator[list[list[Cell]]]
CHUNK = 64 * 1024
"""Bytes of a file that are sent at once."""
PAUSE = 3
"""Longest pause after a step of an export, as a multiple of the step's duration."""
LOOK_SECONDS = 0.02
"""Time between two looks if the event loop is busy: it is if it looks later by half."""


class ExportTurn(asyncio.Lock):
    """Lock of the one step of an export that runs, kept after it for a look at the loop, longer if that is busy."""

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self._began = asyncio.get_running_loop().time()

    async def __aexit__(self, *error: object) -> None:
        """End the step, and the turn after the pause."""
        now = asyncio.get_running_loop().time
        try:
            ends_at = now() + PAUSE * (now() - self._began)
            while (looked_at := now()) < ends_at:
                await asyncio.sleep(min(LOOK_SECONDS, ends_at - looked_at))
                if now() - looked_at < 1.5 * LOOK_SECONDS:
                    break
        finally:
            self.release()


def attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def in_turn(turn: ExportTurn, step: Callable[..., T], *args: object) -> T:
    """Return the result of a step, which runs in a thread once it is its turn."""
    async with turn:
        return await asyncio.to_thread(step, *args)


async def pages_of(
    turn: ExportTurn,
    read: Callable[[str | None], Awaitable[RowPage[T]]],
    cells: Callable[[Sequence[T]], list[list[Cell]]],
    cursor: str | None,
    *,
    only_first: bool = False,
) -> Pages:
    """Return the rows of a list from a cursor on, of all its pages or the first.

    The first page is read at once: what SQL says against the question is told by the status, and what `read` raises is
    raised; later faults break the answer off.
    """

    async def ask(cursor: str | None) -> tuple[list[list[Cell]], str | None]:
        async with turn:
            page = await read(cursor)
            return await asyncio.to_thread(cells, page.items), page.next_cursor

    async def pages() -> Pages:
        yield rows
        after = None if only_first else following
        while after:
            more, after = await ask(after)
            yield more

    rows, following = await ask(cursor)
    return pages()


async def as_csv(name: str, columns: Sequence[str], pages: Pages, turn: ExportTurn) -> Response:
    async def sent() -> AsyncIterator[bytes]:
        yield BOM + lines([columns])
        async for rows in pages:
            yield await in_turn(turn, lines, rows)

    return StreamingResponse(sent(), media_type=CSV, headers=attachment(f"{name}.csv"))


async def as_xlsx(name: str, columns: Sequence[str], pages: Pages, turn: ExportTurn) -> Response:
    """Return the pages as a workbook, which is sent once all are in it: its table of contents comes last."""
    file: BinaryIO = TemporaryFile()  # noqa: SIM115 - closed when it is sent
    try:
        with sheets(file) as book:
            book.begin(name, columns)
            async for rows in pages:
                await in_turn(turn, book.write, rows)
            # Seconds of a long list, which the event loop does not have.
            await in_turn(turn, book.close)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(_sent(file), media_type=XLSX, headers=attachment(f"{name}.xlsx"))


async def _sent(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


Stream = Callable[[str, Sequence[str], Pages, ExportTurn], Awaitable[Response]]
STREAMS: Mapping[str, Stream] = {"csv": as_csv, "xlsx": as_xlsx}
"""Answers of a list by format."""
