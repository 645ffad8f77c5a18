"""Reader of customers (客户档案) in a CSV file, as spreadsheets save it.

A file is accepted as a whole or not at all. One `FileError` reports every mistake, line by line.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.catalogue.catalogue import Catalogue
from domain.customers.customer import Customer
from domain.shared.codes import UNKNOWN_CODE
from domain.shared.explain import message
from domain.shared.operator_errors import FileError

COLUMNS = {
    "account_no": "户号",
    "name": "姓名",
    "phone": "电话",
    "address": "地址",
    "district": "区域",
    "meter": "水表",
    "customer_class": "客户类别",
    "hardship": "困难户",
    "hardship_grounds": "困难原因",
    "free_allowance_m3": "免费水量",
    "notes": "备注",
}
"""Columns by name, with the Chinese name. They may stand in any order; optional ones may be left out."""
REQUIRED = tuple(name for name in COLUMNS if Customer.model_fields[name].is_required())
_CHINESE = {zh: name for name, zh in COLUMNS.items()}
_IN_CHINESE = {
    "hardship": {"是": "yes", "否": "no"},
    "customer_class": {"居民": "household", "单位": "business"},
}
_UTF_8 = "utf-8-sig"
"""UTF-8 with or without the byte order mark that Excel writes."""


@dataclass
class _Source:
    """State of reading one file."""

    path: Path
    catalogue: Catalogue
    problems: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each account."""

    def fault(self, line: int, what: str) -> None:
        self.problems.append(f"{self.path}, line {line}{what}")


def load_customers(path: Path, encoding: str, catalogue: Catalogue) -> list[Customer]:
    """Return the customers of this file, each account once.

    Args:
        path: a CSV file with a line of column names.
        encoding: `utf-8` or `gb18030`, which is GBK and more.
        catalogue: has the districts that the column `district` names, by code or name.

    Raises:
        FileError: the file, or any line of it, cannot be used.
        OSError: it cannot be read.
    """
    source = _Source(path, catalogue)
    rows = csv.reader(io.StringIO(_text(path, encoding), newline=""), strict=True)
    found = list(_customers(source, rows))
    if source.problems:
        raise FileError(source.problems)
    return found


def _text(path: Path, encoding: str) -> str:
    data = path.read_bytes()
    try:
        return data.decode(_UTF_8 if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        other = "gb18030" if encoding == "utf-8" else "utf-8"
        raise FileError([f"{path}, line {line}: this is not {encoding}; try --encoding {other}"]) from None


def _customers(source: _Source, rows: Any) -> Iterator[Customer]:  # noqa: ANN401 - the csv module names no type
    columns: list[str] = []
    line = 1
    try:
        for cells in rows:
            if not columns:
                columns = _columns(source, cells)
                if source.problems:
                    return
            elif any(cell.strip() for cell in cells) and (customer := _customer(source, line, columns, cells)):
                yield customer
            line = rows.line_num + 1
    except csv.Error as error:
        source.fault(line, f": {error}; from here on the file cannot be read. Is a quotation mark missing?")
    if not columns:
        source.fault(1, f": the file is empty; the first line names the columns: {', '.join(COLUMNS)}")


def _columns(source: _Source, cells: Sequence[str]) -> list[str]:
    columns = [_CHINESE.get(cell.strip(), cell.strip()) for cell in cells]
    unknown = [name for name in columns if name not in COLUMNS]
    missing = [name for name in REQUIRED if name not in columns]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    said = [("unknown", unknown), ("missing", missing), ("named twice", twice)]
    if found := [f"{what}: {', '.join(map(repr, names))}" for what, names in said if names]:
        accepted = ", ".join(f"{name} ({zh})" for name, zh in COLUMNS.items())
        source.fault(1, f": columns {'; '.join(found)}. Accepted, parted by commas: {accepted}")
    return columns


def _customer(source: _Source, line: int, columns: Sequence[str], cells: Sequence[str]) -> Customer | None:
    if len(cells) != len(columns):
        source.fault(line, f": {len(cells)} columns, the first line names {len(columns)}. Quote text that has commas")
        return None
    given = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}
    for name, words in _IN_CHINESE.items():
        if name in given:
            given[name] = words.get(given[name], given[name])
    account_no = given.get("account_no")
    if account_no and (first := source.lines.setdefault(account_no, line)) != line:
        source.fault(line, f", account_no: this account stands on line {first} already")
    try:
        return Customer.model_validate(given, context={"codes": source.catalogue.code})
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            source.fault(line, _explained(fault))
    return None


def _explained(fault: ErrorDetails) -> str:
    """Return the column and what it accepts. The value is not repeated: it may be personal."""
    if not fault["loc"]:
        return f", hardship: {message(fault)}"
    name = str(fault["loc"][0])
    if fault["type"] == UNKNOWN_CODE:
        return f", {name}: {message(fault)}"
    missing = "is missing; " if fault["type"] == "missing" else ""
    return f", {name}: {missing}accepted: {Customer.model_fields[name].description}"
