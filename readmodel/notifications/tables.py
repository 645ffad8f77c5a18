"""Tables of notifications and of their deliveries. Results of deliveries follow from no event."""

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from readmodel.base.schema import CODE, NUMBER, index_where, metadata
from readmodel.base.types import UtcDateTime, code

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
