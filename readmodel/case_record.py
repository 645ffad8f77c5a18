"""Records of a case and of an incident: all that a page shows beside these themselves, in one read."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, or_, select

from domain.case.actions import suspend
from domain.case.case import Case
from domain.case.lifecycle import Event, State
from domain.customers.customer import EarlierCase
from domain.incident.actions import INFORM
from domain.incident.incident import Incident
from domain.incident.state import LINKS_NEW_CASES, IncidentEvent
from domain.shared.actors import Role
from readmodel import incidents
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Position
from readmodel.callers import earlier_cases
from readmodel.calls.calls import LinkedCall, calls_of_case
from readmodel.cases.queries import as_event, read_events, timeline
from readmodel.cases.tables import events
from readmodel.incidents import IncidentCandidate, IncidentCounts, incident_events
from readmodel.notifications import Delivery, as_delivered, deliveries, notifications

MOST_NOTIFICATIONS = 20
"""Notifications of a record: of all, those not delivered come first, then the newest."""
_note, _row = notifications.c, deliveries.c


class DeliveryState(NamedTuple):
    """Status of a notification on one channel; `tried_again_at` is None once nothing is to be done."""

    channel: str
    status: str
    sent_at: datetime | None
    tried_again_at: datetime | None
    error: str | None


class SentNotification(NamedTuple):
    """Notification with its deliveries: none before it is routed, or if its recipient has no channel."""

    key: str
    recipient: str
    text_zh: str
    text_en: str
    created_at: datetime
    status: str
    deliveries: tuple[DeliveryState, ...]


class CaseRecord(NamedTuple):
    """Events of a part of the timeline, and what belongs to the case. `told` are the notifications to the caller.

    `suspension` is the event that suspended the case, None unless it is suspended now. `incident` is the one that it
    waits for. `older` is how many notifications come before those left out; None if the record has the last.
    """

    events: Sequence[Event]
    calls: Sequence[LinkedCall]
    notifications: Sequence[SentNotification]
    older: int | None
    told: Sequence[Delivery]
    earlier_cases: Sequence[EarlierCase]
    suspension: Event | None
    incident: Incident | None


def case_record(  # noqa: PLR0913, PLR0917 - a query and its bounds
    connection: ReadConnection,
    case: Case,
    before: int,
    most: int,
    skipped: int,
    at: datetime,
    area_code: str,
    department: str | None,
) -> CaseRecord:
    """Read at most `most` events with a seq below `before`, and the notifications after the `skipped` first ones.

    `department` narrows the other cases of the caller.
    """
    after = max(before - 1 - most, 0)
    found = notifications_of_case(connection, case.number, case.incident, skipped)
    sent = found[:MOST_NOTIFICATIONS]
    to_caller = [each.key for each in sent if each.recipient.startswith(f"{Role.CALLER}:")]
    return CaseRecord(
        timeline(connection, case.number, after, before - 1 - after).items,
        calls_of_case(connection, case, area_code),
        sent,
        skipped + len(sent) if found != sent else None,
        as_delivered(connection, to_caller, area_code) if to_caller else (),
        earlier_cases(connection, case.intake.caller, Position(at, ""), area_code, department),
        latest_event(connection, case.number, suspend.ACTION.name) if case.state is State.SUSPENDED else None,
        incidents.get(connection, str(case.incident)) if case.waits_for_incident else None,
    )


def notifications_of_case(
    connection: ReadConnection, number: str, incident: str | None, skipped: int
) -> list[SentNotification]:
    """Read those that events of the case caused, and news of its incident to its caller: one more than shown."""
    # By the primary key: all keys of a number come between these, whatever the recipient.
    mine: ColumnElement[bool] = (_note.key > f"{number}-") & (_note.key < f"{number}.")
    if incident:
        informed = incident_events.c.number == incident, incident_events.c.action == INFORM.name
        seqs = connection.scalars(select(incident_events.c.seq).where(*informed))
        mine = or_(mine, _note.key.in_([f"{incident}-{seq}-caller:{number}" for seq in seqs]))
    *names, _ = SentNotification._fields
    order = _note.dead_at.is_(None), _note.created_at.desc(), _note.seq.desc(), _note.key
    chosen = select(*(_note[name] for name in names)).where(mine).order_by(*order)
    rows = connection.execute(chosen.offset(skipped).limit(MOST_NOTIFICATIONS + 1)).all()
    states = select(_row.key, _row.channel, _row.status, _row.sent_at, _row.next_try_at, _row.last_error)
    by_key = defaultdict[str, list[DeliveryState]](list)
    for key, *state in connection.execute(states.where(_row.key.in_([row.key for row in rows])).order_by(_row.channel)):
        by_key[key].append(DeliveryState._make(state))
    return [SentNotification._make((*row, tuple(by_key[row.key]))) for row in rows]


def latest_event(connection: ReadConnection, number: str, action: str) -> Event | None:
    """Latest event of this action; None if the case has none."""
    found = select(events).where(events.c.number == number, events.c.action == action)
    return next(reversed(read_events(connection, Event, found).items), None)


def events_of(connection: ReadConnection, numbers: Collection[str], actions: Collection[str]) -> dict[str, list[Event]]:
    """Read the events of these actions of each case, oldest first."""
    found = {number: list[Event]() for number in numbers}
    chosen = select(events).where(events.c.number.in_(numbers), events.c.action.in_(actions))
    for row in connection.execute(chosen.order_by(events.c.seq)).mappings():
        found[row["number"]].append(as_event(Event, row))
    return found


class IncidentRecord(NamedTuple):
    """Cases of an incident by state, its last events, and the callers told, by the event that they were told of.

    `taking` is the number of those that it is about to take; `missed` are cases whose caller was not reached.
    """

    counts: IncidentCounts
    taking: int
    events: Sequence[IncidentEvent]
    told: Mapping[int, Mapping[str, int]]
    missed: Sequence[str]
    candidates: Sequence[IncidentCandidate]


def incident_record(
    connection: ReadConnection, incident: Incident, recording: Collection[str], most: int, rows: int, *, proposes: bool
) -> IncidentRecord:
    """Read at most `most` events and so many `rows` of all else; candidates if it `proposes` any.

    See `count_told` for `recording`.
    """
    number, counts = incident.number, incidents.case_counts(connection, incident.number)
    is_open = incident.state in LINKS_NEW_CASES
    return IncidentRecord(
        counts,
        incidents.count_takings(connection, incident.scope, incident.since) if is_open else 0,
        incidents.incident_timeline(connection, number, max(incident.version - most, 0)).items,
        incidents.count_told(connection, number, recording) if incident.news else {},
        incidents.not_reached(connection, number, rows) if counts.states else (),
        incidents.candidates(connection, incident, None, rows).items if proposes else (),
    )
