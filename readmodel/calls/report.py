"""Roster (排班), and reports of calls by local hour, day and agent with those on duty."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, case, delete, func, literal, select

from domain.calls.call import LONGEST_DUTY, CallFigures, CallOutcome, Duty
from domain.shared.errors import OperatorError
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing, lock
from readmodel.calls.calls import EPOCH, SLOT
from readmodel.calls.tables import calls, duties

DUTIES_LOCK = 5_170_003
"""Number of the lock of all imports of duties."""


class DutyChanges(NamedTuple):
    """Numbers of duties that were added, removed, and found unchanged."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0


class OverlapError(OperatorError):
    """Error of a duty that overlaps another one of the same person."""


def replace_duties(connection: WriteConnection, given: Sequence[Duty], start: datetime, end: datetime) -> DutyChanges:
    """Replace the duties that start from `start` until before `end`; the same again changes nothing.

    Raises OverlapError for a duty that overlaps one that starts before or after that time.
    """
    # Two imports at once must not check against what the other is about to replace.
    lock(connection, DUTIES_LOCK)
    new = set(given)
    near = duties_between(connection, start - LONGEST_DUTY, end + LONGEST_DUTY)
    old = {duty for duty in near if start <= duty.starts_at < end}
    beside = [duty for duty in near if duty not in old]
    for duty in sorted(new):
        for other in filter(duty.overlaps, beside):
            raise OverlapError(
                f"the duty of {duty.person} from {duty.starts_at.isoformat()} overlaps the one from"
                f" {other.starts_at.isoformat()}; accepted: a file that covers the days of both"
            )
    gone = {(duty.person, duty.starts_at) for duty in old - new}
    for person, starts_at in sorted(gone):
        connection.execute(delete(duties).where(duties.c.person == person, duties.c.starts_at == starts_at))
    insert_missing(connection, duties, [duty._asdict() for duty in sorted(new - old)])
    return DutyChanges(len(new - old), len(gone), len(new & old))


def duties_between(connection: ReadConnection, start: datetime, end: datetime) -> list[Duty]:
    """Duties that have an instant from `start` until before `end`, by their start."""
    wanted = (
        select(duties)
        .where(duties.c.starts_at > start - LONGEST_DUTY, duties.c.starts_at < end, duties.c.ends_at > start)
        .order_by(duties.c.starts_at, duties.c.person)
    )
    return [Duty._make(found) for found in connection.execute(wanted)]


_HOUR_SLOTS = timedelta(hours=1) // SLOT
_DAY_SLOTS = timedelta(days=1) // SLOT
_MICROSECOND = timedelta(microseconds=1)


class Grouping(StrEnum):
    """Groups of calls in a report: by local hour or day of their start, or by the agent who answered them."""

    HOUR = "hour"
    DAY = "day"
    AGENT = "agent"


class Span(NamedTuple):
    """Local hour or day, or what the period has of it."""

    key: str
    start: datetime
    day: date


@dataclass
class DutyFigures:
    """People who are on duty, and the sum of the times of their duties."""

    people: set[str] = field(default_factory=set)
    time: timedelta = timedelta()

    def add(self, duty: Duty, start: datetime, end: datetime) -> None:
        """Add what a duty has of the time from `start` to `end`, more than nothing."""
        self.people.add(duty.person)
        self.time += min(duty.ends_at, end) - max(duty.starts_at, start)


