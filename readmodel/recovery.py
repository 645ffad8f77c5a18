"""Queries and marks of the reconciler, of rebuilds, and of the comparison of SQL with Temporal."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Row, bindparam, exists, func, select, type_coerce, update

from domain.assessment.assessment import Assessment
from domain.case.actions.comment import ACTION as COMMENT
from domain.case.actions.link_incident import ACTION as LINK_INCIDENT
from domain.case.actions.resume import ACTION as RESUME
from domain.case.automatic.lateness import ESCALATE
from domain.case.automatic.left_out import faults
from domain.case.case import Case
from domain.case.lifecycle import BEFORE_REPLY, UNFINISHED, Event
from domain.incident.incident import ABSORPTION, Incident
from domain.incident.state import ENDS, IncidentEvent
from domain.shared.value import to_milliseconds
from readmodel.assessments.months import assessments
from readmodel.base.database import ReadConnection, WriteConnection
from readmodel.base.schema import JsonText
from readmodel.cases.queries import STATES_TOGETHER, get_cases, timeline
from readmodel.cases.tables import IS_OPEN, PROGRESS, cases, events, is_not_over, parts
from readmodel.incidents import get as get_incident
from readmodel.incidents import incident_events, incident_timeline, incidents

Lost = Literal["ended", "missing", "reset"]
"""Loss of the workflow of an open case: ended by hand, deleted, or reset to an earlier version."""
_EVENTS = select(func.count()).where(events.c.number == cases.c.number).scalar_subquery().label("events")
"""Number of the events of a case."""


class CaseRow(NamedTuple):
    """A case in SQL: when it changed last, its version, the number of its events, and if it is open."""

    changed_at: datetime
    version: int
    events: int
    is_open: bool

    @property
    def is_whole(self) -> bool:
        """True if no event is missing: there is one for each version."""
        return self.events == self.version


def held(connection: ReadConnection, numbers: Collection[str]) -> dict[str, CaseRow]:
    statement = select(cases.c.number, cases.c.changed_at, cases.c.version, _EVENTS, IS_OPEN)
    rows = connection.execute(statement.where(cases.c.number.in_(numbers)))
    return {number: CaseRow(*facts) for number, *facts in rows}


def lacking(connection: ReadConnection, changes: Mapping[str, Collection[datetime]]) -> set[str]:
    """Open cases among these of which SQL has no event at one of the instants, in milliseconds."""
    of_open = select(events.c.number, events.c.at).join(cases, cases.c.number == events.c.number).where(IS_OPEN)
    found = defaultdict[str, set[datetime]](set)
    for number, at in connection.execute(of_open.where(cases.c.number.in_(changes))):
        found[number].add(to_milliseconds(at))
    return {number for number, known in found.items() if not known.issuperset(changes[number])}


def open_cases(connection: ReadConnection, after: str, limit: int) -> dict[str, datetime]:
    opened = select(cases.c.number, cases.c.changed_at).where(IS_OPEN, cases.c.number > after)
    return {row.number: row.changed_at for row in connection.execute(opened.order_by(cases.c.number).limit(limit))}


def late_cases(connection: ReadConnection, due_before: datetime) -> set[str]:
    """Open cases that have not noticed what was due before: a promise, a wake date, or an incident's end.

    What would make the case invalid, and was left out since the last action, is told otherwise. An incident ends after
    each case that it knows: one that waits for it still has never told it.
    """
    left_out = func.coalesce(PROGRESS["left_out"].as_string(), "")
    missed = ~cases.c.overdue & (cases.c.next_due_at < due_before) & ~left_out.contains(f'"{ESCALATE.name}"')
    # Until a case is resumed, its clocks stand still, so nothing else of it falls due.
    wake_missed = PROGRESS["wake_at"].as_string() < due_before.isoformat()
    not_woken = cases.c.state.in_(sorted(RESUME.sources)) & wake_missed & ~left_out.contains(f'"{RESUME.name}"')
    of_ended = cases.c.incident.in_(select(incidents.c.number).where(incidents.c.closed_at < due_before))
    # No other state waits: PostgreSQL would take seconds to read the documents of thousands that were replied to.
    waits = cases.c.state.in_(sorted(BEFORE_REPLY)) & of_ended & PROGRESS["settled"].as_string().is_(None)
    for kept_or_unlinked in (COMMENT, LINK_INCIDENT):
        waits &= ~left_out.contains(f'"{kept_or_unlinked.name}"')
    return {*connection.scalars(select(cases.c.number).where(IS_OPEN, missed | not_woken | waits))}


def unchecked_cases(connection: ReadConnection, ended_at: datetime | None) -> set[str]:
    """Open cases of which `late_cases` sees nothing: no promise runs, or one has been missed.

    `late_among` tells the late ones among them. With an instant, also the ended ones to which something can still
    happen then.
    """
    found = IS_OPEN & (cases.c.overdue | cases.c.next_due_at.is_(None))
    if ended_at:
        found |= ~IS_OPEN & is_not_over(ended_at)
    return {*connection.scalars(select(cases.c.number).where(found))}


def late_among(connection: ReadConnection, numbers: Sequence[str], at: datetime) -> set[str]:
    """Readable ones of these cases that have not noticed what was due before `at`, also after a miss."""
    due = {case.number: case.next_deadline() for case in _readable(connection, numbers)}
    return {number for number, due_at in due.items() if due_at and due_at < at}


def active(connection: ReadConnection, numbers: Sequence[str], at: datetime) -> set[str]:
    return {case.number for case in _readable(connection, numbers) if not case.is_over(at)}


def _readable(connection: ReadConnection, numbers: Sequence[str]) -> Sequence[Case]:
    left_out = unreadable(connection, numbers)
    return get_cases(connection, [number for number in numbers if number not in left_out])


class NotOver(NamedTuple):
    """Incidents and assessments that are not over, by number; True: it has nothing to do before people act.

    `unreadable` are assessments that this release cannot read, with the fields that break a constraint.
    """

    incidents: Mapping[str, bool]
    assessments: Mapping[str, bool]
    unreadable: Mapping[str, str] = MappingProxyType({})


def others_not_over(connection: ReadConnection, at: datetime) -> NotOver:
    opened = select(incidents.c.number, incidents.c.state).where(incidents.c.closed_at.is_(None))
    waits = {number: state not in ENDS for number, state in connection.execute(opened)}
    months, unreadable = dict[str, bool](), dict[str, str]()
    begun = select(assessments.c.number, type_coerce(assessments.c.document, JsonText)).where(
        assessments.c.closed_at.is_(None)
    )
    for number, document in connection.execute(begun):
        try:
            month = Assessment.model_validate_json(document)
        except ValidationError as error:
            unreadable[number] = faults(error)
        else:
            is_late = month.computed is None or month.must_draw or month.next_step(at) or month.remind(at)
            months[number] = not is_late
    return NotOver(waits, months, unreadable)


def unreadable(connection: ReadConnection, numbers: Sequence[str]) -> dict[str, str]:
    """Cases among these whose rows nobody can read, with the fields that break a constraint."""
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
        marked = update(cases).where(cases.c.number == bindparam("the_number")).values(lost=bindparam("the_reason"))
        connection.execute(marked, [{"the_number": each, "the_reason": why} for each, why in reasons.items()])


class RecordedCase(NamedTuple):
    """Case with its events, when it changed last, and how its workflow was lost, if that is marked."""

    case: Case
    events: Sequence[Event]
    changed_at: datetime
    lost: Lost | None


class RecordedIncident(NamedTuple):
    """Incident with its events.

    `waiting` are the linked cases that it has not settled, `counts` those that it has, by result. `absorbed`: the
    incident that it is merged into knows of it.
    """

    incident: Incident
    events: Sequence[IncidentEvent]
    waiting: Sequence[str]
    counts: dict[str, int]
    absorbed: bool


def cases_not_over(connection: ReadConnection, at: datetime) -> dict[str, Row[*tuple[Any, ...]]]:
    """In order; each row has `lost` and `changed_at`."""
    statement = select(cases.c.number, cases.c.lost, cases.c.changed_at).where(is_not_over(at)).order_by(cases.c.number)
    return {row.number: row for row in connection.execute(statement)}


def recorded_case(connection: ReadConnection, number: str) -> RecordedCase | None:
    """Folded from its events; None if there is no such case. Raises ValueError if SQL lacks an event."""
    statement = select(cases.c.version, cases.c.changed_at, cases.c.lost).where(cases.c.number == number)
    if (row := connection.execute(statement).first()) is None:
        return None
    events = timeline(connection, number).items
    case = Case.fold(events)
    if case.version != row.version:
        raise ValueError(f"SQL has {case.version} of {row.version} events")
    return RecordedCase(case, events, row.changed_at, row.lost)


def incidents_not_over(connection: ReadConnection) -> list[str]:
    numbers = select(incidents.c.number).where(incidents.c.closed_at.is_(None))
    return list(connection.scalars(numbers.order_by(incidents.c.number)))


def recorded_incident(connection: ReadConnection, number: str) -> RecordedIncident | None:
    """None if there is no such incident. Raises ValueError if SQL lacks an event."""
    if (incident := get_incident(connection, number)) is None:
        return None
    events = incident_timeline(connection, number, 0).items
    if len(events) != incident.version:
        raise ValueError(f"SQL has {len(events)} of {incident.version} events")
    linked = select(cases.c.number, PROGRESS["settled"].as_string()).where(cases.c.incident == number)
    settled = {case: result for case, result in connection.execute(linked.order_by(cases.c.number))}  # noqa: C416 - a row is no pair to mypy
    of_other = incident_events.c.number == incident.into, incident_events.c.action == ABSORPTION.name
    absorbed = select(exists().where(*of_other, incident_events.c.data["incident"].as_string() == number))
    return RecordedIncident(
        incident,
        events,
        waiting=[case for case, result in settled.items() if result is None],
        counts=dict(Counter(filter(None, settled.values()))),
        absorbed=bool(connection.scalar(absorbed)),
    )


class CaseFacts(NamedTuple):
    """Facts of one case. `events` is their number, `over` True once nothing can happen to the case any more.

    Each search attribute is a field, in lower case. `changed_at` is later with every version.
    """

    state: str
    service: str
    district: str | None
    department: str | None
    owner: str
    priority: str
    sla: str
    incident: str | None
    next_due_at: datetime | None
    flags: tuple[str, ...]
    involved: tuple[str, ...]
    changed_at: datetime
    version: int
    events: int
    over: bool


def all_facts(
    connection: ReadConnection, at: datetime, *conditions: ColumnElement[bool]
) -> Iterator[tuple[str, CaseFacts]]:
    """Yield number and facts at `at` of the cases that meet conditions, in order, without holding all in memory."""
    involved = defaultdict[str, list[str]](list)
    unfinished = select(parts.c.number, parts.c.department).join(cases, cases.c.number == parts.c.number)
    unfinished = unfinished.where(parts.c.state.in_(sorted(UNFINISHED)), *conditions)
    for number, department in connection.execute(unfinished.order_by(parts.c.number, parts.c.serial)):
        involved[number].append(department)
    named = [cases.c[name] for name in CaseFacts._fields if name in cases.c]
    others = cases.c.service_code.label("service"), _EVENTS, is_not_over(at).label("not_over")
    statement = select(cases.c.number, *named, *others).where(*conditions).order_by(cases.c.number)
    for row in connection.execute(statement.execution_options(yield_per=STATES_TOGETHER)).mappings():
        number, facts = row["number"], {name: row[name] for name in CaseFacts._fields if name in row}
        yield number, CaseFacts(**facts, involved=tuple(involved.get(number, ())), over=not row["not_over"])


def facts_of(connection: ReadConnection, at: datetime, number: str) -> CaseFacts | None:
    return dict(all_facts(connection, at, cases.c.number == number)).get(number)
