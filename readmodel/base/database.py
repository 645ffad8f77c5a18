"""Connections to the read model, on SQLite or PostgreSQL, to read or to write."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NewType, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection

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
    """Return an engine for `sqlite:///...` or `postgresql+psycopg://...`; nothing is connected yet.

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
    """Return the answer of a query, which runs in a thread. Raises SQLAlchemyError."""
    return await asyncio.to_thread(_within, reading(engine), query)


async def write_in_thread(engine: Engine, work: Callable[[WriteConnection], T]) -> T:
    """Return the result of a transaction that may write, which runs in a thread. Raises SQLAlchemyError."""
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
    made.dialect.do_begin = lambda connection: connection.cursor().execute(begin)  # type: ignore[method-assign,assignment]
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
