"""Base of all tables of the read model: their metadata, and types of columns."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, text

from readmodel.base.types import JsonText, UtcDateTime, code

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
