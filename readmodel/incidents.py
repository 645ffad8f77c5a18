"""Incidents (突发事件) in the read model: written when they are published, read by intake, the watch and lists."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import JSON, Row, Table, Text, bindparam, cast, func, select, tuple_, type_coerce
from sqlalchemy.dialects import postgresql, sqlite

from domain.case.incident_link import OVER, OWN_CAUSE
from domain.case.lifecycle import BEFORE_REPLY
from domain.incident.batch import Gathering, IncidentBatch
from domain.incident.events import IncidentEvent
from domain.incident.incident import Incident
from domain.incident.lifecycle import TAKING, IncidentState
from domain.incident.notifications import News, incident_notifications, news_notifications
from domain.incident.opening import Scope
from readmodel.database import ReadConnection, WriteConnection
from readmodel.notifications import due
from readmodel.paging import Place
from readmodel.tables import cases, incident_events, incidents, notifications

_row = incidents.c


class IncidentPage(NamedTuple):
    """Incidents, the latest first, and the cursor of the next page; None after the last."""

    items: tuple[Incident, ...]
    next_cursor: str | None


class IncidentTimeline(NamedTuple):
    """Events, the oldest first, and the `after_seq` of the next page; None after the last."""

    items: tuple[IncidentEvent, ...]
    next_seq: int | None


class Surge(NamedTuple):
    """Number of cases of one service from one district."""

    service: str
    district: str
    calls: int


def write(connection: WriteConnection, batch: IncidentBatch) -> None:
    """Write an incident as it stands, its new events, and the notifications to staff. Again, it changes nothing."""
    incident = batch.incident
    row = {
        "number": incident.number,
        "state": incident.state.value,
        "department": incident.department,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "version": incident.version,
        "document": incident.model_dump_json(),
        "counts": to_json(batch.counts).decode(),
    }
    upsert = _insert(connection, incidents).values(row)
    newer = upsert.on_conflict_do_update(
        index_elements=["number"],
        set_={name: upsert.excluded[name] for name in row if name not in ("number", "opened_at")},
        where=_row.version <= upsert.excluded.version,
    )
    connection.execute(newer)
    _add(connection, incident_events, [_event_row(incident.number, event) for event in batch.events])
    owed = ((event, each) for event in batch.events for each in incident_notifications(incident, event))
    rows = [due(each, incident.number, event.seq, event.at) for event, each in owed]
    _add(connection, notifications, rows)


def inform(connection: WriteConnection, news: News, numbers: Sequence[str]) -> None:
    """Write the notifications to the callers of these cases. Again, it changes nothing.

    The caller of a case that ended or was replied to by itself gets none; one of a case without a row in SQL does.
    """
    settled = type_coerce(cases.c.document, JSON)["settled"].as_string()
    by_itself = {*connection.scalars(select(cases.c.number).where(cases.c.number.in_(numbers), settled == OVER))}
    waits = (number for number in numbers if number not in by_itself)
    rows = [due(each, number, news.seq, news.at) for number, each in news_notifications(news, waits)]
    _add(connection, notifications, rows)


def candidates(connection: ReadConnection, gathering: Gathering, limit: int) -> list[str]:
    """Return the numbers of the next cases of the scope, in order: before their reply, and linked to no incident."""
    statement = (
        select(cases.c.number)
        .where(
            cases.c.registered_at >= gathering.since,
            cases.c.service_code.in_(gathering.scope.services),
            cases.c.district.in_(gathering.scope.districts),
            cases.c.incident.is_(None),
            cases.c.state.in_(BEFORE_REPLY),
            cast(cases.c.flags, Text).not_like(f'%"{OWN_CAUSE}"%'),
            cases.c.number > gathering.after,
        )
        .order_by(cases.c.number)
        .limit(limit)
    )
    return list(connection.scalars(statement))


def surges(connection: ReadConnection, since: datetime, services: Collection[str], more_than: int) -> list[Surge]:
    """Return services and districts with more than so many cases since then that no incident explains."""
    calls = func.count()
    statement = (
        select(cases.c.service_code, cases.c.district, calls)
        .where(
            cases.c.registered_at >= since,
            cases.c.service_code.in_(services),
            cases.c.district.is_not(None),
            cases.c.incident.is_(None),
        )
        .group_by(cases.c.service_code, cases.c.district)
        .having(calls > more_than)
    )
    return [Surge(*row) for row in connection.execute(statement)]


def recent(connection: ReadConnection, since: datetime) -> list[Incident]:
    """Return the incidents that are open, or have ended since."""
    statement = select(_row.document).where(_row.closed_at.is_(None) | (_row.closed_at >= since))
    return [Incident.model_validate_json(document) for document in connection.scalars(statement)]


def taking(connection: ReadConnection) -> list[tuple[str, Scope]]:
    """Return the incidents that new cases are linked to, the oldest first, with their scopes."""
    statement = select(_row.document).where(_row.closed_at.is_(None), _row.state.in_(TAKING)).order_by(_row.opened_at)
    found = map(Incident.model_validate_json, connection.scalars(statement))
    return [(incident.number, incident.scope) for incident in found]


def get(connection: ReadConnection, number: str) -> Incident | None:
    """Return the incident as SQL shows it; None if it has no row."""
    document = connection.scalar(select(_row.document).where(_row.number == number))
    return None if document is None else Incident.model_validate_json(document)


def versions(connection: ReadConnection, numbers: Collection[str]) -> dict[str, int]:
    """Return the version that SQL shows of each of these incidents."""
    statement = select(_row.number, _row.version).where(_row.number.in_(numbers))
    return {row.number: row.version for row in connection.execute(statement)}


def case_counts(connection: ReadConnection, number: str) -> dict[str, int]:
    """Return the number of the incident's cases by state."""
    statement = (
        select(cases.c.state, func.count().label("calls")).where(cases.c.incident == number).group_by(cases.c.state)
    )
    return {row.state: row.calls for row in connection.execute(statement)}


