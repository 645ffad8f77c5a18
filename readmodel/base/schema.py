"""Base of all tables of the read model: their metadata, and column types with the same values on both databases."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Text,
    TypeDecorator,
    cast,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """Instant: takes and returns aware datetimes in UTC. Raises ValueError for a naive one or another zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is not None and value.utcoffset() != timedelta():
            raise ValueError(f"an instant must be an aware datetime in UTC, not {value.isoformat()}")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC. PostgreSQL gives it in the session's zone, SQLite without any."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class JsonText(TypeDecorator[str]):
    """JSON as text, which pydantic reads and writes without building dictionaries."""

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Return None: the text is written as it is."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Return None: the text is read as it is."""

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Select the column as text, or PostgreSQL's driver would parse it."""
        return cast(column, Text)


class Exact(TypeDecorator[Decimal]):
    """Exact decimal of two places. SQLite, which would keep a float, keeps its text."""

    impl = Numeric(8, 2).with_variant(String(9), "sqlite")
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401 - what the driver takes
        # SQLite keeps it as text.
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        return None if value is None else Decimal(value)


def code(length: int) -> String:
    """Return a text type that is compared byte by byte, so that a change of locales cannot break an index."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

NUMBER = code(13)
CODE = code(40)
PERSON = code(80)


def index_where(condition: str, *columns: str | Column[Any], name: str, on_sqlite: str = "") -> Index:
    """Return an index of some rows only, so that it stays small however long the service runs."""
    return Index(name, *columns, postgresql_where=text(condition), sqlite_where=text(on_sqlite or condition))


def event_columns() -> list[Column[Any]]:
    return [
        Column("seq", Integer, primary_key=True),
        Column("at", UtcDateTime, nullable=False),
        Column("actor", PERSON, nullable=False),
        Column("role", CODE, nullable=False),
        Column("people", JsonText, nullable=False, comment="Names by id, where they differ."),
        Column("action", CODE, nullable=False),
        Column("from_state", CODE),
        Column("to_state", CODE, nullable=False),
    ]


def number_column(table: str = "cases") -> Column[str]:
    """Return the number of a row of this table, as first part of a key."""
    return Column("number", NUMBER, ForeignKey(f"{table}.number"), primary_key=True)
