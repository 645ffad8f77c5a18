"""Projection of batches: many cases in one transaction, and writing them again changes nothing.

Case rows and clocks are written only over an older version, events and notifications only if they are missing. So a
batch that is written late does no harm, and any order leads to the same rows.

A workflow that was reset or replaced has other events of the same versions. Its batches are refused: events that SQL
has are compared, and a case row is written only over one that changed when the batch says that its version did.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, Table, bindparam, func, select, update

from domain.case.actions.correct import Corrected
from domain.case.actions.decide_approval import ApprovalDecided
from domain.case.actions.decide_credit import CreditDecided
from domain.case.actions.follow_up import FollowedUp
from domain.case.actions.register import Registered
from domain.case.actions.withdraw import Withdrawn
from domain.case.case import notifications as owed
from domain.case.intake import Caller, Intake, IntakeFacts, Location
from domain.case.lifecycle import Event, State
from domain.case.progress import Progress
from domain.case.state import ProjectionBatch
from domain.incident.state import street_words
from domain.kit.event import BaseEvent, Notification
from domain.shared.value import exhaustive
from readmodel.base.database import RowValues, WriteConnection, event_row, insert_missing, row, upsert
from readmodel.calls.contacts import telephone_before
from readmodel.cases.search_terms import phone_term, replace_terms, term_rows, terms_in_sql
from readmodel.cases.tables import cases, clocks, decisions, events, follow_ups, parts, search_words, withdrawals
from readmodel.notifications import notification_row, notifications

_PROGRESS = TypeAdapter(Progress)
_OF_CASE = (
    "state",
    "owner",
    "department",
    "assignee",
    "incident",
    "cycle",
    "version",
    "caller_version",
    "closed_at",
    "flags",
)
"""Columns of `cases` that change, and are attributes of the case."""


class RefusedBatchError(Exception):
    """Base of the errors for a batch that SQL does not take as it is now."""


class NotRegisteredError(RefusedBatchError):
    """Error for a batch of a case whose earlier events are missing in SQL: to be tried again when they are there."""


class DivergedError(RefusedBatchError):
    """Error for a batch with events that SQL has otherwise: the workflow was reset or replaced."""


def write(
    connection: WriteConnection, batches: Sequence[ProjectionBatch], sent: Mapping[str, int] = MappingProxyType({})
) -> int:
    """Write the batches; return the number of notifications in them. `sent`: up to this version those of a case are.

    Raises NotRegisteredError if earlier events of a case are missing, and DivergedError if SQL has other ones; nothing
    must be committed then.
    """
    first = [batch for batch in batches if not batch.since_version]
    later = sorted((batch for batch in batches if batch.since_version), key=lambda batch: batch.case.version)
    occurred = [(batch.number, event) for batch in batches for event in batch.events]
    notified = [
        notification_row(number, event.seq, event.at, each, sent=event.seq <= sent.get(number, 0))
        for number, event in occurred
        for each in owed(number, event)
    ]
    corrected = {number for number, event in occurred if isinstance(event.data, Corrected)}
    before = terms_in_sql(connection, corrected)
    written = upsert(connection, cases, [_registered_row(batch) for batch in first])
    if later:
        _update(connection, later)
    # A batch that comes late does not tell the terms that the case has by now.
    late = set() if written == len(first) else {batch.number for batch in first}
    if changed := corrected | late:
        replace_terms(connection, before, terms_in_sql(connection, changed))
    plain = [batch for batch in first if batch.number not in changed]
    terms = (term_rows(batch.number, batch.events[0].at, _registration(batch).intake) for batch in plain)
    insert_missing(connection, search_words, [*chain.from_iterable(terms)])
    insert_events(connection, events, occurred)
    upsert(connection, clocks, [changed for batch in batches for changed in _changed_rows(batch, clocks)])
    upsert(connection, parts, [changed for batch in batches for changed in _changed_rows(batch, parts)])
    counted = [found for each in occurred if (found := _counted_row(connection, *each))]
    for table in (decisions, follow_ups, withdrawals):
        insert_missing(connection, table, [values for of_table, values in counted if of_table is table])
    insert_missing(connection, notifications, notified)
    return len(notified)


_UPDATE = (
    update(cases)
    .where(
        cases.c.number == bindparam("the_number"),
        cases.c.version.between(bindparam("since_version"), bindparam("the_version") - 1),
        cases.c.changed_at.between(
            func.coalesce(bindparam("since_changed_at", type_=cases.c.changed_at.type), cases.c.changed_at),
            bindparam("the_changed_at"),
        ),
    )
    # A batch has the priority only if another catalogue was put in force for the case.
    .values(priority=func.coalesce(bindparam("the_priority", type_=cases.c.priority.type), cases.c.priority))
)


def _update(connection: WriteConnection, batches: Sequence[ProjectionBatch]) -> None:
    """Update existing rows. A row that did not change is newer already, or earlier events are missing."""
    rows = [
        {
            **_state_row(batch),
            **(_facts_row(batch.case.corrected) if batch.case.corrected else {}),
            "the_number": batch.number,
            "since_version": batch.since_version,
            "since_changed_at": batch.since_changed_at,
            "the_version": batch.case.version,
            "the_changed_at": batch.changed_at,
            "the_priority": batch.priority,
        }
        for batch in batches
    ]
    # Rows of one statement have the same columns.
    by_columns = [[row for row in rows if ("address" in row) is has_facts] for has_facts in (False, True)]
    if sum(connection.execute(_UPDATE, alike).rowcount for alike in by_columns if alike) == len(rows):
        return
    wanted = {batch.number for batch in batches}
    query = select(cases.c.number, cases.c.version, cases.c.changed_at).where(cases.c.number.in_(wanted))
    there = {row.number: row for row in connection.execute(query)}
    if missing := {
        batch.number
        for batch in batches
        if batch.number not in there or there[batch.number].version < batch.since_version
    }:
        raise NotRegisteredError(f"earlier events are missing of {', '.join(sorted(missing))}")
    if other := {
        batch.number
        for batch in batches
        if there[batch.number].version <= batch.case.version and not _follows(batch, there[batch.number].changed_at)
    }:
        raise _diverged(other)


def _follows(batch: ProjectionBatch, changed_at: datetime) -> bool:
    return (batch.since_changed_at or changed_at) <= changed_at <= batch.changed_at


def _diverged(numbers: Collection[str]) -> DivergedError:
    return DivergedError(f"SQL has other events of {', '.join(sorted(numbers))}: reset or replaced workflows")


_COMPARED = ("at", "actor", "role", "action", "from_state", "to_state", "cycle")
"""Columns of `events` that are compared with an event, beside `data`."""


def insert_events(connection: WriteConnection, table: Table, occurred: Sequence[tuple[str, BaseEvent]]) -> None:
    """Insert the events that the table lacks. Raises DivergedError if it has another; nothing is to be committed."""
    rows = [event_row(table, number, event) for number, event in occurred]
    if insert_missing(connection, table, rows) == len(rows):
        return
    numbers, seqs = {number for number, _ in occurred}, [event.seq for _, event in occurred]
    query = select(table).where(table.c.number.in_(numbers), table.c.seq.between(min(seqs), max(seqs)))
    there = {(row.number, row.seq): row for row in connection.execute(query)}
    if other := {number for number, event in occurred if not _is_same(event, there[number, event.seq])}:
        raise _diverged(other)


def write_entity(
    connection: WriteConnection,
    tables: tuple[Table, Table],
    values: RowValues,
    notified: Sequence[tuple[BaseEvent, Iterable[Notification]]],
    *,
    sent: bool = False,
) -> int | None:
    """Write an incident or assessment, its new events, and their notifications to staff. Repeated, it changes nothing.

    `tables` are those of the entity and of its events. `sent`: notifications count as sent. Returns the version that
    SQL has if it is a later one, else None. Raises DivergedError if SQL has other events; nothing must be committed.
    """
    table, event_table = tables
    number = values["number"]
    written = upsert(connection, table, [values])
    insert_events(connection, event_table, [(number, event) for event, _ in notified])
    rows = [notification_row(number, event.seq, event.at, each, sent=sent) for event, them in notified for each in them]
    insert_missing(connection, notifications, rows)
    return None if written else connection.scalar(select(table.c.version).where(table.c.number == number))


def _is_same(event: BaseEvent, there: Row[Any]) -> bool:
    # The table of incidents has no cycles.
    if any(getattr(event, name) != there._mapping[name] for name in _COMPARED if name in there._mapping):  # noqa: SLF001 - public, by its docs
        return False
    # Another release may have written more or fewer defaults.
    return event.data.model_dump_json() == there.data or event.data == type(event.data).model_validate_json(there.data)


def _registered_row(batch: ProjectionBatch) -> RowValues:
    registered = _registration(batch)
    intake = registered.intake
    return {
        **{name: value for name, value in intake if name in cases.c},
        **_state_row(batch),
        **_facts_row(batch.case.corrected or intake),
        "number": batch.number,
        "priority": batch.priority or registered.terms.priority,
        "registered_at": batch.events[0].at,
    }


def _facts_row(facts: Intake | IntakeFacts) -> RowValues:
    return {
        "service_code": facts.service_code,
        **{f"caller_{name}": value for name, value in facts.caller},
        **dict(facts.location),
        "street_words": street_words(facts.location.address),
    }


exhaustive("cases", (*(f"caller_{name}" for name in Caller.model_fields), *Location.model_fields), cases.c.keys())


def _registration(batch: ProjectionBatch) -> Registered:
    """Raise TypeError if the first event is no registration."""
    first = batch.events[0]
    if not isinstance(first.data, Registered):
        raise TypeError(f"the first batch of case {batch.number} starts with {first.action}, not with its registration")
    return first.data


def _state_row(batch: ProjectionBatch) -> RowValues:
    return {name: getattr(batch.case, name) for name in _OF_CASE} | {
        "sla": batch.case.sla,
        "overdue": batch.case.overdue,
        "next_due_at": batch.next_due_at,
        "changed_at": batch.changed_at,
        # By its declared type: in the same process the progress may be a whole case, which the document is not.
        "document": _PROGRESS.dump_json(batch.case).decode(),
    }


def _changed_rows(batch: ProjectionBatch, table: Table) -> list[RowValues]:
    each = batch.case.clocks if table is clocks else batch.case.parts
    return [row(table, one, number=batch.number, document=one) for one in each if one.version > batch.since_version]


def _counted_row(connection: WriteConnection, number: str, event: Event) -> tuple[Table, RowValues] | None:
    """Row of a decision, a follow-up, or a withdrawal to which only a call gave the right, and its table.

    None for other events, for a decision after which a further approver has yet to decide, and for a follow-up after
    which the caller is to be called again.
    """
    place = {"number": number, "seq": event.seq}
    match event.data:
        case ApprovalDecided() as data if event.to_state is not State.AWAITING_APPROVAL:
            return decisions, row(decisions, data, **place, decided_at=event.at)
        case CreditDecided(final=True) as data:
            return decisions, row(decisions, data, **place, decided_at=event.at)
        case FollowedUp() as data if event.to_state is not State.PENDING_FOLLOW_UP:
            # The event of a dissatisfied follow-up is the first of the next cycle.
            cycle = data.changes or event.cycle - (event.to_state is State.DISPATCHED)
            facts = {"followed_up_at": event.at, "cycle": cycle, "contacted": data.outcome != "unreachable"}
            return follow_ups, row(follow_ups, data, **place, **facts)
        case Withdrawn(by_call=True) as data:
            phone = telephone_before(connection, number, event.actor, event.seq)
            facts = {"withdrawn_at": event.at, "withdrawn_by": event.actor, "named_call": data.call_id}
            return withdrawals, {**place, **facts, "phone_term": phone and phone_term(phone)}
    return None
