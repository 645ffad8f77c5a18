"""Base of all tables of the read model: their metadata, and column types with the same values on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Instant: takes and returns aware datetimes in UTC. Raises ValueError for a naive one or another zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is not None and value.utcoffset() != timedelta():
            raise ValueError(f"an instant must be an aware datetime in UTC, not {value.isoformat()}")
        return value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """In UTC. PostgreSQL gives an instant in the session's zone, SQLite without any."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class JsonText(sa.TypeDecorator[str]):
    """JSON as text, which pydantic reads and writes without building dictionaries."""

    impl = sa.JSON
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], str] | None:
        """Return None: the text is written as it is."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[str], Any] | None:
        """Return None: the text is read as it is."""

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Select the column as text, or PostgreSQL's driver would parse it."""
        return sa.type_coerce(sa.cast(column, sa.Text), self)


class JsonOf(JsonText):
    """JSON of values of one type, which pydantic writes and reads. Reading anything else raises ValidationError."""

    cache_ok = True

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 - a model, or a type as tuple[str, ...]
        super().__init__()
        self.kind = kind
        self._adapter = TypeAdapter[Any](kind)

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], str]:  # noqa: ARG002 - SQLAlchemy's signature
        return lambda value: self._adapter.dump_json(value).decode()

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[str], Any]:  # noqa: ARG002 - same
        return self._adapter.validate_json


class Hundredths(sa.TypeDecorator[Decimal]):
    """Decimal of two places, kept as a whole number of hundredths: SQLite adds up these exactly, but not decimals."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | Decimal | None, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002 - same
        """PostgreSQL gives a sum of whole numbers as a decimal."""
        return None if value is None else Decimal(value).scaleb(-2).quantize(Decimal("0.01"))


def code(length: int) -> sa.String:
    """Text that is compared byte by byte, so that a change of locales cannot break an index."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMES)

NUMBER = code(13)
CODE = code(40)
PERSON = code(80)


def index_where(condition: str, *columns: str | sa.Column[Any], name: str, on_sqlite: str = "") -> sa.Index:
    """Index of some rows only, so that it stays small however long the service runs."""
    return sa.Index(name, *columns, postgresql_where=sa.text(condition), sqlite_where=sa.text(on_sqlite or condition))


def event_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", PERSON, nullable=False),
        sa.Column("role", CODE, nullable=False),
        sa.Column("people", JsonOf(dict[str, str]), nullable=False, comment="Names by id, where they differ."),
        sa.Column("action", CODE, nullable=False),
        sa.Column("from_state", CODE),
        sa.Column("to_state", CODE, nullable=False),
        sa.Column("data", JsonText, nullable=False),
    ]


def number_column(table: str = "cases") -> sa.Column[str]:
    """Column with the number of a row of this table, as first part of a key."""
    return sa.Column("number", NUMBER, sa.ForeignKey(f"{table}.number"), primary_key=True)
