"""Notifications: rows of what a recipient is to be told, written with the event that causes them.

A notification is `due`, then `routed` to the channels of its recipient, or `no_route` without any. It is `sent` with
its last delivery and `dead` with the first that is given up.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from domain.shared.notification import Notification as OwedNotification
from readmodel.database import WriteConnection
from readmodel.statements import RowValues
from readmodel.tables import notifications

DUE, ROUTED, NO_ROUTE, SENT, DEAD = "due", "routed", "no_route", "sent", "dead"
KEYS_IN_STATEMENT = 500
"""Most keys in one statement; databases limit them."""
_row = notifications.c


class Notification(NamedTuple):
    """A notification of one recipient, `role:name`. It holds no personal data of callers."""

    key: str
    number: str
    seq: int
    recipient: str
    kind: str
    text_zh: str
    text_en: str
    created_at: datetime


def due_row(number: str, seq: int, at: datetime, notification: OwedNotification) -> RowValues:
    """Return the row of a new notification, of the event `seq` of a case or incident."""
    fields = notification._asdict() | {"number": number, "seq": seq, "created_at": at}
    return fields | {"status": DUE, "tries": 0, "next_try_at": at}


def known(connection: WriteConnection, keys: Collection[str]) -> set[str]:
    """Return those of the keys that have a row."""
    return {key for some in _groups(keys) for key in connection.scalars(select(_row.key).where(_row.key.in_(some)))}


def close(connection: WriteConnection, keys: Collection[str]) -> None:
    """Mark notifications as sent that are not to be sent: without a try or an instant."""
    for some in _groups(keys):
        connection.execute(update(notifications).where(_row.key.in_(some)).values(status=SENT, next_try_at=None))


def _groups(keys: Collection[str]) -> list[list[str]]:
    ordered = sorted(keys)
    return [ordered[start : start + KEYS_IN_STATEMENT] for start in range(0, len(ordered), KEYS_IN_STATEMENT)]
