"""The events of a case that are documents: notices of urging (催办通知书) and public criticism (通报批评)."""

from sqlalchemy import select

from domain.case.automatic.notice import DOCUMENTS
from domain.case.events import Event
from readmodel.database import ReadConnection
from readmodel.queries import event_of
from readmodel.tables import events


def papers(connection: ReadConnection, number: str) -> tuple[Event, ...]:
    """Those of this case, oldest first: two in a cycle at most."""
    mine = events.c.number == number, events.c.action.in_(sorted(DOCUMENTS))
    return tuple(map(event_of, connection.execute(select(events).where(*mine).order_by(events.c.seq))))
