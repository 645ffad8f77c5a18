"""Local hours and days of a period, as whole numbers that SQL computes as well, and the roster in them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any, NamedTuple

from domain.calls.call import Duty
from readmodel.calls.calls import EPOCH, SLOT

_HOUR_SLOTS = timedelta(hours=1) // SLOT
_DAY_SLOTS = timedelta(days=1) // SLOT
_MICROSECOND = timedelta(microseconds=1)


class Grouping(StrEnum):
    """Groups of calls in a report: by local hour or day of their start, or by the agent who answered them."""

    HOUR = "hour"
    DAY = "day"
    AGENT = "agent"


class Span(NamedTuple):
    """Local hour or day; `key` names it, `number` is what `number_of` gives for the slots in it."""

    number: int
    key: str
    start: datetime
    day: date


class LocalSlot(NamedTuple):
    """Slot with the local time of its start, and the difference from UTC in slots."""

    slot: int
    local: datetime
    offset: int


@dataclass
class DutyFigures:
    """People who are on duty, and the sum of the times of their duties."""

    people: set[str] = field(default_factory=set)
    time: timedelta = timedelta()

    def add(self, duty: Duty, start: datetime, end: datetime) -> None:
        """Add what a duty has of the time from `start` to `end`, more than nothing."""
        self.people.add(duty.person)
        self.time += min(duty.ends_at, end) - max(duty.starts_at, start)


def slots_of(start: datetime, end: datetime, zone: tzinfo) -> list[LocalSlot]:
    """Return the slots that have an instant from `start` until before `end`."""
    found = []
    for slot in range((start - EPOCH) // SLOT, -((EPOCH - end) // SLOT)):
        local = (EPOCH + slot * SLOT).astimezone(zone)
        found.append(LocalSlot(slot, local, (local.utcoffset() or timedelta()) // SLOT))
    return found


def number_of(by: Grouping, slot: Any, offset: Any) -> Any:  # noqa: ANN401 - whole numbers, or expressions of SQL
    """Return the number of the local day of a slot, or the slot in which its local hour began.

    An hour that the clock repeats has two numbers, as its offset differs; a day has one, whatever the clock does.
    """
    return (slot + offset) // _DAY_SLOTS if by is Grouping.DAY else slot - (slot + offset) % _HOUR_SLOTS


def spans_of(by: Grouping, slots: Iterable[LocalSlot]) -> list[Span]:
    found: dict[int, Span] = {}
    for slot, local, offset in slots:
        number = number_of(by, slot, offset)
        if number not in found:
            found[number] = Span(number, _key(by, local), EPOCH + slot * SLOT, local.date())
    return list(found.values())


def _key(by: Grouping, local: datetime) -> str:
    if by is Grouping.DAY:
        return local.date().isoformat()
    # With the offset at that time, even if the clock changes within the hour.
    return local.replace(minute=0, tzinfo=timezone(local.utcoffset() or timedelta())).isoformat()


def start_of(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a local day, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _days(duty: Duty, zone: tzinfo) -> Iterator[date]:
    """Yield the local days of a duty: three, if clocks go forward in it."""
    day, last = (at.astimezone(zone).date() for at in (duty.starts_at, duty.ends_at - _MICROSECOND))
    while day <= last:
        yield day
        day += timedelta(days=1)


class Roster:
    """Duties in a period. `days` are the local days of the period for which the roster has anything."""

    def __init__(self, duties: Sequence[Duty], start: datetime, end: datetime, zone: tzinfo) -> None:
        """Take the duties of all local days that the period touches."""
        self._start, self._end = start, end
        self._duties = [duty for duty in duties if duty.starts_at < end and duty.ends_at > start]
        touched = {day for duty in duties for day in _days(duty, zone)}
        self.days = {day for day in touched if start_of(day, zone) < end and start_of(day + timedelta(1), zone) > start}

    @property
    def total(self) -> DutyFigures | None:
        """Figures of all people; None if the roster has nothing for any day of the period."""
        found = DutyFigures()
        for duty in self._duties:
            found.add(duty, self._start, self._end)
        return found if self.days else None

    def by_person(self) -> dict[str, DutyFigures]:
        found: dict[str, DutyFigures] = {}
        for duty in self._duties:
            found.setdefault(duty.person, DutyFigures()).add(duty, self._start, self._end)
        return found

    def by_span(self, spans: Sequence[Span]) -> list[DutyFigures | None]:
        """Return the figures of each hour or day; None where the roster has nothing for the local day."""
        found = [DutyFigures() if span.day in self.days else None for span in spans]
        starts = [span.start for span in spans] + [self._end]
        for duty in self._duties:
            first = max(bisect_right(starts, duty.starts_at) - 1, 0)
            for place in range(first, bisect_left(starts, duty.ends_at, hi=len(spans))):
                if figures := found[place]:
                    figures.add(duty, max(starts[place], self._start), starts[place + 1])
        return found
