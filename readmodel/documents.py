"""Query of the events that have a document: notices of urging (催办通知书) and public criticism (通报批评)."""

from sqlalchemy import select

from domain.case.automatic.notice import DOCUMENTS
from domain.case.events import Event
from readmodel.database import ReadConnection
from readmodel.queries import event_of
from readmodel.tables import events


def documents(connection: ReadConnection, number: str) -> tuple[Event, ...]:
    """Return the notices and criticisms of a case, oldest first: at most two a cycle."""
    of_case = events.c.number == number, events.c.action.in_(sorted(DOCUMENTS))
    return tuple(map(event_of, connection.execute(select(events).where(*of_case).order_by(events.c.seq))))
