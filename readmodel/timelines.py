"""Queries of events: timelines of cases and incidents, and the events of a case that have a document."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic_core import from_json
from sqlalchemy import Row, Select, Table, select

from domain.case.automatic.notice import DOCUMENTS
from domain.case.events import Event
from domain.incident.state import IncidentEvent
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import events
from readmodel.incidents import incident_events

E = TypeVar("E", Event, IncidentEvent)


class Timeline(NamedTuple, Generic[E]):
    """Page of events, oldest first; `next_seq` is the `after_seq` of the next page, None on the last one."""

    items: tuple[E, ...]
    next_seq: int | None


def timeline(connection: ReadConnection, number: str, after_seq: int = 0, limit: int | None = None) -> Timeline[Event]:
    return _page(Event, connection.execute(_of(events, number, after_seq, limit)).all(), limit)


def incident_timeline(
    connection: ReadConnection, number: str, after_seq: int = 0, limit: int | None = None
) -> Timeline[IncidentEvent]:
    return _page(IncidentEvent, connection.execute(_of(incident_events, number, after_seq, limit)).all(), limit)


def documents(connection: ReadConnection, number: str) -> tuple[Event, ...]:
    """Return the notices of urging (催办通知书) and public criticism (通报批评), oldest first: at most two a cycle."""
    statement = _of(events, number, 0, None).where(events.c.action.in_(sorted(DOCUMENTS)))
    return _page(Event, connection.execute(statement).all(), None).items


def _of(table: Table, number: str, after_seq: int, limit: int | None) -> Select[Any]:
    statement = select(table).where(table.c.number == number, table.c.seq > after_seq).order_by(table.c.seq)
    return statement if limit is None else statement.limit(limit + 1)


def _page(event: type[E], rows: Sequence[Row[Any]], limit: int | None) -> Timeline[E]:
    read = ({**row._mapping, "people": from_json(row.people), "data": from_json(row.data)} for row in rows[:limit])  # noqa: SLF001 - public, by its docs
    items = tuple(map(event.model_validate, read))
    return Timeline(items, items[-1].seq if len(rows) > len(items) else None)
