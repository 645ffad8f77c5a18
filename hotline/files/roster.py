"""Reader of the roster (排班) in a CSV file."""

from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from domain.calls.duty import LONGEST, Duty
from hotline.files.agents import NOBODY, person_id
from hotline.files.columns import ColumnFile, Row
from hotline.files.local_time import instant_of
from readmodel.people import Directory

COLUMNS = {"person": "人员", "from": "上班", "to": "下班"}
"""Columns by name, with the Chinese name; all are required."""
_TIME = "accepted: a time of the years 2000 to 2999 like 2026-08-03 08:00, or 2026-08-03T08:00:00+08:00 with its zone"


class Roster(NamedTuple):
    """Duties of a file, and the days that they cover: from midnight before the first start to that after the last."""

    duties: list[Duty]
    start: datetime
    end: datetime


def load_roster(path: Path, encoding: str, zone: tzinfo, directory: Directory) -> Roster:
    """Return the roster of a file; times without a zone are of `zone`.

    Raises FileError if a line cannot be used, and OSError if the file cannot be read.
    """
    source = ColumnFile(path, COLUMNS, tuple(COLUMNS))
    lines: list[tuple[Duty, int]] = []
    for line, row in source.rows(encoding):
        if duty := _duty(source, line, row, zone, directory):
            lines.append((duty, line))
    lines.sort()
    for (earlier, first), (later, line) in pairwise(lines):
        if earlier.overlaps(later):
            source.fault(line, f", from: it overlaps the duty of line {first}; accepted: duties one after the other")
    source.check()
    if not lines:
        source.fault(1, ": no duty follows; accepted: a line for each duty")
        source.check()
    starts = [duty.starts_at for duty, _ in lines]
    return Roster([duty for duty, _ in lines], _midnight(min(starts), zone), _midnight(max(starts), zone, days=1))


def _duty(source: ColumnFile, line: int, row: Row, zone: tzinfo, directory: Directory) -> Duty | None:
    """Return the duty of a line, or note its first fault."""
    if missing := [name for name in COLUMNS if name not in row]:
        source.fault(line, f", {missing[0]}: is missing; accepted: a person, and when the duty begins and ends")
        return None
    person = person_id(directory, row["person"])
    if person is None:
        source.fault(line, f", person: {NOBODY}")
        return None
    column = "from"
    try:
        starts_at = instant_of(row["from"], zone)
        column = "to"
        ends_at = instant_of(row["to"], zone, starts_at)
    except (ValueError, OverflowError):
        source.fault(line, f", {column}: {_TIME}")
        return None
    if starts_at < ends_at <= starts_at + LONGEST:
        return Duty(person, starts_at, ends_at)
    source.fault(line, ", to: accepted: a time after from, at most 25 hours later")
    return None


def _midnight(instant: datetime, zone: tzinfo, days: int = 0) -> datetime:
    local = instant.astimezone(zone) + timedelta(days=days)
    return instant_of(f"{local:%Y-%m-%d} 00:00", zone)
