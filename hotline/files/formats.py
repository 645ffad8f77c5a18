"""Formats of files: TOML, JSON, CSV whose first line names the columns, and local times.

A CSV file, as spreadsheets save it, is accepted as a whole or not at all. One `FileError` reports every mistake.
"""

import csv
import io
import tomllib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domain.shared.errors import FileError, OperatorError, key_at, message

UTF_8 = "utf-8-sig"
"""UTF-8 with or without the byte order mark that Excel writes."""
Row = dict[str, str]
"""Cells of one line that are not empty, by column."""
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class LineFault(Exception):  # noqa: N818 - a fault of a line becomes one text of a FileError
    """Fault of a line: the column, and what it accepts. `torn` is True if its end seems to be missing."""

    def __init__(self, column: str, accepted: str, *, torn: bool = False) -> None:
        super().__init__(f", {column}: {accepted}" if column else f": {accepted}")
        self.torn = torn


@dataclass
class ColumnFile:
    """File with named columns, and the mistakes that were found in it.

    `columns` have their Chinese names, alternatives parted by a slash, and may stand in any order; `required` ones may
    not be left out. `cells` names in words what no line may leave out of the required columns; None: lines may leave
    out anything. `line` is the number of the line that is read.
    """

    path: Path
    columns: Mapping[str, str]
    required: Sequence[str]
    cells: str | None = None
    line: int = field(default=1, init=False)
    _problems: list[str] = field(default_factory=list, init=False)
    _first_lines: dict[Hashable, int] = field(default_factory=dict, init=False)

    def fault(self, what: str) -> None:
        """Note a mistake of the present line; `what` follows its number."""
        self._problems.append(f"{self.path}, line {self.line}{what}")

    def note_repeated(self, key: Hashable, message: str) -> None:
        """Note a mistake if a line before the present one has this key; `message` has `{}` for its number."""
        if (first := self._first_lines.setdefault(key, self.line)) != self.line:
            self.fault(message.format(first))

    def read(self, encoding: str, make: Callable[[Row], T | None]) -> list[T]:
        """`make` raises LineFault, or returns None for mistakes that it has noted.

        `encoding` is `utf-8`, or `gb18030`, which is GBK and more. Raises FileError if there was any mistake, and
        OSError if the file cannot be read.
        """
        found: list[T] = []
        rows = csv.reader(io.StringIO(self._text(encoding), newline=""), strict=True)
        try:
            columns = self._named(next(rows, None))
            self.line = rows.line_num + 1
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    try:
                        made = make(self._row(columns, cells))
                    except LineFault as fault:
                        self.fault(str(fault))
                    else:
                        if made is not None:
                            found.append(made)
                self.line = rows.line_num + 1
        except LineFault as fault:
            self.fault(str(fault))
        except csv.Error as error:
            self.fault(f": {error}; from here on the file cannot be read. Is a quotation mark missing?")
        if self._problems:
            raise FileError(self._problems)
        return found

    def _text(self, encoding: str) -> str:
        data = self.path.read_bytes()
        try:
            return data.decode(UTF_8 if encoding == "utf-8" else encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise FileError([f"{self.path}, line {line}{wrong_encoding(encoding)}"]) from None

    def _named(self, cells: Sequence[str] | None) -> list[str]:
        """Names of the columns, which the first line has. Raises LineFault."""
        if cells is None:
            raise LineFault("", f"the file is empty; the first line names the columns: {', '.join(self.columns)}")
        names = {zh: name for name, words in self.columns.items() for zh in words.split("/")}
        columns = [names.get(cell.strip(), cell.strip()) for cell in cells]
        unknown = [name for name in columns if name not in self.columns]
        missing = [name for name in self.required if name not in columns]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        lists = [("unknown", unknown), ("missing", missing), ("named twice", twice)]
        if found := [f"{what}: {', '.join(map(repr, wrong))}" for what, wrong in lists if wrong]:
            accepted = ", ".join(f"{name} ({zh})" for name, zh in self.columns.items())
            raise LineFault("", f"columns {'; '.join(found)}. Accepted, parted by commas: {accepted}")
        return columns

    def _row(self, columns: Sequence[str], cells: Sequence[str]) -> Row:
        """Raise LineFault if there are more or fewer cells than columns, or if one that is required is empty."""
        if len(cells) != len(columns):
            named = f"{len(cells)} columns, the first line names {len(columns)}"
            raise LineFault("", f"{named}. Quote text that has commas")
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}
        if self.cells and (missing := [name for name in self.required if name not in row]):
            raise LineFault(missing[0], f"is missing; accepted: {self.cells}")
        return row


def wrong_encoding(encoding: str) -> str:
    other = "gb18030" if encoding == "utf-8" else "utf-8"
    return f": this is not {encoding}; try --encoding {other}"


def read_toml(path: Path) -> dict[str, Any]:
    """Raise FileError if the file cannot be read, or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError([f"{path}: cannot be read ({error.strerror}); accepted: a TOML file"]) from error
    except UnicodeDecodeError as error:
        raise FileError([f"{path}: is no UTF-8 text ({error.reason}); accepted: a TOML file in UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise FileError([f"{path}: is no valid TOML: {error}"]) from error


def read_json(path: Path, model: type[M], remedy: str) -> M:
    """Read a file that the service has written. Raises FileError, with the remedy."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = error.strerror
    except ValidationError as error:
        fault = error.errors()[0]
        reason = f"{key_at(fault['loc']) or 'the whole'}: {message(fault)}"
    except OperatorError as error:  # of a validator
        reason = str(error)
    raise FileError([f"{path}: cannot be used: {reason}; {remedy}"])


YEARS = range(2000, 3000)
"""Years of instants, as the interface takes them."""
SHORTEST_TIME = len("2026-08-03 08:00")
TIME = "accepted: a time of the years 2000 to 2999 like 2026-08-03 08:00, or 2026-08-03T08:00:00+08:00 with its zone"


def instant_in(zone: tzinfo, column: str, text: str, not_before: datetime | None = None) -> datetime:
    """From a text like `2026-08-03 08:00:00`, of `zone` if it names no other. Raises LineFault.

    Of the two instants of an hour that is repeated in autumn, the first is meant, unless only the second is not earlier
    than `not_before`.
    """
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise LineFault(column, TIME) from None
    if len(text) < SHORTEST_TIME or local.year not in YEARS:
        raise LineFault(column, TIME)
    if local.tzinfo is None:
        local = datetime.combine(local, local.time(), zone)  # a fourth of the time of `replace`
    instant = local.astimezone(UTC)
    if not_before is not None and instant < not_before:
        second = local.replace(fold=1).astimezone(UTC)
        if second >= not_before:
            return second
    return instant
