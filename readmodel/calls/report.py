"""Reports of calls by local hour, day and agent, with the roster: SQL counts by outcome and wait, Python adds up."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Result, Select, case, func, literal, select

from domain.calls.call import CallFigures, CallOutcome, Duty
from readmodel.base.database import ReadConnection
from readmodel.calls.calls import EPOCH, SLOT
from readmodel.calls.duties import duties_between
from readmodel.calls.tables import calls

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
            found[number] = Span(number, _name(by, local), EPOCH + slot * SLOT, local.date())
    return list(found.values())


def _name(by: Grouping, local: datetime) -> str:
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


_OUTCOMES = {outcome.value: outcome for outcome in CallOutcome}
_ANSWERED = calls.c.outcome == CallOutcome.ANSWERED.value
_SECOND_MS = 1000


class ReportItem(NamedTuple):
    """Figures of an hour, a day or an agent; `duty` is None if the roster has nothing for that time."""

    key: str | None
    figures: CallFigures
    duty: DutyFigures | None


class CallSummary(NamedTuple):
    """Items of a report in order, and the figures of the whole period, whose key is None."""

    items: list[ReportItem]
    total: ReportItem


def call_report(connection: ReadConnection, by: Grouping, start: datetime, end: datetime, zone: tzinfo) -> CallSummary:
    """Return the figures of the calls that started from `start` on, before `end`; both are UTC.

    Every hour or day of the period has an item. Of agents, those who answered a call or were on duty have one, in the
    order of their ids; the calls that nobody answered come last, with the key None.
    """
    slots = [] if by is Grouping.AGENT else slots_of(start, end, zone)
    found: dict[Any, CallFigures] = {}
    for key, outcome, wait, number, talk_ms in _counted(connection, _key(by, slots), start, end):
        if key not in found:
            found[key] = CallFigures()
        found[key].add(_OUTCOMES[outcome], wait, number, talk_ms)
    total = CallFigures().include(found.values())
    roster = _roster(connection, start, end, zone)
    items = _by_agent(found, roster) if by is Grouping.AGENT else _by_time(found, roster, by, slots)
    return CallSummary(items, ReportItem(None, total, roster.total))


def _counted(
    connection: ReadConnection, key: ColumnElement[Any], start: datetime, end: datetime
) -> Result[Any, str, int | None, int, int]:
    """Return the number of calls and their talk time by key, outcome and, of answered ones, wait in whole seconds."""
    wait = case((_ANSWERED, (calls.c.wait_ms + (_SECOND_MS - 1)) // _SECOND_MS))
    talk = func.coalesce(calls.c.talk_ms, 0)
    within = (calls.c.started_at >= start, calls.c.started_at < end)
    each = select(key.label("key"), calls.c.outcome, wait.label("wait"), talk.label("talk")).where(*within).subquery().c
    groups = (each.key, each.outcome, each.wait)
    # PostgreSQL adds whole numbers up to a decimal, which the driver would parse.
    sums = (func.count(), func.sum(each.talk).cast(BigInteger))
    counted: Select[Any, str, int | None, int, int] = select(*groups, *sums).group_by(*groups)
    return connection.execute(counted)


def _key(by: Grouping, slots: Sequence[LocalSlot]) -> ColumnElement[Any]:
    if by is Grouping.AGENT:
        return case((_ANSWERED, calls.c.agent))
    # One offset for every change of the clock in the period.
    first, *later = [next(same) for _, same in groupby(slots, attrgetter("offset"))]
    changes = [(calls.c.slot >= slot.slot, literal(slot.offset)) for slot in reversed(later)]
    offset = case(*changes, else_=first.offset) if changes else literal(first.offset)
    number: ColumnElement[int] = number_of(by, calls.c.slot, offset)
    return number


def _by_time(
    found: dict[int, CallFigures], roster: Roster, by: Grouping, slots: Sequence[LocalSlot]
) -> list[ReportItem]:
    spans = spans_of(by, slots)
    duties = roster.by_span(spans)
    return [
        ReportItem(span.key, found.get(span.number, CallFigures()), duty)
        for span, duty in zip(spans, duties, strict=True)
    ]


def _by_agent(found: dict[str | None, CallFigures], roster: Roster) -> list[ReportItem]:
    duties = roster.by_person()
    people = sorted(person for person in {*found, *duties} if person is not None)
    items = [
        ReportItem(person, found.get(person, CallFigures()), duties.get(person, DutyFigures()) if roster.days else None)
        for person in people
    ]
    return [*items, ReportItem(None, found[None], None)] if None in found else items


def _roster(connection: ReadConnection, start: datetime, end: datetime, zone: tzinfo) -> Roster:
    """Return the roster of the period. Duties of its first and last day count even if they lie outside of it."""
    first, last = (at.astimezone(zone).date() for at in (start, end - timedelta(microseconds=1)))
    duties = duties_between(connection, start_of(first, zone), start_of(last + timedelta(days=1), zone))
    return Roster(duties, start, end, zone)
