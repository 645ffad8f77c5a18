"""Dead letters: notifications that were given up, listed newest first, and sent again when somebody says so."""

import base64
import binascii
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import select, tuple_, update

from readmodel.database import ReadConnection, WriteConnection
from readmodel.mailbox import DEAD, DUE
from readmodel.paging import BadCursorError
from readmodel.tables import notifications

_row = notifications.c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class DeadLetter(NamedTuple):
    """One of them. `error` names the channel first, where there are several."""

    key: str
    number: str
    recipient: str
    kind: str
    text_zh: str
    text_en: str
    error: str | None
    created_at: datetime
    dead_at: datetime


class LetterPage(NamedTuple):
    """Dead letters, the last to die first, and the cursor of the next page; None after the last."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None


class Resent(NamedTuple):
    """What became of the keys: due again, known but not dead, unknown."""

    due: tuple[str, ...]
    alive: tuple[str, ...]
    unknown: tuple[str, ...]


_COLUMNS = [_row.last_error if name == "error" else _row[name] for name in DeadLetter._fields]


def dead_letters(connection: ReadConnection, cursor: str | None = None, limit: int = 50) -> LetterPage:
    """A page of them. Raises BadCursorError."""
    place = tuple_(_row.dead_at, _row.key)
    dead = select(*_COLUMNS).where(_row.dead_at.is_not(None)).order_by(_row.dead_at.desc(), _row.key.desc())
    if cursor is not None:
        dead = dead.where(place < tuple_(*_place(cursor)))
    found = [DeadLetter(*row) for row in connection.execute(dead.limit(limit + 1))]
    page = tuple(found[:limit])
    return LetterPage(page, _cursor(page[-1]) if len(found) > len(page) else None)


def resend(connection: WriteConnection, keys: Collection[str], at: datetime) -> Resent:
    """Make these dead letters due, as if never tried. A channel that took its copy is not given it again."""
    found = dict(connection.execute(select(_row.key, _row.status).where(_row.key.in_(keys))).all())
    due = tuple(key for key in keys if found.get(key) == DEAD)
    alive = tuple(key for key in keys if key in found and key not in due)
    again = {"status": DUE, "tries": 0, "next_try_at": at, "last_error": None, "dead_at": None}
    connection.execute(update(notifications).where(_row.key.in_(due), _row.status == DEAD).values(again))
    return Resent(due, alive, tuple(key for key in keys if key not in found))


def resend_all(connection: WriteConnection, at: datetime) -> int:
    """Make every dead letter due; answer how many there were."""
    again = {"status": DUE, "tries": 0, "next_try_at": at, "last_error": None, "dead_at": None}
    return connection.execute(update(notifications).where(_row.dead_at.is_not(None)).values(again)).rowcount


def _cursor(letter: DeadLetter) -> str:
    place = [(letter.dead_at - _EPOCH) // _MICROSECOND, letter.key]
    return base64.urlsafe_b64encode(to_json(place)).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        instant, key = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        place = (_EPOCH + instant * _MICROSECOND, key)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise BadCursorError from None
    if not isinstance(instant, int) or not isinstance(key, str):
        raise BadCursorError
    return place
