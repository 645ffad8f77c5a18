"""Reports of calls by hour, day and agent: SQL counts calls by outcome and wait, Python adds them up."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Result, Select, case, func, literal, select

from domain.calls.call import CallOutcome
from domain.calls.figures import CallFigures
from readmodel.base.database import ReadConnection
from readmodel.calls.duties import duties_between
from readmodel.calls.spans import DutyFigures, Grouping, LocalSlot, Roster, number_of, slots_of, spans_of, start_of
from readmodel.calls.tables import calls

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
