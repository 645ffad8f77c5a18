"""Reader of CSV files whose first line names the columns, as spreadsheets save them.

A file is accepted as a whole or not at all. One `FileError` reports every mistake, line by line.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from domain.shared.operator_errors import FileError

UTF_8 = "utf-8-sig"
"""UTF-8 with or without the byte order mark that Excel writes."""
Encoding = str
"""`utf-8` or `gb18030`, which is GBK and more."""
Row = dict[str, str]
"""Cells of one line that are not empty, by column."""


class ColumnFile:
    """File with named columns, and the mistakes that were found in it.

    Args:
        path: the file.
        columns: columns by name, with the Chinese name; they may stand in any order.
        required: columns that may not be left out.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], required: Sequence[str]) -> None:
        self._path = path
        self._columns = columns
        self._required = required
        self._names = {zh: name for name, zh in columns.items()}
        self._problems: list[str] = []

    def fault(self, line: int, what: str) -> None:
        """Note a mistake; `what` follows the number of the line."""
        self._problems.append(f"{self._path}, line {line}{what}")

    def check(self) -> None:
        """Raise FileError if a mistake was noted."""
        if self._problems:
            raise FileError(self._problems)

    def rows(self, encoding: Encoding) -> Iterator[tuple[int, Row]]:
        """Yield each line that has as many cells as there are columns, with its number.

        Raises FileError if the text is not of this encoding, and OSError if the file cannot be read.
        """
        rows = csv.reader(io.StringIO(self._text(encoding), newline=""), strict=True)
        columns: list[str] = []
        line = 1
        try:
            for cells in rows:
                if not columns:
                    columns = self._named(cells)
                    if self._problems:
                        return
                elif any(cell.strip() for cell in cells) and (row := self._row(line, columns, cells)) is not None:
                    yield line, row
                line = rows.line_num + 1
        except csv.Error as error:
            self.fault(line, f": {error}; from here on the file cannot be read. Is a quotation mark missing?")
        if not columns:
            self.fault(1, f": the file is empty; the first line names the columns: {', '.join(self._columns)}")

    def _text(self, encoding: Encoding) -> str:
        data = self._path.read_bytes()
        try:
            return data.decode(UTF_8 if encoding == "utf-8" else encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise FileError([f"{self._path}, line {line}{wrong_encoding(encoding)}"]) from None

    def _named(self, cells: Sequence[str]) -> list[str]:
        columns = [self._names.get(cell.strip(), cell.strip()) for cell in cells]
        unknown = [name for name in columns if name not in self._columns]
        missing = [name for name in self._required if name not in columns]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        said = [("unknown", unknown), ("missing", missing), ("named twice", twice)]
        if found := [f"{what}: {', '.join(map(repr, names))}" for what, names in said if names]:
            accepted = ", ".join(f"{name} ({zh})" for name, zh in self._columns.items())
            self.fault(1, f": columns {'; '.join(found)}. Accepted, parted by commas: {accepted}")
        return columns

    def _row(self, line: int, columns: Sequence[str], cells: Sequence[str]) -> Row | None:
        if len(cells) != len(columns):
            named = f"{len(cells)} columns, the first line names {len(columns)}"
            self.fault(line, f": {named}. Quote text that has commas")
            return None
        return {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}


def wrong_encoding(encoding: Encoding) -> str:
    """Return what to say of a line that is not of this encoding."""
    other = "gb18030" if encoding == "utf-8" else "utf-8"
    return f": this is not {encoding}; try --encoding {other}"
