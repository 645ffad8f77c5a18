"""Figures of the board (大屏): open cases, incidents, calls, the longest waits, and what was just done.

They hold no personal data, and are read again and again: each statement is answered by an index of few rows.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Boolean, ColumnElement, Select, case, exists, func, literal, literal_column, select, true

from domain.calls.call import CallOutcome
from domain.case.actions import complete, register
from domain.case.lifecycle import BEFORE_REPLY, State
from domain.incident.state import ENDS, LINKABLE
from readmodel import incidents
from readmodel.base.database import ReadConnection
from readmodel.calls.call_backs import count_open_call_backs
from readmodel.calls.tables import UNANSWERED, calls
from readmodel.cases.tables import WITH_INCIDENT, cases, events

DUE_SOON = timedelta(hours=1)
LONGEST_RING = timedelta(hours=1)
"""Age from which an unanswered call no longer counts as waiting: the report of its end is missing."""
JOINT = "with_incident"
"""State on the board of cases that are dispatched and signed for with their incident."""
LATELY = timedelta(days=1)
"""Time of what was just done, and within which the telephone system must have reported a call to be shown."""
LINES = 4
"""Rows of each list: what a screen shows without scrolling, in letters that are read from five metres."""
_CASE = cases.c.number, cases.c.service_code, cases.c.department, cases.c.state


class Waiting(NamedTuple):
    """Case whose caller has waited for a reply since `at`, or to which something was done then."""

    at: datetime
    number: str
    service_code: str
    department: str | None
    state: str
    action: str | None = None


class OpenIncident(NamedTuple):
    """Incident with the number of its cases."""

    number: str
    title: str
    state: str
    department: str | None
    cases: int


class Calls(NamedTuple):
    """Callers who wait to be answered, and those who are to be called back."""

    waiting: int
    to_call_back: int


class OpenCases(NamedTuple):
    """Number of open cases of one state, department and district: all, those late, and those due within DUE_SOON."""

    state: str
    department: str | None
    district: str | None
    cases: int
    late: int
    due_soon: int


class BoardFigures(NamedTuple):
    """Figures of all departments or of one, as of the minute `at`; `calls` is None if none were reported lately."""

    at: datetime
    open: Sequence[OpenCases]
    incidents: Sequence[OpenIncident]
    calls: Calls | None
    longest: Sequence[Waiting]
    done: Sequence[Waiting]


def board_figures(connection: ReadConnection, now: datetime, department: str | None = None) -> BoardFigures:
    """Read the figures of all departments, or of the cases of one, which have no calls."""
    return BoardFigures(
        at=now.replace(second=0, microsecond=0),
        open=_open(connection, now, department),
        incidents=_open_incidents(connection),
        calls=None if department else _calls(connection, now),
        longest=_longest(connection, department),
        done=_done(connection, now, department),
    )


def _open(connection: ReadConnection, now: datetime, department: str | None) -> list[OpenCases]:
    state = case((WITH_INCIDENT, JOINT), else_=cases.c.state).label("state")
    shown = state, cases.c.department, cases.c.district, cases.c.overdue, cases.c.next_due_at
    # The offset changes nothing, but keeps SQLite from reading all cases in the order of the groups.
    found = select(*shown).where(cases.c.closed_at.is_(None)).offset(0).subquery().c
    is_soon = (found.next_due_at >= now) & (found.next_due_at < now + DUE_SOON)
    late, due_soon = (func.sum(case((which, 1), else_=0)) for which in (found.overdue.is_(true()), is_soon))
    groups = found.state, found.department, found.district
    statement = select(*groups, func.count(), late, due_soon).group_by(*groups)
    rows = connection.execute(statement.where(found.department == department) if department else statement)
    return [OpenCases(*row) for row in rows]


def _open_incidents(connection: ReadConnection) -> list[OpenIncident]:
    """Newest first."""
    found = incidents.page(connection, LINKABLE | {*ENDS}, None, LINES).items
    return [
        OpenIncident(
            each.number,
            each.title,
            each.state,
            each.department,
            sum(incidents.case_counts(connection, each.number).states.values()),
        )
        for each, _ in found
    ]


def _calls(connection: ReadConnection, now: datetime) -> Calls | None:
    if not connection.scalar(select(exists().where(calls.c.started_at > now - LATELY))):
        return None
    waits = calls.c.outcome == CallOutcome.UNDER_WAY, calls.c.started_at > now - LONGEST_RING
    waiting = select(func.count()).where(*waits, literal_column(UNANSWERED, Boolean))
    return Calls(connection.scalar(waiting) or 0, count_open_call_backs(connection))


def _longest(connection: ReadConnection, department: str | None) -> list[Waiting]:
    """Oldest cases without a reply; one that waits for its caller is left out."""
    unanswered = cases.c.closed_at.is_(None), cases.c.state.in_(sorted(BEFORE_REPLY - {State.SUSPENDED}))
    statement = select(cases.c.registered_at, *_CASE).where(*unanswered).order_by(cases.c.registered_at)
    return [Waiting(*row) for row in connection.execute(_of(statement, department).limit(LINES))]


def _done(connection: ReadConnection, now: datetime, department: str | None) -> list[Waiting]:
    """Cases that were registered, completed or ended last, the latest first."""
    # As the condition of the index of completions has it.
    is_complete = events.c.action == literal(complete.ACTION.name, literal_execute=True)
    found: list[Waiting] = []
    for at, action, *where in (
        (cases.c.registered_at, register.ACTION.name),
        (events.c.at, complete.ACTION.name, events.c.number == cases.c.number, is_complete),
        (cases.c.closed_at, None),
    ):
        statement = select(at, *_CASE).where(at > now - LATELY, *where).order_by(at.desc())
        found += (Waiting._make((*row, action)) for row in connection.execute(_of(statement, department).limit(LINES)))
    return sorted(found, reverse=True, key=lambda each: each.at)[:LINES]


def _of(statement: Select[Any], department: str | None) -> Select[Any]:
    of_department: ColumnElement[bool] = cases.c.department == department
    return statement.where(of_department) if department else statement
