"""The notifications that wait: what the courier takes, and what became of it.

A row is `due`, then `sending` while the courier has it, then `sent`, `due` again at a later instant, or `dead`.
There is one courier at a time; one that died leaves rows in `sending`, which its successor asks the channel about.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from readmodel.database import WriteConnection
from readmodel.tables import notifications

DUE, SENDING, SENT, DEAD = "due", "sending", "sent", "dead"
PORTION = 500
"""Keys in one statement: databases bound how many they take."""
_row = notifications.c


class Message(NamedTuple):
    """One message to one recipient, `role:whom`. It holds no personal data of callers. `tries` counts this one."""

    key: str
    number: str
    seq: int
    recipient: str
    kind: str
    text_zh: str
    text_en: str
    created_at: datetime
    tries: int


class Failure(NamedTuple):
    """A message that was not delivered: to be tried again at an instant, or never again (None)."""

    key: str
    error: str
    next_try_at: datetime | None


class Report(NamedTuple):
    """What became of the messages taken last."""

    sent: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()


_COLUMNS = [_row[name] for name in Message._fields]
_FAILED = (
    update(notifications)
    .where(_row.key == bindparam("the_key"), _row.status == SENDING)
    .values({name: bindparam(name) for name in ("status", "next_try_at", "last_error", "dead_at")})
)


def exchange(connection: WriteConnection, report: Report, at: datetime, limit: int) -> list[Message]:
    """Note what became of the last messages, and take the next that are due at `at`, oldest first."""
    if report.sent:
        mine = _row.key.in_(report.sent) & (_row.status == SENDING)
        sent = {"status": SENT, "sent_at": at, "next_try_at": None, "last_error": None}
        connection.execute(update(notifications).where(mine).values(sent))
    if report.failed:
        connection.execute(_FAILED, [_failed(failure, at) for failure in report.failed])
    due = select(_row.key).where(_row.status == DUE, _row.next_try_at <= at).order_by(_row.next_try_at).limit(limit)
    # By a common table expression: a mere subquery may be run again for each row, and the limit then limits nothing.
    due_keys = select(due.with_for_update(skip_locked=True).cte("due").c.key)
    taken = (
        update(notifications)
        .where(_row.key.in_(due_keys), _row.status == DUE)
        .values(status=SENDING, tries=_row.tries + 1)
        .returning(*_COLUMNS)
    )
    messages = [Message(*row) for row in connection.execute(taken)]
    return sorted(messages, key=lambda message: (message.created_at, message.number, message.seq, message.key))


def in_doubt(connection: WriteConnection, limit: int) -> list[str]:
    """Keys of messages that a courier had when it died: delivered perhaps, perhaps not."""
    under_way = _row.next_try_at.is_not(None)
    return list(connection.scalars(select(_row.key).where(under_way, _row.status == SENDING).limit(limit)))


def give_back(connection: WriteConnection, keys: Collection[str], delivered: Collection[str], at: datetime) -> None:
    """Settle what was in doubt: `delivered` are sent, the others due again. A courier's death is no try."""
    lost = [key for key in keys if key not in delivered]
    exchange(connection, Report(sent=tuple(delivered)), at, 0)
    mine = _row.key.in_(lost) & (_row.status == SENDING)
    connection.execute(update(notifications).where(mine).values(status=DUE, tries=_row.tries - 1))


def known(connection: WriteConnection, keys: Collection[str]) -> set[str]:
    """Those of the keys that have a row."""
    return {key for some in _portions(keys) for key in connection.scalars(select(_row.key).where(_row.key.in_(some)))}


def close(connection: WriteConnection, keys: Collection[str]) -> None:
    """Count messages as sent that nobody is to send: by no try, at no known instant."""
    for some in _portions(keys):
        connection.execute(update(notifications).where(_row.key.in_(some)).values(status=SENT, next_try_at=None))


def _portions(keys: Collection[str]) -> list[list[str]]:
    ordered = sorted(keys)
    return [ordered[start : start + PORTION] for start in range(0, len(ordered), PORTION)]


def _failed(failure: Failure, at: datetime) -> dict[str, object]:
    return {
        "the_key": failure.key,
        "status": DUE if failure.next_try_at else DEAD,
        "next_try_at": failure.next_try_at,
        "last_error": failure.error,
        "dead_at": None if failure.next_try_at else at,
    }
