"""Keyset pages: a page starts after the last row of the page before, so no page is slower than the first."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, Tuple, literal, tuple_

from readmodel.types import UtcDateTime

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY = re.compile(r"i?[0-9]+(-[^\0]+)?")
"""Number of a case or an incident, or key of a notification."""


class BadCursorError(ValueError):
    """Error for a cursor that no page gave out; the text says what is accepted."""

    def __init__(self) -> None:
        super().__init__("a cursor is the next_cursor of an earlier page, unchanged; leave it out for the first page")


class Place(NamedTuple):
    """Place of an item in a list, newest first: its instant, and its number or key among those of the instant."""

    at: datetime
    key: str

    def cursor(self) -> str:
        """Return the place as an opaque text for URLs."""
        instant = (self.at - _EPOCH) // _MICROSECOND
        return base64.urlsafe_b64encode(f"{instant} {self.key}".encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> "Place":
        """Return the place of a cursor. Raises BadCursorError."""
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
            instant, key = text.split(" ", 1)
            place = cls(_EPOCH + int(instant) * _MICROSECOND, key)
        except (binascii.Error, ValueError, OverflowError):
            raise BadCursorError from None
        if not _KEY.fullmatch(key) or place.cursor() != cursor:
            raise BadCursorError
        return place

    def bound(self) -> Tuple:
        """Return the place as an SQL row value."""
        return tuple_(literal(self.at, UtcDateTime), literal(self.key))


class Page(NamedTuple, Generic[T]):
    """Page of a list, newest first; `next_cursor` is None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None


def newest_first(
    statement: Select[Any], at: ColumnElement[Any], key: ColumnElement[Any], after: Place | None
) -> Select[Any]:
    """Return the statement in the order of the list, with the rows after a place only if one is given."""
    if after is not None:
        statement = statement.where(tuple_(at, key) < after.bound())
    return statement.order_by(at.desc(), key.desc())


def page_of(found: Sequence[T], limit: int, place: Callable[[T], Place]) -> Page[T]:
    """Return a page of the first `limit` items. One more item says that another page follows."""
    items = tuple(found[:limit])
    return Page(items, place(items[-1]).cursor() if len(found) > limit else None)
