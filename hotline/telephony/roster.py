"""Reader of the roster (排班) in a CSV file."""

from datetime import datetime, timedelta, tzinfo
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from domain.calls.call import LONGEST_DUTY, Duty
from hotline.files.formats import ColumnFile, LineFault, Row, instant_of
from hotline.telephony.agents import known_id
from readmodel.people.people import Directory

COLUMNS = {"person": "人员", "from": "上班", "to": "下班"}
"""Columns by name, with the Chinese name; all are required."""
_TIME = "accepted: a time of the years 2000 to 2999 like 2026-08-03 08:00, or 2026-08-03T08:00:00+08:00 with its zone"


class RosterFile(NamedTuple):
    """Duties of a file, and the days that they cover: from midnight before the first start to that after the last."""

    duties: list[Duty]
    start: datetime
    end: datetime


def load_roster(path: Path, encoding: str, zone: tzinfo, directory: Directory) -> RosterFile:
    """Return the roster of a file; times without a zone are of `zone`.

    Raises FileError if a line cannot be used, and OSError if the file cannot be read.
    """
    source = ColumnFile(path, COLUMNS, tuple(COLUMNS), "a person, and when the duty begins and ends")
    found = source.read(encoding, partial(_duty, zone=zone, directory=directory))
    lines = sorted((duty, line) for line, duty in found)
    for (earlier, first), (later, line) in pairwise(lines):
        if earlier.overlaps(later):
            source.fault(f", from: it overlaps the duty of line {first}; accepted: duties one after the other", line)
    source.check()
    if not lines:
        source.fault(": no duty follows; accepted: a line for each duty", 1)
        source.check()
    starts = [duty.starts_at for duty, _ in lines]
    return RosterFile([duty for duty, _ in lines], _midnight(min(starts), zone), _midnight(max(starts), zone, days=1))


def _duty(row: Row, zone: tzinfo, directory: Directory) -> Duty:
    """Return the duty of a line. Raises LineFault."""
    person = known_id(directory, row["person"])
    starts_at = _instant("from", row, zone)
    ends_at = _instant("to", row, zone, starts_at)
    if not starts_at < ends_at <= starts_at + LONGEST_DUTY:
        raise LineFault("to", "accepted: a time after from, at most 25 hours later")
    return Duty(person, starts_at, ends_at)


def _instant(column: str, row: Row, zone: tzinfo, not_before: datetime | None = None) -> datetime:
    try:
        return instant_of(row[column], zone, not_before)
    except (ValueError, OverflowError):
        raise LineFault(column, _TIME) from None


def _midnight(instant: datetime, zone: tzinfo, days: int = 0) -> datetime:
    local = instant.astimezone(zone) + timedelta(days=days)
    return instant_of(f"{local:%Y-%m-%d} 00:00", zone)
