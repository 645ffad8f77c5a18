"""Dead letters: notifications that were given up. They are listed newest first and can be sent again."""

import base64
import binascii
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import select, tuple_, update

from readmodel.database import ReadConnection, WriteConnection
from readmodel.notifications import DEAD, DUE
from readmodel.paging import BadCursorError
from readmodel.tables import notifications

_row = notifications.c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


class DeadLetterPage(NamedTuple):
    """Page of dead letters, newest first; `next_cursor` is None on the last page."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None


class Resent(NamedTuple):
    """Outcome of `resend` by key: due again, known but not dead, unknown."""

    due: tuple[str, ...]
    not_dead: tuple[str, ...]
    unknown: tuple[str, ...]


_COLUMNS = [_row.last_error if name == "error" else _row[name] for name in DeadLetter._fields]


def dead_letters(connection: ReadConnection, cursor: str | None = None, limit: int = 50) -> DeadLetterPage:
    """Return a page of dead letters. Raises BadCursorError."""
    position = tuple_(_row.dead_at, _row.key)
    dead = select(*_COLUMNS).where(_row.dead_at.is_not(None)).order_by(_row.dead_at.desc(), _row.key.desc())
    if cursor is not None:
        dead = dead.where(position < tuple_(*_position(cursor)))
    found = [DeadLetter(*row) for row in connection.execute(dead.limit(limit + 1))]
    page = tuple(found[:limit])
    return DeadLetterPage(page, _cursor(page[-1]) if len(found) > len(page) else None)


def resend(connection: WriteConnection, keys: Collection[str], at: datetime) -> Resent:
    """Make these dead letters due, as if never tried. Deliveries that were sent are not sent again."""
    found = dict(connection.execute(select(_row.key, _row.status).where(_row.key.in_(keys))).all())
    due = tuple(key for key in keys if found.get(key) == DEAD)
    not_dead = tuple(key for key in keys if key in found and key not in due)
    again = {"status": DUE, "tries": 0, "next_try_at": at, "last_error": None, "dead_at": None}
    connection.execute(update(notifications).where(_row.key.in_(due), _row.status == DEAD).values(again))
    return Resent(due, not_dead, tuple(key for key in keys if key not in found))


def resend_all(connection: WriteConnection, at: datetime) -> int:
    """Make every dead letter due; return their number."""
    again = {"status": DUE, "tries": 0, "next_try_at": at, "last_error": None, "dead_at": None}
    return connection.execute(update(notifications).where(_row.dead_at.is_not(None)).values(again)).rowcount


def _cursor(letter: DeadLetter) -> str:
    position = [(letter.dead_at - _EPOCH) // _MICROSECOND, letter.key]
    return base64.urlsafe_b64encode(to_json(position)).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        instant, key = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        position = (_EPOCH + instant * _MICROSECOND, key)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise BadCursorError from None
    if not isinstance(instant, int) or not isinstance(key, str):
        raise BadCursorError
    return position
