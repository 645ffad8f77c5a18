"""Statements that write rows, so that writing them again changes nothing; the same on SQLite and PostgreSQL."""

from collections.abc import Collection, Sequence
from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    any_,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, OperationalError

from domain.kit.event import BaseEvent
from readmodel.base.database import WriteConnection

RowValues = dict[str, Any]
"""Values of one row, by column."""
_POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Imported(NamedTuple):
    """Numbers of records that an import added, changed, and found unchanged."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


def row(table: Table, value: object, **more: Any) -> RowValues:  # noqa: ANN401 - of any column
    """Return a row, column by column: `more` has the values that are not attributes of `value` of the same name."""
    return {name: more[name] if name in more else getattr(value, name) for name in _columns(table)}


def event_row(table: Table, number: str, event: BaseEvent) -> RowValues:
    return row(table, event, number=number, people=to_json(event.people).decode(), data=event.data.model_dump_json())


def insert_missing(connection: WriteConnection, table: Table, rows: Sequence[RowValues]) -> int:
    """Insert the rows that the table lacks; return their number."""
    return connection.execute(_insert_missing(connection.dialect.name, table), rows).rowcount if rows else 0


def upsert(connection: WriteConnection, table: Table, rows: Sequence[RowValues]) -> int:
    """Insert the rows, or update those that exist; if the table has a column `version`, none with a higher version.

    Columns that the rows do not name keep their values. Returns the number of rows that were written.
    """
    return connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0])), rows).rowcount if rows else 0


def upsert_one(connection: WriteConnection, table: Table, values: RowValues) -> None:
    """Insert or update a row as `upsert` does; its values may be SQL expressions."""
    connection.execute(_upsert(connection.dialect.name, table, tuple(values)).values(values))


def upsert_many(connection: WriteConnection, table: Table, rows: Sequence[RowValues]) -> None:
    """Insert or update whole rows, as `upsert` does; on PostgreSQL by a binary COPY, which takes half the time.

    The driver takes the values as they are: no type of a column converts or checks them.
    """
    if rows and connection.dialect.name == "postgresql":
        names = _columns(table)
        _copy_aside(connection, table, [[values[name] for name in names] for values in rows])
        connection.execute(_upsert_from_copied(table))
    else:
        upsert(connection, table, rows)


def insert_many(connection: WriteConnection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of which the table has none, as values of all columns; on PostgreSQL by a binary COPY.

    As with `upsert_many`, the driver takes the values as they are.
    """
    if rows and connection.dialect.name == "postgresql":
        _copy(connection, table, table.name, rows)
    else:
        insert_missing(connection, table, [dict(zip(_columns(table), values, strict=True)) for values in rows])


def is_one_of(connection: Connection, column: Column[str], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of many values; on PostgreSQL they are one parameter."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal([*values], postgresql.ARRAY(column.type)))
    return column.in_(values)


def _copy_aside(connection: WriteConnection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Copy the rows into a temporary table like this one, which is empty again after the transaction."""
    copied = _copied(table)
    connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {copied} (LIKE {table.name}) ON COMMIT DELETE ROWS")
    connection.exec_driver_sql(f"DELETE FROM {copied}")  # noqa: S608 - the name of a table
    _copy(connection, table, copied, rows)


def _copy(connection: WriteConnection, table: Table, into: str, rows: Sequence[Sequence[Any]]) -> None:
    """Copy rows of this table into the one of this name. Raises DataError, OperationalError."""
    driver = connection.dialect.loaded_dbapi
    try:
        cursor: Any
        with closing(connection.connection.cursor()) as cursor:
            columns = ", ".join(f'"{name}"' for name in _columns(table))
            with cursor.copy(f"COPY {into} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(_type_names(table))
                for values in rows:
                    copy.write_row(values)
    except driver.Error as error:
        kind = DataError if isinstance(error, driver.DataError) else OperationalError
        raise kind(f"COPY {into}", None, error) from error


def _copied(table: Table) -> str:
    return f"copied_{table.name}"


@cache
def _upsert_from_copied(table: Table) -> Any:  # noqa: ANN401 - as `_upsert`
    names = _columns(table)
    given = select(text(", ".join(names))).select_from(text(_copied(table)))
    return _or_update(postgresql.insert(table).from_select(names, given), table, names)


@cache
def _type_names(table: Table) -> Sequence[str]:
    """Return the types of the columns without length and order, as the driver names them."""
    kinds = (column.type.compile(_POSTGRESQL) for column in table.columns)
    return [kind.partition("(")[0].partition(" COLLATE")[0].lower() for kind in kinds]


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
