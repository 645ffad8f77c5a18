"""Files that Excel opens: CSV in which no program finds a formula, and workbooks, written row by row in flat memory."""

import csv
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import BinaryIO

import psutil
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from domain.reports.report import Cell, ColumnKind

CSV = "text/csv"
BOM = b"\xef\xbb\xbf"
"""Byte order mark, without which Excel in China reads GBK."""
_WAITING = "hotline-workbook-"
"""Beginning of the names of folders in which rows wait for their workbook; the id of the process follows."""
_FORMULA = re.compile(r'(?<![^,;|\t\r\n])((?:"|[^\S\t\r\n])*)(?=[-=+@＝＋－＠])')
"""Beginning of a formula, in the whole cell or in what a program makes a cell of that divides lines at another sign."""


def lines(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return rows as lines. Texts are defused; numbers, which may be negative, are written as they are."""
    text = io.StringIO()
    csv.writer(text).writerows([_written(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case str():
            return defused(cell)
    return str(cell)


def defused(text: str) -> str:
    """Return a text with an apostrophe before whatever might be taken for a formula."""
    return _FORMULA.sub(r"\1'", text)


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST = 32_767
"""Characters that Excel takes in one cell."""
_FORMATS: Mapping[ColumnKind, Mapping[str, object]] = {
    ColumnKind.RATE: {"num_format": "0.0%"},
    ColumnKind.AMOUNT: {"num_format": "#,##0.00"},
    ColumnKind.COUNT: {"num_format": "#,##0"},
}
_WIDTHS = {ColumnKind.TEXT: 22, ColumnKind.LINK: 34, ColumnKind.INSTANT: 24}


@contextmanager
def sheets(file: BinaryIO) -> Iterator["Sheets"]:
    """Open a workbook that is written to a file, which is whole at the end of the context, or by `close` before it.

    Rows wait in a temporary folder, not in memory: only the last one can be written to.
    """
    with TemporaryDirectory(prefix=f"{_WAITING}{os.getpid()}-") as folder:
        book = Sheets(Workbook(file, {"constant_memory": True, "tmpdir": folder}))
        yield book
        book.close()


def remove_left_rows() -> None:
    """Remove rows that processes left in clear which died while they wrote a workbook; this one writes none yet."""
    others = {str(process) for process in psutil.pids()} - {str(os.getpid())}
    for folder in Path(gettempdir()).glob(f"{_WAITING}*"):
        if folder.name.removeprefix(_WAITING).partition("-")[0] not in others:
            shutil.rmtree(folder, ignore_errors=True)


class Sheets:
    """Sheets of a workbook, one after the other."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._head = self._book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._formats = {kind: self._book.add_format(dict(wanted)) for kind, wanted in _FORMATS.items()}
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
        for place, title in enumerate(titles):
            self._sheet.write_string(0, place, title, self._head)

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            for place, (cell, kind) in enumerate(zip(row, self._kinds, strict=True)):
                self._write(place, cell, kind)
            self._row += 1

    def _write(self, place: int, cell: Cell, kind: ColumnKind) -> None:
        sheet = self._sheet
        if sheet is None or cell is None:
            return
        if isinstance(cell, bool):
            sheet.write_string(self._row, place, str(cell).lower())
        elif isinstance(cell, str) and kind is not ColumnKind.AMOUNT:
            sheet.write_string(self._row, place, cell[:LONGEST])
        else:
            sheet.write_number(self._row, place, float(cell), self._formats.get(kind))
