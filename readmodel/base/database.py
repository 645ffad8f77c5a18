"""Connections to the read model, and statements that write rows; the same on SQLite and PostgreSQL."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NewType, TypeVar

import sqlalchemy
from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, any_, event, literal, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, OperationalError

from domain.kit.event import BaseEvent

CONNECT_SECONDS = 2
"""Longest wait for a connection. libpq accepts no less than 2."""
BUSY_SECONDS = 5
"""Longest wait of SQLite for another process to finish writing."""
STATEMENT_SECONDS = 4
"""Longest run of one statement on PostgreSQL: less than the 5 s that writing a batch may take."""
POOL_SIZE = 5
C = TypeVar("C")
T = TypeVar("T")

ReadConnection = NewType("ReadConnection", Connection)
"""Connection in a transaction that reads; if it may do no more, the database refuses to write."""
WriteConnection = NewType("WriteConnection", ReadConnection)
"""Connection in a transaction that may write as well; on SQLite it holds the write lock."""


def engine(url: str, *, read_only: bool = False, unsafe_at_power_loss: bool = False) -> Engine:
    """Engine for `sqlite:///...` or `postgresql+psycopg://...`; nothing is connected yet.

    `read_only`: the database refuses to write. `unsafe_at_power_loss`: a commit does not wait for the disk; PostgreSQL
    decides on that itself.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, read_only=read_only, synchronous="NORMAL" if unsafe_at_power_loss else "FULL")
    return _postgresql(url, read_only=read_only)


@contextmanager
def opened(url: str, *, read_only: bool = False) -> Iterator[Engine]:
    made = engine(url, read_only=read_only)
    try:
        yield made
    finally:
        made.dispose()


def exists(url: str) -> bool:
    """Return False if the database is a SQLite file that does not exist; to open it would make it."""
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").exists()


@contextmanager
def reading(engine: Engine) -> Iterator[ReadConnection]:
    """Open a transaction to read in; one snapshot on SQLite, one for each statement on PostgreSQL."""
    with engine.connect() as connection:
        yield ReadConnection(connection)


def lock(connection: WriteConnection, number: int) -> None:
    """Wait until no other transaction has this lock; it is freed at the end. SQLite has one writer, and needs none.

    A lock of a table would stop its autovacuum.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


@contextmanager
def writing(engine: Engine) -> Iterator[WriteConnection]:
    """Open a transaction to write in: committed at the end, rolled back on an exception."""
    with engine.begin() as connection:
        yield WriteConnection(ReadConnection(connection))


async def read_in_thread(engine: Engine, query: Callable[[ReadConnection], T]) -> T:
    """Raise SQLAlchemyError if the database fails."""
    return await asyncio.to_thread(_within, reading(engine), query)


async def write_in_thread(engine: Engine, work: Callable[[WriteConnection], T]) -> T:
    """Raise SQLAlchemyError if the database fails."""
    return await asyncio.to_thread(_within, writing(engine), work)


def _within(transaction: AbstractContextManager[C], work: Callable[[C], T]) -> T:
    with transaction as connection:
        return work(connection)


def _sqlite(url: str, *, read_only: bool, synchronous: str) -> Engine:
    made = sqlalchemy.create_engine(url, hide_parameters=True, pool_size=POOL_SIZE, pool_timeout=CONNECT_SECONDS)

    @event.listens_for(made, "connect")
    def _prepare(connection: DBAPIConnection, _: object) -> None:
        # The driver does not begin transactions; `_begin` does.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            # A killed process loses nothing in either mode; NORMAL syncs only at checkpoints of the log.
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
            *(("query_only = ON",) if read_only else ()),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    # A writer takes the lock at once: to take it later would fail without waiting. A listener for the event `begin`
    # would make SQLAlchemy look for listeners at every statement, a tenth of the work of a small write.
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
    made.dialect.do_begin = lambda connection: connection.cursor().execute(begin)  # type: ignore[method-assign,assignment]  # as said
    return made


def _postgresql(url: str, *, read_only: bool) -> Engine:
    options: dict[str, Any] = {
        "statement_timeout": STATEMENT_SECONDS * 1000,
        "lock_timeout": STATEMENT_SECONDS * 1000,
        "timezone": "UTC",
    }
    if read_only:
        options["default_transaction_read_only"] = "on"
    return sqlalchemy.create_engine(
        url,
        # Parameters hold personal data, which must not reach a log.
        hide_parameters=True,
        pool_size=POOL_SIZE,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=read_only,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
            # A server that vanished is noticed as fast as one that refuses.
            "tcp_user_timeout": CONNECT_SECONDS * 1000,
            "keepalives_idle": CONNECT_SECONDS,
            "keepalives_interval": 1,
            "keepalives_count": 2,
        },
    )


RowValues = dict[str, Any]
_POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Imported(NamedTuple):
    """Numbers of records that an import added, changed, and found unchanged."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


def row(table: Table, value: object, **more: Any) -> RowValues:  # noqa: ANN401 - of any column
    """Row of the table: `more` has the values that are not attributes of `value` of the same name."""
    return {name: more[name] if name in more else getattr(value, name) for name in _columns(table)}


def event_row(table: Table, number: str, event: BaseEvent) -> RowValues:
    return row(table, event, number=number, data=event.data.model_dump_json())


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
    if not rows or connection.dialect.name == "sqlite":
        upsert(connection, table, rows)
        return
    names, aside = _columns(table), f"copied_{table.name}"
    connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {aside} (LIKE {table.name}) ON COMMIT DELETE ROWS")
    connection.exec_driver_sql(f"DELETE FROM {aside}")  # noqa: S608 - the name of a table
    _copy(connection, table, aside, [[values[name] for name in names] for values in rows])
    copied = select(text(", ".join(names))).select_from(text(aside))
    connection.execute(_or_update(postgresql.insert(table).from_select(names, copied), table, names))


def insert_many(connection: WriteConnection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of which the table has none, as values of all columns, on PostgreSQL as `upsert_many` does."""
    if rows and connection.dialect.name == "postgresql":
        _copy(connection, table, table.name, rows)
    else:
        insert_missing(connection, table, [dict(zip(_columns(table), values, strict=True)) for values in rows])


def is_one_of(connection: Connection, column: Column[str], values: Collection[str]) -> ColumnElement[bool]:
    """On PostgreSQL the values are one parameter, however many there are."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal([*values], postgresql.ARRAY(column.type)))
    return column.in_(values)


def _copy(connection: WriteConnection, table: Table, into: str, rows: Sequence[Sequence[Any]]) -> None:
    """Copy rows of this table into the one of this name. Raises DataError, OperationalError."""
    driver = connection.dialect.loaded_dbapi
    try:
        cursor: Any
        with closing(connection.connection.cursor()) as cursor:
            columns = ", ".join(f'"{name}"' for name in _columns(table))
            with cursor.copy(f"COPY {into} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
                # Without length and order, as the driver names them.
                kinds = (column.type.compile(_POSTGRESQL) for column in table.columns)
                copy.set_types([kind.partition("(")[0].partition(" COLLATE")[0].lower() for kind in kinds])
                for values in rows:
                    copy.write_row(values)
    except driver.Error as error:
        kind = DataError if isinstance(error, driver.DataError) else OperationalError
        raise kind(f"COPY {into}", None, error) from error


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
