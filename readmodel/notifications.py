"""Notifications: rows of what a recipient is to be told, written with the event that causes them.

A notification is `due`, then `routed` to the channels of its recipient, or `no_route` without any. It is `sent` with
its last delivery and `dead` with the first that is given up.
"""

from datetime import datetime
from typing import NamedTuple

from domain.shared.notification import Notification as OwedNotification
from readmodel.statements import RowValues

DUE, ROUTED, NO_ROUTE, SENT, DEAD = "due", "routed", "no_route", "sent", "dead"


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


def notification_row(
    number: str, seq: int, at: datetime, notification: OwedNotification, *, sent: bool = False
) -> RowValues:
    """Return the row of a new notification, of the event `seq` of a case or incident.

    `sent`: SQL had it before and has lost it. It counts as sent, without a try or an instant.
    """
    fields = notification._asdict() | {"number": number, "seq": seq, "created_at": at, "tries": 0}
    return fields | {"status": SENT if sent else DUE, "next_try_at": None if sent else at}
