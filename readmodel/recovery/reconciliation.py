"""Queries and marks of the reconciler: what SQL has of cases, and cases whose workflow is lost."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import ValidationError
from sqlalchemy import bindparam, func, select, update

from domain.case.actions.resume import ACTION as RESUME
from domain.case.automatic.escalate import KIND as ESCALATE
from domain.case.invariants import faults
from domain.case.lifecycle import BEFORE_REPLY, State
from readmodel.base.database import ReadConnection, WriteConnection
from readmodel.cases.queries import get_cases
from readmodel.cases.tables import IS_OPEN, PROGRESS, cases, events
from readmodel.incidents.incidents import incidents

Lost = Literal["ended", "missing", "reset"]
"""Loss of the workflow of an open case: ended by hand, deleted, or reset to an earlier version."""
_MARK = update(cases).where(cases.c.number == bindparam("the_number")).values(lost=bindparam("the_reason"))
_HELD = select(
    cases.c.number,
    cases.c.changed_at,
    cases.c.version,
    select(func.count()).where(events.c.number == cases.c.number).scalar_subquery().label("events"),
    IS_OPEN.label("is_open"),
).where(cases.c.number.in_(bindparam("numbers", expanding=True)))


class Held(NamedTuple):
    """A case in SQL: when it changed last, its version, the number of its events, and if it is open."""

    changed_at: datetime
    version: int
    events: int
    is_open: bool

    @property
    def is_whole(self) -> bool:
        """True if no event is missing: there is one for each version."""
        return self.events == self.version


def held(connection: ReadConnection, numbers: Collection[str]) -> dict[str, Held]:
    """Return what SQL has of these cases; one without a row is left out."""
    rows = connection.execute(_HELD, {"numbers": list(numbers)})
    return {row.number: Held(row.changed_at, row.version, row.events, bool(row.is_open)) for row in rows}


def open_cases(connection: ReadConnection, after: str, limit: int) -> dict[str, datetime]:
    opened = select(cases.c.number, cases.c.changed_at).where(IS_OPEN, cases.c.number > after)
    rows = connection.execute(opened.order_by(cases.c.number).limit(limit))
    return {row.number: row.changed_at for row in rows}


def late_cases(connection: ReadConnection, due_before: datetime) -> set[str]:
    """Return the open cases that have not noticed what was due before: a promise, a wake date, or an incident's end.

    What would make the case invalid, and was left out since the last action, is told otherwise. An incident ends after
    each case that it knows: one that waits for it still has never told it.
    """
    left_out = func.coalesce(PROGRESS["left_out"].as_string(), "")
    missed = ~cases.c.overdue & (cases.c.next_due_at < due_before) & ~left_out.contains(f'"{ESCALATE.name}"')
    # The clocks of a suspended case stand still, so nothing else of it falls due.
    slept_in = PROGRESS["wake_at"].as_string() < due_before.isoformat()
    asleep = (cases.c.state == State.SUSPENDED) & slept_in & ~left_out.contains(f'"{RESUME.name}"')
    of_ended = cases.c.incident.in_(select(incidents.c.number).where(incidents.c.closed_at < due_before))
    # No other state waits: PostgreSQL would take seconds to read the documents of thousands that were replied to.
    waits = cases.c.state.in_(sorted(BEFORE_REPLY)) & of_ended & PROGRESS["settled"].as_string().is_(None)
    return {*connection.scalars(select(cases.c.number).where(IS_OPEN, missed | asleep | waits))}


def unreadable(connection: ReadConnection, numbers: Sequence[str]) -> dict[str, str]:
    """Return those of these cases whose rows nobody can read, with the fields that break a constraint."""
    try:
        get_cases(connection, numbers)
    except ValidationError as error:
        if len(numbers) == 1:
            return {numbers[0]: faults(error)}
        middle = len(numbers) // 2
        return unreadable(connection, numbers[:middle]) | unreadable(connection, numbers[middle:])
    return {}


def lost_cases(connection: ReadConnection) -> dict[str, Lost]:
    statement = select(cases.c.number, cases.c.lost).where(cases.c.lost.is_not(None)).order_by(cases.c.number)
    return {row.number: row.lost for row in connection.execute(statement)}


def mark(connection: WriteConnection, reasons: Mapping[str, Lost | None]) -> None:
    """Mark these cases as lost, or with None as found again."""
    if reasons:
        connection.execute(_MARK, [{"the_number": each, "the_reason": why} for each, why in reasons.items()])
