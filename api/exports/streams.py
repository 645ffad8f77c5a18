"""Long lists as files that are read from SQL while they are written."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from api.exports.csv_lines import BOM, CSV, lines
from api.exports.workbook import XLSX, Sheets
from domain.reports.report import Cell

Pages = AsyncIterator[list[list[Cell]]]
CHUNK = 64 * 1024
"""Bytes of a file that are sent at once."""


def attachment(name: str) -> dict[str, str]:
    """Return the header by which a browser saves the answer under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def as_csv(name: str, columns: Sequence[str], pages: Pages) -> Response:
    """Return the pages as CSV, each sent as soon as it is read."""

    async def sent() -> AsyncIterator[bytes]:
        yield BOM + lines([columns])
        async for rows in pages:
            yield await asyncio.to_thread(lines, rows)

    return StreamingResponse(sent(), media_type=CSV, headers=attachment(f"{name}.csv"))


async def as_xlsx(name: str, columns: Sequence[str], pages: Pages) -> Response:
    """Return the pages as a workbook, which is sent once all are in it: its table of contents comes last."""
    file: BinaryIO = TemporaryFile()  # noqa: SIM115 - closed when it is sent
    try:
        with Sheets(file) as book:
            book.begin(name, columns)
            async for rows in pages:
                await asyncio.to_thread(book.write, rows)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(_sent(file), media_type=XLSX, headers=attachment(f"{name}.xlsx"))


async def _sent(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


STREAMS: Mapping[str, Callable[[str, Sequence[str], Pages], Awaitable[Response]]] = {"csv": as_csv, "xlsx": as_xlsx}
"""Answers of a list by format."""