def spans_of(by: Grouping, start: datetime, end: datetime, zone: tzinfo) -> tuple[dict[int, Span], ColumnElement[int]]:
    """Local hours or days from `start` until before `end` by group, and the group of a call as SQL.

    An hour that the clock repeats comes twice, as its offset differs; a day comes once, whatever the clock does.
    """
    spans: dict[int, Span] = {}
    by_key: dict[str, Span] = {}
    changes: list[tuple[int, int]] = []
    for slot in range((start - EPOCH) // SLOT, -((EPOCH - end) // SLOT)):
        begins_at = EPOCH + slot * SLOT
        local = begins_at.astimezone(zone)
        offset = (local.utcoffset() or timedelta()) // SLOT
        if not changes or offset != changes[-1][1]:
            changes.append((slot, offset))
        if (group := _group(by, slot, offset)) not in spans:
            key = _name(by, local)
            spans[group] = by_key.setdefault(key, Span(key, begins_at, local.date()))
    (_, first), *later = changes
    since = [(calls.c.slot >= slot, literal(offset)) for slot, offset in reversed(later)]
    return spans, _group(by, calls.c.slot, case(*since, else_=first) if since else literal(first))


def _group(by: Grouping, slot: Any, offset: Any) -> Any:  # noqa: ANN401 - whole numbers, or expressions of SQL
    """Slot in which the local hour or day of a slot began, if its offset from UTC has held since."""
    return slot - (slot + offset) % (_DAY_SLOTS if by is Grouping.DAY else _HOUR_SLOTS)


def _name(by: Grouping, local: datetime) -> str:
    if by is Grouping.DAY:
        return local.date().isoformat()
    # With the offset at that time, even if the clock changes within the hour.
    return local.replace(minute=0, tzinfo=timezone(local.utcoffset() or timedelta())).isoformat()


def start_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _days(duty: Duty, zone: tzinfo) -> Iterator[date]:
    """Yield the local days of a duty: three, if clocks go forward in it."""
    day, last = (at.astimezone(zone).date() for at in (duty.starts_at, duty.ends_at - _MICROSECOND))
    while day <= last:
        yield day
        day += timedelta(days=1)


class Roster:
    """Duties in a period. `days` are the local days of the period for which the roster has anything."""

    def __init__(self, connection: ReadConnection, start: datetime, end: datetime, zone: tzinfo) -> None:
        """Read the duties of all local days that the period touches, also those outside of it."""
        first, last = (at.astimezone(zone).date() for at in (start, end - _MICROSECOND))
        duties = duties_between(connection, start_of(first, zone), start_of(last + timedelta(days=1), zone))
        touched = {day for duty in duties for day in _days(duty, zone)}
        self.days = {day for day in touched if first <= day <= last}
        self._start, self._end = start, end
        self._duties = [duty for duty in duties if duty.starts_at < end and duty.ends_at > start]

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

    def by_span(self, spans: Sequence[Span]) -> dict[Span, DutyFigures | None]:
        """Figures of each hour or day; None where the roster has nothing for the local day."""
        found = {span: DutyFigures() if span.day in self.days else None for span in spans}
        starts = [span.start for span in spans] + [self._end]
        for duty in self._duties:
            first = max(bisect_right(starts, duty.starts_at) - 1, 0)
            for place in range(first, bisect_left(starts, duty.ends_at, hi=len(spans))):
                if figures := found[spans[place]]:
                    figures.add(duty, max(starts[place], self._start), starts[place + 1])
        return found


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
    """Count the calls that started from `start` on, before `end`, both UTC.

    Every hour or day of the period has an item. Of agents, those who answered a call or were on duty have one, in the
    order of their ids; the calls that nobody answered come last, with the key None.
    """
    roster = Roster(connection, start, end, zone)
    if by is Grouping.AGENT:
        found = _figures(connection, case((_ANSWERED, calls.c.agent)), start, end)
        items = _by_agent(found, roster)
    else:
        spans, group = spans_of(by, start, end, zone)
        found = _figures(connection, group, start, end)
        figures = {span: CallFigures() for span in spans.values()}
        for name, span in spans.items():
            figures[span].include([found[name]])
        items = [ReportItem(span.key, figures[span], duty) for span, duty in roster.by_span([*figures]).items()]
    return CallSummary(items, ReportItem(None, CallFigures().include(found.values()), roster.total))


def _figures(
    connection: ReadConnection, key: ColumnElement[Any], start: datetime, end: datetime
) -> defaultdict[Any, CallFigures]:
    """By key. SQL counts by outcome and, of answered calls, by wait in whole seconds."""
    wait = case((_ANSWERED, (calls.c.wait_ms + (_SECOND_MS - 1)) // _SECOND_MS))
    talk = func.coalesce(calls.c.talk_ms, 0)
    within = (calls.c.started_at >= start, calls.c.started_at < end)
    each = select(key.label("key"), calls.c.outcome, wait.label("wait"), talk.label("talk")).where(*within).subquery().c
    groups = (each.key, each.outcome, each.wait)
    # PostgreSQL adds whole numbers up to a decimal, which the driver would parse.
    sums = (func.count(), func.sum(each.talk).cast(BigInteger))
    found = defaultdict[Any, CallFigures](CallFigures)
    for name, outcome, seconds, number, talk_ms in connection.execute(select(*groups, *sums).group_by(*groups)):
        found[name].add(CallOutcome(outcome), seconds, number, talk_ms)
    return found


def _by_agent(found: defaultdict[str | None, CallFigures], roster: Roster) -> list[ReportItem]:
    duties = roster.by_person()
    people = sorted(person for person in {*found, *duties} if person is not None)
    items = [
        ReportItem(person, found[person], duties.get(person, DutyFigures()) if roster.days else None)
        for person in people
    ]
    return [*items, ReportItem(None, found[None], None)] if None in found else items
