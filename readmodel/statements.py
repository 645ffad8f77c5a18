"""Statements that write rows, so that writing them again changes nothing; the same on SQLite and PostgreSQL."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    any_,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from domain.shared.event import BaseEvent
from readmodel.database import WriteConnection
from readmodel.types import JsonText

RowValues = dict[str, Any]
"""Values of one row, by column."""
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def row(table: Table, value: object, **more: Any) -> RowValues:  # noqa: ANN401 - of any column
    """Return a row, column by column: `more` has the values that are not attributes of `value` of the same name."""
    return {name: more[name] if name in more else getattr(value, name) for name in _columns(table)}


def event_row(table: Table, number: str, event: BaseEvent) -> RowValues:
    """Return the row of an event of the case or incident of this number."""
    return row(table, event, number=number, people=to_json(event.people).decode(), data=event.data.model_dump_json())


def insert_missing(connection: WriteConnection, table: Table, rows: Sequence[RowValues]) -> int:
    """Insert the rows that the table lacks; return their number."""
    return connection.execute(_insert_missing(connection.dialect.name, table), rows).rowcount if rows else 0


def upsert(connection: WriteConnection, table: Table, rows: Sequence[RowValues]) -> int:
    """Insert the rows, or update those that exist; if the table has a column `version`, none with a higher version.

    Columns that the rows do not name keep their values. Returns the number of rows that were written.
    """
    return connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0])), rows).rowcount if rows else 0


def upsert_many(connection: WriteConnection, table: Table, rows: Sequence[RowValues]) -> None:
    """Insert or update whole rows, as `upsert` does; on PostgreSQL in one statement, which takes half the time."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_upsert_from_json(table), {"rows": to_json(rows).decode()})
    else:
        upsert(connection, table, rows)


def is_one_of(connection: Connection, column: Column[str], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of many values; on PostgreSQL they are one parameter."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal([*values], postgresql.ARRAY(column.type)))
    return column.in_(values)


@cache
def _upsert_from_json(table: Table) -> Any:  # noqa: ANN401 - as `_upsert`
    # The function makes rows of the table's own type.
    rows = func.json_populate_recordset(literal_column(f"NULL::{table.name}"), bindparam("rows", type_=JsonText))
    names = _columns(table)
    given = select(text(", ".join(names))).select_from(rows.alias())
    return _or_update(postgresql.insert(table).from_select(names, given), table, names)


@cache
def _columns(table: Table) -> Sequence[str]:
    return tuple(table.columns.keys())


# SQLAlchemy keeps the SQL that it compiles from a statement.
@cache
def _insert_missing(dialect: str, table: Table) -> Any:  # noqa: ANN401 - each dialect has an insert of its own type
    return _INSERT[dialect](table).on_conflict_do_nothing()


@cache
def _upsert(dialect: str, table: Table, names: Sequence[str]) -> Any:  # noqa: ANN401 - same
    return _or_update(_INSERT[dialect](table), table, names)


def _or_update(insert: Any, table: Table, names: Sequence[str]) -> Any:  # noqa: ANN401 - same
    version = table.columns.get("version")
    return insert.on_conflict_do_update(
        index_elements=table.primary_key,
        set_={name: insert.excluded[name] for name in names if not table.c[name].primary_key},
        where=None if version is None else version <= insert.excluded.version,
    )
