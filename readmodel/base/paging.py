"""Keyset pages: a page starts after the last row of the page before, so no page is slower than the first."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Tuple, literal, tuple_

from readmodel.base.database import ReadConnection
from readmodel.base.schema import UtcDateTime

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY = re.compile(r"i?[0-9]+(-[^\0]+)?")
"""Number of a case or an incident, or key of a notification."""
CALL_ID = re.compile(r"[!-~]+")


class BadCursorError(ValueError):
    """Error for a cursor that no page gave out; the text says what is accepted."""

    def __init__(self) -> None:
        super().__init__(
            "a cursor is the next_cursor of an earlier page of the same list and order, unchanged;"
            " leave it out for the first page"
        )


class Position(NamedTuple):
    """Position of an item: its instant, its number or key at that instant, and the name of a part of the list."""

    at: datetime
    key: str
    section: str = ""

    def cursor(self) -> str:
        instant = (self.at - _EPOCH) // _MICROSECOND
        text = f"{self.section}/{instant} {self.key}" if self.section else f"{instant} {self.key}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of(
        cls, cursor: str | None, sections: Collection[str] = ("",), keys: re.Pattern[str] = _KEY
    ) -> "Position | None":
        """Position of a cursor. Raises BadCursorError unless it is of one of these sections, with such a key."""
        if cursor is None:
            return None
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
            begin, key = text.split(" ", 1)
            section, _, instant = begin.rpartition("/")
            position = cls(_EPOCH + int(instant) * _MICROSECOND, key, section)
        except (binascii.Error, ValueError, OverflowError):
            raise BadCursorError from None
        if section not in sections or not keys.fullmatch(key) or position.cursor() != cursor:
            raise BadCursorError
        return position

    def bound(self) -> Tuple:
        return tuple_(literal(self.at, UtcDateTime), literal(self.key))


class RowPage(NamedTuple, Generic[T]):
    """Page of a list; `next_cursor` is None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None


def in_order(
    statement: Select[Any],
    at: ColumnElement[Any],
    key: ColumnElement[Any],
    after: Position | None,
    *,
    newest_first: bool = True,
) -> Select[Any]:
    """Order by `at` and `key`, and leave out the rows up to `after` if it is given."""
    if after is not None:
        row = tuple_(at, key)
        statement = statement.where(row < after.bound() if newest_first else row > after.bound())
    return statement.order_by(*((at.desc(), key.desc()) if newest_first else (at, key)))


def read_page(  # noqa: PLR0913 - a list, and the page of it
    connection: ReadConnection,
    statement: Select[Any],
    by: tuple[ColumnElement[Any], ColumnElement[Any]],
    cursor: str | None,
    limit: int,
    item: Callable[[Row[Any]], T],
    *,
    newest_first: bool = True,
    keys: re.Pattern[str] = _KEY,
) -> RowPage[T]:
    """Page of the rows that a statement selects, each made an `item`, in the order of two of its columns.

    `by` are these columns: an instant, and the number or key, of the form of `keys`. Raises BadCursorError.
    """
    statement = in_order(statement, *by, Position.of(cursor, keys=keys), newest_first=newest_first).limit(limit + 1)
    rows = connection.execute(statement).all()
    page = page_of(rows, limit, lambda row: Position(*(row._mapping[column] for column in by)))  # noqa: SLF001 - public, by its docs
    return RowPage(tuple(map(item, page.items)), page.next_cursor)


def page_of(found: Sequence[T], limit: int, position: Callable[[T], Position]) -> RowPage[T]:
    """Page of the first `limit` items. One more item says that another page follows."""
    items = tuple(found[:limit])
    return RowPage(items, position(items[-1]).cursor() if len(found) > limit else None)
