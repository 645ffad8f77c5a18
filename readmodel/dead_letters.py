"""Dead letters: notifications that were given up. They are listed newest first and can be sent again."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Update, select, update

from readmodel.database import ReadConnection, WriteConnection
from readmodel.notifications import DEAD, DUE
from readmodel.paging import Page, Place, newest_first, page_of
from readmodel.tables import notifications

_row = notifications.c


class DeadLetter(NamedTuple):
    """A notification that was given up. `error` starts with the name of the channel."""

    key: str
    number: str
    recipient: str
    kind: str
    text_zh: str
    text_en: str
    error: str | None
    created_at: datetime
    dead_at: datetime


class Resent(NamedTuple):
    """Outcome of `resend` by key: due again, known but not dead, unknown."""

    due: tuple[str, ...]
    not_dead: tuple[str, ...]
    unknown: tuple[str, ...]


_COLUMNS = [_row.last_error if name == "error" else _row[name] for name in DeadLetter._fields]


def dead_letters(connection: ReadConnection, cursor: str | None = None, limit: int = 50) -> Page[DeadLetter]:
    """Return a page of dead letters, newest first. Raises BadCursorError."""
    dead = select(*_COLUMNS).where(_row.dead_at.is_not(None)).limit(limit + 1)
    statement = newest_first(dead, _row.dead_at, _row.key, None if cursor is None else Place.of(cursor))
    found = [DeadLetter(*row) for row in connection.execute(statement)]
    return page_of(found, limit, lambda letter: Place(letter.dead_at, letter.key))


def resend(connection: WriteConnection, keys: Collection[str], at: datetime) -> Resent:
    """Make these dead letters due, as if never tried. Deliveries that were sent are not sent again."""
    found = dict(connection.execute(select(_row.key, _row.status).where(_row.key.in_(keys))).all())
    due = tuple(key for key in keys if found.get(key) == DEAD)
    not_dead = tuple(key for key in keys if key in found and key not in due)
    connection.execute(_due_again(at).where(_row.key.in_(due), _row.status == DEAD))
    return Resent(due, not_dead, tuple(key for key in keys if key not in found))


def resend_all(connection: WriteConnection, at: datetime) -> int:
    """Make every dead letter due; return their number."""
    return connection.execute(_due_again(at).where(_row.dead_at.is_not(None))).rowcount


def _due_again(at: datetime) -> Update:
    return update(notifications).values(status=DUE, tries=0, next_try_at=at, last_error=None, dead_at=None)
