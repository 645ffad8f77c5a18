"""Files that Excel opens, written row by row in flat memory: CSV in which no program finds a formula, and workbooks.

Long lists are read from SQL while their file is written. A step of such an export (a page that is read, its rows that
are rendered) holds a lock of the process: there is one step at a time, however many exports there are, and a pause
after it while others are served, so they leave threads and processor to other requests.
"""

import asyncio
import csv
import fcntl
import io
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile, gettempdir
from typing import BinaryIO, Literal, TypeVar
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from domain.reports.report import Cell, ColumnKind
from readmodel.base.paging import RowPage

T = TypeVar("T")
ExportCell = Cell | datetime
"""Cell of a file; an instant is a local time without its zone."""
Rows = Sequence[Sequence[ExportCell]]
Pages = AsyncIterator[Rows]
CSV = "text/csv"
ListFormat = Literal["json", "csv", "xlsx"]
"""Formats of a list: a page of it, or a file."""
BOM = b"\xef\xbb\xbf"
"""Byte order mark, without which Excel in China reads GBK."""
_FORMULA = re.compile(r'(?<![^,;|\t\r\n])((?:"|[^\S\t\r\n])*)(?=[-=+@＝＋－＠])')
"""Beginning of a formula, in the whole cell or in what a program makes a cell of that divides lines at another sign."""


