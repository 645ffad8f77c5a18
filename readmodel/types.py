"""Column types that mean the same on SQLite and on PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, ColumnElement, DateTime, Dialect, Numeric, String, Text, TypeDecorator, cast

Processor = Callable[[Any], Any]


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware datetimes in UTC in and out. ValueError for a naive one or one of another zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        """One step from the instant to what the driver takes: written rows have several instants each.

        SQLite keeps text without a zone, which is UTC by this rule.
        """
        return _as_text if dialect.name == "sqlite" else _in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """PostgreSQL answers in the zone of the session, SQLite without any."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _in_utc(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is not UTC and value.utcoffset() != timedelta():
        raise ValueError(f"an instant must be an aware datetime in UTC, not {value.isoformat()}")
    return value


def _as_text(value: datetime | None) -> str | None:
    instant = _in_utc(value)
    return None if instant is None else instant.replace(tzinfo=None).isoformat(" ", "microseconds")


class JsonText(TypeDecorator[str]):
    """JSON that is text on our side: pydantic writes and reads it in one pass, without a tree of dicts in between."""

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Processor | None:  # noqa: ARG002 - SQLAlchemy's signature
        """None: the text goes in as it is."""
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:  # noqa: ARG002 - same
        """None: the text comes out as it is."""
        return None

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Ask for the text; PostgreSQL's driver would parse the type JSON otherwise."""
        return cast(column, Text)


class Exact(TypeDecorator[Decimal]):
    """A decimal of two places, kept exactly: SQLite, which would make a float of it, keeps its text."""

    impl = Numeric(8, 2).with_variant(String(9), "sqlite")
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401 - what the driver takes
        """The text for SQLite."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        """A decimal, of whatever the driver gives."""
        return None if value is None else Decimal(value)


def code(length: int) -> String:
    """Text that is compared byte by byte, so that a change of the system's locales cannot spoil an index."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")
