"""CSV that Excel opens, and in which no program finds a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from domain.reports.report import Cell

CSV = "text/csv"
BOM = b"\xef\xbb\xbf"
"""Byte order mark, without which Excel in China reads GBK."""
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
