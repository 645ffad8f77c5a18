"""Reader of a catalogue: its TOML file, the files it extends, China's holidays, and the rules of its time zone.

One `FileError` reports every mistake in the files.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue.catalogue import Catalogue
from domain.shared.errors import FileError, causes, explain, key_at, table_at
from hotline.files.calendar import CalendarRules, build_calendar
from hotline.files.formats import read_toml

_MERGED = {"sources": 1, "process": 1, "phone": 1} | dict.fromkeys(
    ("groups", "departments", "districts", "services", "organisation", "findings", "exemptions", "assessment"), 2
)
"""Depth to which a section of an extending file is merged into the extended one. Other sections are replaced."""

_PLACEHOLDER = WorkCalendar(
    name="placeholder, so that the rest of a file with a faulty calendar is checked too",
    weekly=(((0, 1440),),) * 7,
    offsets=((datetime(2000, 1, 1, tzinfo=UTC), 0),),
    covers_until=date.max,
    day_seconds=86_400,
)

Location = tuple[str | int, ...]
Table = dict[str, Any]


def load_catalogue(path: Path) -> Catalogue:
    """Return the catalogue of this file. Raises FileError."""
    chain = _read_chain(path)
    merged: Table = {}
    for _, table in reversed(chain):
        merged |= {key: _overlay(merged.get(key), value, _MERGED.get(key, 0)) for key, value in table.items()}
    problems: list[str] = []
    calendar = _calendar(chain, merged, problems)
    described = chain[0][0] if calendar is None else _file_of(chain, ("calendar",))
    data = {**merged, "calendar": calendar or _PLACEHOLDER, "calendar_file": str(described)}
    try:
        catalogue = Catalogue.parse(data)
    except ValidationError as error:
        problems += [_problem(chain, Catalogue, _with_codes(fault, merged)) for fault in causes(error.errors())]
    else:
        if not problems:
            return catalogue
    raise FileError(problems)


# --- reading and merging ---------------------------------------------------------------------------------------------


def _read_chain(path: Path, extending: tuple[Path, ...] = ()) -> list[tuple[Path, Table]]:
    """Return the file and those it extends, in this order, without the key `extends`."""
    if any(path.resolve() == read.resolve() for read in extending):
        raise FileError([f"{extending[-1]}: extends: {path} extends this file in turn; accepted: another"])
    table = read_toml(path)
    base = table.pop("extends", None)
    if base is None:
        return [(path, table)]
    if not isinstance(base, str):
        raise FileError([f"{path}: extends: must be the name of a file, not {base!r}"])
    return [(path, table), *_read_chain(path.parent / base, (*extending, path))]


def _overlay(base: object, over: object, depth: int) -> object:
    if depth == 0 or not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: _overlay(base.get(key), value, depth - 1) for key, value in over.items()}}


def _calendar(chain: list[tuple[Path, Table]], merged: Table, problems: list[str]) -> WorkCalendar | None:
    written = merged.get("calendar")
    if written is None:
        problems.append(f"{chain[0][0]}: calendar: is missing; accepted: {', '.join(CalendarRules.model_fields)}")
        return None
    letters = merged.get("sources")
    context = {"sources": tuple(letters)} if isinstance(letters, Mapping) else {}
    try:
        return build_calendar(CalendarRules.model_validate(written, context=context))
    except ValidationError as error:
        # Errors of the rules, or of the calendar that is built from them.
        problems += [_problem(chain, CalendarRules, fault, ("calendar",)) for fault in causes(error.errors())]
        return None


# --- saying what is wrong --------------------------------------------------------------------------------------------


def _problem(chain: list[tuple[Path, Table]], root: type[BaseModel], fault: ErrorDetails, prefix: Location = ()) -> str:
    location = (*prefix, *fault["loc"])
    text = explain(fault, table_at(root, fault["loc"][:-1]), hidden={"code", "calendar_file"})
    return f"{_file_of(chain, location)}: {key_at(location)}: {text}"


def _with_codes(fault: ErrorDetails, merged: Table) -> ErrorDetails:
    """Replace places in lists by codes: sections keyed by code are lists to the schema."""
    location = fault["loc"]
    section = merged.get(str(location[0])) if location else None
    if len(location) > 1 and isinstance(location[1], int) and isinstance(section, dict):
        fault["loc"] = (location[0], list(section)[location[1]], *location[2:])
    return fault


def _file_of(chain: list[tuple[Path, Table]], location: Location) -> Path:
    """Return the file that holds most of this key; the extending file if none holds more."""
    return max(chain, key=lambda entry: _depth(entry[1], location))[0]


def _depth(table: object, location: Location) -> int:
    depth = 0
    for part in location:
        if not isinstance(table, dict) or part not in table:
            break
        table, depth = table[part], depth + 1
    return depth