def page(connection: ReadConnection, states: Collection[IncidentState], cursor: str | None, limit: int) -> IncidentPage:
    """Return a page of incidents, the latest first, in one of these states or in any. Raises BadCursorError."""
    statement = select(_row.document)
    if states:
        statement = statement.where(_row.state.in_(states))
    if cursor is not None:
        after = Place.of(cursor)
        at = bindparam("after_at", after.registered_at, _row.opened_at.type)
        statement = statement.where(tuple_(_row.opened_at, _row.number) < tuple_(at, bindparam("n", after.number)))
    statement = statement.order_by(_row.opened_at.desc(), _row.number.desc()).limit(limit + 1)
    found = [Incident.model_validate_json(document) for document in connection.scalars(statement)]
    shown = tuple(found[:limit])
    more = Place(shown[-1].opened_at, shown[-1].number).cursor() if len(found) > limit else None
    return IncidentPage(shown, more)


def timeline(connection: ReadConnection, number: str, after_seq: int, limit: int) -> IncidentTimeline:
    """Return the events of the incident after `after_seq`, oldest first."""
    statement = select(incident_events).where(incident_events.c.number == number, incident_events.c.seq > after_seq)
    found = connection.execute(statement.order_by(incident_events.c.seq).limit(limit + 1)).all()
    items = tuple(_event(row) for row in found[:limit])
    return IncidentTimeline(items, items[-1].seq if len(found) > len(items) else None)


def _insert(connection: WriteConnection, table: Table) -> Any:  # noqa: ANN401 - one dialect's or the other's
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name](table)


def _add(connection: WriteConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Add the rows that are missing."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _event_row(number: str, event: IncidentEvent) -> dict[str, Any]:
    return {
        **event.model_dump(exclude={"data", "role", "from_state", "to_state"}),
        "number": number,
        "role": event.role.value,
        "from_state": event.from_state and event.from_state.value,
        "to_state": event.to_state.value,
        "data": to_json(event.data).decode(),
    }


def _event(row: Row[Any]) -> IncidentEvent:
    return IncidentEvent.model_validate({**row._mapping, "data": from_json(row.data)})  # noqa: SLF001 - public, by its docs