def lines(rows: Iterable[Sequence[ExportCell]]) -> bytes:
    """Texts are defused; numbers, which may be negative, are written as they are."""
    text = io.StringIO()
    csv.writer(text).writerows([_written(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _written(cell: ExportCell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case str():
            return defused(cell)
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M}"
    return str(cell)


def defused(text: str) -> str:
    """Put an apostrophe before whatever might be taken for a formula."""
    return _FORMULA.sub(r"\1'", text)


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST_CELL = 32_767
"""Characters that Excel takes in one cell."""
LONGEST_SHEET = 31
"""Characters that Excel takes in the name of a sheet."""
LONGEST_HEAD = 255
"""Characters that Excel takes in the head of a printed page."""
_WAITING = "hotline-workbook-"
"""Beginning of the names of folders in which rows wait for their workbook."""
_FORMATS: Mapping[ColumnKind, Mapping[str, object]] = {
    ColumnKind.RATE: {"num_format": "0.0%"},
    ColumnKind.AMOUNT: {"num_format": "#,##0.00"},
    ColumnKind.COUNT: {"num_format": "#,##0"},
}
_WIDTHS = {ColumnKind.TEXT: 22, ColumnKind.LINK: 34, ColumnKind.INSTANT: 24}


@contextmanager
def sheets(file: BinaryIO, company: str = "", title: str = "") -> Iterator["Sheets"]:
    """Open a workbook that is written to a file, which is whole at the end of the context, or by `close` before it.

    Its properties and printed pages name the company; cells do not, as programs read them.
    Rows wait in a temporary folder, not in memory: only the last one can be written to.
    """
    with TemporaryDirectory(prefix=_WAITING) as folder, _locked(folder):
        book = Sheets(Workbook(file, {"constant_memory": True, "tmpdir": folder}), company, title)
        yield book
        book.close()


@contextmanager
def _locked(folder: str | Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of a folder, which the kernel releases when the process dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def remove_left_rows() -> None:
    """Remove rows that processes left in clear which died while they wrote a workbook."""
    for folder in Path(gettempdir()).glob(f"{_WAITING}*"):
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if any(folder.iterdir()):  # one without rows may have been made just now, and be locked next
                shutil.rmtree(folder)


class Sheets:
    """Sheets of a workbook, one after the other."""

    def __init__(self, book: Workbook, company: str, title: str) -> None:
        self._book = book
        self._book.set_properties({"title": title, "company": company})
        self._print_head = f"&L{company.replace('&', '&&')}&R{title.replace('&', '&&')}"
        self._head = self._book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._formats = {kind: self._book.add_format(dict(wanted)) for kind, wanted in _FORMATS.items()}
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self._sheet: Worksheet | None = None
        self._kinds: Sequence[ColumnKind] = ()
        self._row = 0

    def close(self) -> None:
        """Write the file from the rows; nothing if it is written."""
        if not self._book.fileclosed:
            self._book.close()

    def begin(self, name: str, titles: Sequence[str], kinds: Sequence[ColumnKind] = ()) -> None:
        """Begin a sheet with a head that stays in sight. Columns without a kind hold text."""
        self._sheet = self._book.add_worksheet(name)
        self._kinds, self._row = kinds or [ColumnKind.TEXT] * len(titles), 1
        for place, kind in enumerate(self._kinds):
            self._sheet.set_column(place, place, _WIDTHS.get(kind, 14))
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_header(self._print_head[:LONGEST_HEAD])
        for place, title in enumerate(titles):
            self._sheet.write_string(0, place, title, self._head)

    def write(self, rows: Iterable[Sequence[ExportCell]]) -> None:
        for row in rows:
            for place, (cell, kind) in enumerate(zip(row, self._kinds, strict=True)):
                self._write(place, cell, kind)
            self._row += 1

    def _write(self, place: int, cell: ExportCell, kind: ColumnKind) -> None:
        sheet = self._sheet
        if sheet is None or cell is None:
            return
        if isinstance(cell, bool):
            sheet.write_string(self._row, place, str(cell).lower())
        elif isinstance(cell, datetime):
            sheet.write_datetime(self._row, place, cell, self._instant)
        elif isinstance(cell, str) and kind is not ColumnKind.AMOUNT:
            sheet.write_string(self._row, place, cell[:LONGEST_CELL])
        else:
            sheet.write_number(self._row, place, float(cell), self._formats.get(kind))


CHUNK_BYTES = 64 * 1024
"""Bytes of a file that are sent at once."""
PAUSE = 3
"""Longest pause after a step of an export, as a multiple of the step's duration."""
LOOP_CHECK_SECONDS = 0.02
"""Time between two checks of the event loop: it is busy if one comes later by half."""


class ExportThrottle(asyncio.Lock):
    """Lock of the one step of an export that runs, kept after it for a check of the loop, longer if that is busy."""

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self._began = asyncio.get_running_loop().time()

    async def __aexit__(self, *error: object) -> None:
        """End the step, and release the lock after the pause."""
        now = asyncio.get_running_loop().time
        try:
            ends_at = now() + PAUSE * (now() - self._began)
            while (checked_at := now()) < ends_at:
                await asyncio.sleep(min(LOOP_CHECK_SECONDS, ends_at - checked_at))
                if now() - checked_at < 1.5 * LOOP_CHECK_SECONDS:
                    break
        finally:
            self.release()

    async def run(self, step: Callable[..., T], *args: object) -> T:
        """Run a step in a thread once the lock is free."""
        async with self:
            return await asyncio.to_thread(step, *args)

    async def pages(
        self,
        read: Callable[[str | None], Awaitable[RowPage[T]]],
        cells: Callable[[Sequence[T]], Rows],
        cursor: str | None,
        *,
        only_first: bool = False,
    ) -> Pages:
        """Read a list from a cursor on: all of its pages or the first.

        The first page is read at once: what SQL says against the question is told by the status, and what `read`
        raises is raised; later faults break the answer off.
        """

        async def ask(cursor: str | None) -> tuple[Rows, str | None]:
            async with self:
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

    async def answer(
        self, form: str, name: str, columns: Sequence[str], pages: Pages, company: str, title: str = ""
    ) -> Response:
        """`form` is `csv`, or else `xlsx`, whose sheet and head have the title; by default the name."""
        saved = attachment(f"{name}.{form}", company, title)
        if form == "csv":
            return StreamingResponse(self._csv(columns, pages), media_type=CSV, headers=saved)
        file = await self._workbook(title or name, columns, pages, company)
        return StreamingResponse(_sent(file), media_type=XLSX, headers=saved)

    async def _csv(self, columns: Sequence[str], pages: Pages) -> AsyncIterator[bytes]:
        yield BOM + lines([columns])
        async for rows in pages:
            yield await self.run(lines, rows)

    async def _workbook(self, title: str, columns: Sequence[str], pages: Pages, company: str) -> BinaryIO:
        """Write all pages before anything is sent: the table of contents of a workbook comes last."""
        file: BinaryIO = TemporaryFile()  # noqa: SIM115 - closed when it is sent
        try:
            with sheets(file, company, title) as book:
                book.begin(title, columns)
                async for rows in pages:
                    await self.run(book.write, rows)
                # Seconds of a long list, which the event loop does not have.
                await self.run(book.close)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


async def one_page(rows: Rows) -> Pages:
    yield rows


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def attachment(name: str, company: str, title: str = "") -> dict[str, str]:
    """Headers of a file. Browsers name it by company and title, by default the name, which other programs read."""
    stem, _, form = name.rpartition(".")
    saved = f"{company}-{title or stem}.{form}".replace(":", "")  # which Windows has in no name of a file
    full = f"; filename*=UTF-8''{quote(saved, safe='')}"
    return {"Content-Disposition": f'attachment; filename="{name}"{full}'}
