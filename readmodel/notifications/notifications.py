"""Notifications: rows of what a recipient is to be told, written with the event that causes them.

A notification is `due`, then `routed` to the channels of its recipient, or `no_route` without any. It is `sent` with
its last delivery and `dead` with the first that is given up: a dead letter, which can be sent again. Results of
deliveries follow from no event.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from pydantic import Field
from sqlalchemy import Column, ForeignKey, Integer, Table, Text, Update, select, update

from domain.kit.event import Notification
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection, RowValues, WriteConnection
from readmodel.base.paging import RowPage, read_page
from readmodel.base.schema import CODE, NUMBER, UtcDateTime, code, index_where, metadata

notifications = Table(
    "notifications",
    metadata,
    Column("key", code(160), primary_key=True),
    Column("number", NUMBER, nullable=False, comment="Of the case, or of the incident."),
    Column("seq", Integer, nullable=False),
    Column("recipient", code(120), nullable=False),
    Column("kind", CODE, nullable=False),
    Column("text_zh", Text, nullable=False),
    Column("text_en", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("status", CODE, nullable=False, comment="due, routed, no_route, sent or dead"),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, comment="Null once nothing is to be done."),
    Column("sent_at", UtcDateTime),
    Column("last_error", Text),
    Column("dead_at", UtcDateTime, comment="When it was given up; null unless it is dead."),
    index_where("next_try_at IS NOT NULL", "next_try_at", name="ix_notifications_under_way"),
    index_where("sent_at IS NULL", "number", "recipient", name="ix_notifications_unsent"),
    index_where("dead_at IS NOT NULL", "dead_at", "key", name="ix_notifications_dead"),
)
"""Notifications. The courier changes their status, and so does a request to send a dead letter again."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", code(160), ForeignKey("notifications.key"), primary_key=True),
    Column("channel", CODE, primary_key=True),
    Column("status", CODE, nullable=False, comment="due, sending, sent or dead"),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, comment="Null once sent or dead."),
    Column("sent_at", UtcDateTime),
    Column("last_error", Text),
    index_where("next_try_at IS NOT NULL", "channel", "next_try_at", name="ix_deliveries_under_way"),
    sqlite_with_rowid=False,
)
"""Deliveries: a notification on each channel that its recipient is routed to."""

courier = Table(
    "courier",
    metadata,
    Column("place", Integer, primary_key=True, comment="1, so that there is one row."),
    Column("holder", CODE, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Claim of the courier that sends, until an instant: of two at once, the second waits."""


DUE, ROUTED, NO_ROUTE, SENT, DEAD = "due", "routed", "no_route", "sent", "dead"
_row = notifications.c


class NotificationRow(NamedTuple):
    """A notification of one recipient, `role:name`. It holds no personal data of callers."""

    key: str
    number: str
    seq: int
    recipient: str
    kind: str
    text_zh: str
    text_en: str
    created_at: datetime


def notification_row(
    number: str, seq: int, at: datetime, notification: Notification, *, sent: bool = False
) -> RowValues:
    """Return the row of a new notification, of the event `seq` of a case or incident.

    `sent`: SQL had it before and has lost it. It counts as sent, without a try or an instant.
    """
    fields = notification._asdict() | {"number": number, "seq": seq, "created_at": at, "tries": 0}
    return fields | {"status": SENT if sent else DUE, "next_try_at": None if sent else at}


class DeadLetter(Immutable):
    """Notification that was given up (未送达)."""

    key: str = Field(description="Key of the notification.")
    number: str = Field(description="Number of the case.")
    recipient: str = Field(description="`supervisor`, `department:repair`, `caller:<number>` ...")
    kind: str = Field(description="Event: an action, `escalate`, `notice` or `criticise`.")
    text_zh: str
    text_en: str
    error: str | None = Field(description="Reason why the last try failed; it names the channel if there are several.")
    created_at: datetime
    dead_at: datetime = Field(description="Time at which it was given up.")


class Resent(NamedTuple):
    """Outcome of `resend` by key: due again, known but not dead, unknown."""

    due: tuple[str, ...]
    not_dead: tuple[str, ...]
    unknown: tuple[str, ...]


_COLUMNS = [_row.last_error.label(name) if name == "error" else _row[name] for name in DeadLetter.model_fields]


def dead_letters(connection: ReadConnection, cursor: str | None = None, limit: int = 50) -> RowPage[DeadLetter]:
    """Return a page of dead letters, newest first. Raises BadCursorError."""
    dead = select(*_COLUMNS).where(_row.dead_at.is_not(None))
    return read_page(connection, dead, (_row.dead_at, _row.key), cursor, limit, lambda row: DeadLetter(**row._asdict()))


def resend(connection: WriteConnection, keys: Collection[str], at: datetime) -> Resent:
    """Make these dead letters due, as if never tried. Deliveries that were sent are not sent again."""
    found = dict(connection.execute(select(_row.key, _row.status).where(_row.key.in_(keys))).all())
    due = tuple(key for key in keys if found.get(key) == DEAD)
    not_dead = tuple(key for key in keys if key in found and key not in due)
    connection.execute(_due_again(at).where(_row.key.in_(due), _row.status == DEAD))
    return Resent(due, not_dead, tuple(key for key in keys if key not in found))


def resend_all(connection: WriteConnection, at: datetime) -> int:
    return connection.execute(_due_again(at).where(_row.dead_at.is_not(None))).rowcount


def _due_again(at: datetime) -> Update:
    return update(notifications).values(status=DUE, tries=0, next_try_at=at, last_error=None, dead_at=None)
