"""Cases and incidents as SQL has recorded them: what a rebuild starts their workflows from."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from domain.case.case import Case
from domain.case.events import Event
from domain.incident.automatic import ABSORPTION, Widened
from domain.incident.incident import Incident
from domain.incident.state import IncidentEvent
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import PROGRESS, cases, is_not_over
from readmodel.incidents import incidents
from readmodel.incidents.incidents import incident_events
from readmodel.incidents.incidents import incidents as incident_rows
from readmodel.recovery.reconciliation import Lost
from readmodel.timelines import incident_timeline, timeline


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


class Known(NamedTuple):
    """Facts that SQL has of a case: how its workflow was lost, if it is marked, and when it changed last."""

    lost: Lost | None
    changed_at: datetime


def cases_not_over(connection: ReadConnection, at: datetime) -> dict[str, Known]:
    statement = select(cases.c.number, cases.c.lost, cases.c.changed_at).where(is_not_over(at)).order_by(cases.c.number)
    return {row.number: Known(row.lost, row.changed_at) for row in connection.execute(statement)}


def recorded_case(connection: ReadConnection, number: str) -> RecordedCase | None:
    """Return the case, folded from its events; None if there is none. Raises ValueError if SQL lacks an event."""
    statement = select(cases.c.version, cases.c.changed_at, cases.c.lost).where(cases.c.number == number)
    if (row := connection.execute(statement).first()) is None:
        return None
    events = timeline(connection, number).items
    case = Case.fold(events)
    if case.version != row.version:
        raise ValueError(f"SQL has {case.version} of {row.version} events")
    return RecordedCase(case, events, row.changed_at, row.lost)


def incidents_not_over(connection: ReadConnection) -> list[str]:
    numbers = select(incident_rows.c.number).where(incident_rows.c.closed_at.is_(None))
    return list(connection.scalars(numbers.order_by(incident_rows.c.number)))


def recorded_incident(connection: ReadConnection, number: str) -> RecordedIncident | None:
    """Return the incident; None if there is none. Raises ValueError if SQL lacks an event."""
    if (incident := incidents.get(connection, number)) is None:
        return None
    events = incident_timeline(connection, number, 0).items
    if len(events) != incident.version:
        raise ValueError(f"SQL has {len(events)} of {incident.version} events")
    settled = PROGRESS["settled"].as_string()
    linked = connection.execute(
        select(cases.c.number, settled.label("settled")).where(cases.c.incident == number).order_by(cases.c.number)
    ).all()
    return RecordedIncident(
        incident,
        events,
        waiting=[row.number for row in linked if row.settled is None],
        counts=dict(Counter(row.settled for row in linked if row.settled is not None)),
        absorbed=incident.into is not None and _has_absorbed(connection, incident.into, number),
    )


def _has_absorbed(connection: ReadConnection, into: str, number: str) -> bool:
    statement = select(incident_events.c.data).where(
        incident_events.c.number == into, incident_events.c.action == ABSORPTION.name
    )
    return any(Widened.model_validate_json(data).incident == number for data in connection.scalars(statement))
