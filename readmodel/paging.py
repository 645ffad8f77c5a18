"""Keyset pages: a page starts after the last row of the page before, so no page is slower than the first."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class BadCursorError(ValueError):
    """A cursor that no page gave out; the text says what is accepted."""

    def __init__(self) -> None:
        super().__init__("a cursor is the next_cursor of an earlier page, unchanged; leave it out for the first page")


class Place(NamedTuple):
    """A case's place in the order of lists, newest first."""

    registered_at: datetime
    number: str

    def cursor(self) -> str:
        """The place as an opaque text for URLs."""
        instant = (self.registered_at - _EPOCH) // _MICROSECOND
        return base64.urlsafe_b64encode(f"{instant} {self.number}".encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> "Place":
        """The place that a cursor stands for. Raises BadCursorError."""
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
            instant, number = text.split(" ")
            place = cls(_EPOCH + int(instant) * _MICROSECOND, number)
        except (binascii.Error, ValueError, OverflowError):
            raise BadCursorError from None
        if not number.removeprefix("i").isdigit() or place.cursor() != cursor:
            raise BadCursorError
        return place
