"""Writing batches: many cases in one transaction, each row such that writing it again changes nothing.

Case rows and clocks are written only over an older version, events and notifications only where they are missing. So
the late execution of a batch that was overtaken does no harm, and any order leads to the same rows.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import Insert, Table, Update, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.case.actions.decide_approval import ApprovalDecided
from domain.case.actions.decide_credit import CreditDecided
from domain.case.batch import ProjectionBatch
from domain.case.events import Event
from domain.case.intake import Registered
from domain.case.lifecycle import State
from domain.case.notifications import notifications as notifications_of
from domain.case.progress import Progress
from readmodel.database import WriteConnection
from readmodel.money import FEN
from readmodel.notifications import due
from readmodel.tables import cases, clocks, decisions, events, notifications, parts, search_words
from readmodel.terms import terms_of

Row = dict[str, Any]

_PROGRESS = TypeAdapter(Progress)
_FIXED = frozenset(
    {
        "number",
        "service_code",
        "district",
        "registered_at",
        "caller_name",
        "caller_phone",
        "caller_account_no",
        "address",
        "channel",
        "description",
    }
)
"""What the registration says once and for all."""
_MOVING = tuple(column.name for column in cases.columns if column.name not in _FIXED)


class NotRegisteredError(Exception):
    """A batch of a case whose first batch has not been written: to be tried again."""


def write(connection: WriteConnection, batches: Sequence[ProjectionBatch]) -> int:
    """Write the batches; answer how many notifications they owe.

    Raises:
        NotRegisteredError: the row of a case is missing; nothing must be committed.
    """
    sql = _STATEMENTS[connection.dialect.name]
    first = [batch for batch in batches if batch.events[0].action == "register"]
    later = [batch for batch in batches if batch.events[0].action != "register"]
    owed = [row for batch in batches for row in _notifications(batch)]
    if first:
        connection.execute(sql.register, [_case(batch) for batch in first])
        connection.execute(sql.terms, [row for batch in first for row in _terms(batch)])
    if later:
        _update(connection, [_moving(batch) for batch in later])
    connection.execute(sql.events, [_event(batch.number, event) for batch in batches for event in batch.events])
    if changed := [row for batch in batches for row in _clocks(batch)]:
        connection.execute(sql.clocks, changed)
    if parted := [row for batch in batches for row in _parts(batch)]:
        connection.execute(sql.parts, parted)
    if decided := [row for batch in batches for row in _decisions(batch)]:
        connection.execute(sql.decisions, decided)
    if owed:
        connection.execute(sql.notifications, owed)
    return len(owed)


class _Statements:
    """The statements of one dialect, built once: SQLAlchemy keeps the SQL it compiles from them."""

    def __init__(self, insert: Callable[[Table], Any]) -> None:
        self._insert = insert
        self.register = self._newest(cases, "number", only=_MOVING)
        self.clocks = self._newest(clocks, "number", "serial")
        self.parts = self._newest(parts, "number", "serial")
        self.events = self._missing(events)
        self.decisions = self._missing(decisions)
        self.notifications = self._missing(notifications)
        self.terms = self._missing(search_words)

    def _missing(self, table: Table) -> Insert:
        made: Insert = self._insert(table).on_conflict_do_nothing()
        return made

    def _newest(self, table: Table, *key: str, only: Iterable[str] = ()) -> Insert:
        insert = self._insert(table)
        columns = only or [column.name for column in table.columns if column.name not in key]
        made: Insert = insert.on_conflict_do_update(
            index_elements=list(key),
            set_={name: insert.excluded[name] for name in columns},
            where=table.c.version < insert.excluded.version,
        )
        return made


_STATEMENTS = {"sqlite": _Statements(sqlite.insert), "postgresql": _Statements(postgresql.insert)}

_UPDATE: Update = (
    update(cases)
    .where(cases.c.number == bindparam("the_number"), cases.c.version < bindparam("version"))
    .values({name: bindparam(name) for name in _MOVING if name != "priority"})
    # Only a case that another catalogue was put in force for tells its priority again.
    .values(priority=func.coalesce(bindparam("priority", type_=cases.c.priority.type), cases.c.priority))
)


def _update(connection: WriteConnection, rows: list[Row]) -> None:
    """Bring existing rows on. Where fewer changed than asked for, they are newer already or were never there."""
    if connection.execute(_UPDATE, rows).rowcount == len(rows):
        return
    wanted = {row["the_number"] for row in rows}
    there = set(connection.scalars(select(cases.c.number).where(cases.c.number.in_(wanted))))
    if missing := sorted(wanted - there):
        raise NotRegisteredError(f"no row yet for the registration of {', '.join(missing)}")


def _case(batch: ProjectionBatch) -> Row:
    registered, data = _registration(batch)
    intake = data.intake
    row = _moving(batch)
    row["number"] = row.pop("the_number")
    return row | {
        "service_code": intake.service_code,
        "priority": row["priority"] or data.terms.priority,
        "district": intake.location.district,
        "registered_at": registered.at,
        "caller_name": intake.caller.name,
        "caller_phone": intake.caller.phone,
        "caller_account_no": intake.caller.account_no,
        "address": intake.location.address,
        "channel": intake.channel,
        "description": intake.description,
    }


def _registration(batch: ProjectionBatch) -> tuple[Event, Registered]:
    """Return the first event, and its data. Raises TypeError if it is no registration."""
    first = batch.events[0]
    if not isinstance(first.data, Registered):
        raise TypeError(f"the first batch of case {batch.number} starts with {first.action}, not with its registration")
    return first, first.data


def _moving(batch: ProjectionBatch) -> Row:
    progress = batch.case
    return {
        "the_number": batch.number,
        "state": progress.state.value,
        "priority": batch.priority,
        "owner": progress.owner,
        "department": progress.department,
        "assignee": progress.assignee,
        "incident": progress.incident,
        "cycle": progress.cycle,
        "version": progress.version,
        "flags": to_json(progress.flags).decode(),
        "sla": batch.sla,
        "overdue": batch.overdue,
        "closed_at": progress.closed_at,
        "next_due_at": batch.next_due_at,
        # By its declared type: in the same process the progress may be a whole case, which the document is not.
        "document": _PROGRESS.dump_json(progress).decode(),
    }


def _event(number: str, event: Event) -> Row:
    return {
        "number": number,
        "seq": event.seq,
        "at": event.at,
        "actor": event.actor,
        "role": event.role.value,
        "action": str(event.action),
        "from_state": event.from_state and event.from_state.value,
        "to_state": event.to_state.value,
        "cycle": event.cycle,
        "data": event.data.model_dump_json(),
    }


def _clocks(batch: ProjectionBatch) -> list[Row]:
    return [
        {
            "number": batch.number,
            "serial": clock.serial,
            "name": clock.name,
            "cycle": clock.cycle,
            "status": clock.status.value,
            "calendar": clock.calendar,
            "budget_seconds": clock.budget_seconds,
            "consumed_seconds": clock.consumed_seconds,
            "started_at": clock.started_at,
            "running_since": clock.running_since,
            "stopped_at": clock.stopped_at,
            "missed_at": clock.missed_at,
            "part": clock.part,
            "rung": clock.rung,
            "version": clock.version,
        }
        for clock in batch.case.clocks
        if clock.version > batch.since_version
    ]


def _parts(batch: ProjectionBatch) -> list[Row]:
    return [
        {
            "number": batch.number,
            "serial": part.serial,
            "department": part.department,
            "state": part.state.value,
            "involved_at": part.involved_at,
            "version": part.version,
            "document": part.model_dump_json(),
        }
        for part in batch.case.parts
        if part.version > batch.since_version
    ]


def _decisions(batch: ProjectionBatch) -> list[Row]:
    """The last words on approvals and credits: a turn that leaves the case waiting for the next decides nothing yet."""
    return [
        {
            "number": batch.number,
            "seq": event.seq,
            "decided_at": event.at,
            "kind": data.kind,
            "approved": data.approved,
            "currency": data.currency,
            "amount_fen": None if data.amount is None else int(data.amount * FEN),
        }
        for event in batch.events
        if (data := _final_decision(event))
    ]


def _final_decision(event: Event) -> ApprovalDecided | CreditDecided | None:
    match event.data:
        case ApprovalDecided() as data if event.to_state is not State.AWAITING_APPROVAL:
            return data
        case CreditDecided(final=True) as data:
            return data
    return None


def _notifications(batch: ProjectionBatch) -> list[Row]:
    owed = ((event, notification) for event in batch.events for notification in notifications_of(batch.number, event))
    return [due(notification, batch.number, event.seq, event.at) for event, notification in owed]


def _terms(batch: ProjectionBatch) -> list[Row]:
    registered, data = _registration(batch)
    return [
        {"word": term, "registered_at": registered.at, "number": batch.number}
        for term in sorted(terms_of(batch.number, data.intake))
    ]
