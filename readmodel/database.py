"""Connections to the read model: SQLite or PostgreSQL by one URL, to read or to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NewType

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

CONNECT_SECONDS = 2
"""A database that does not answer is down after this long. libpq knows no less than 2."""
BUSY_SECONDS = 5
"""How long SQLite waits for another process to finish writing."""
STATEMENT_SECONDS = 4
"""Longest run of one statement on PostgreSQL: under the time that a publication has (5 s)."""
POOL_SIZE = 5

ReadConnection = NewType("ReadConnection", Connection)
"""Within a transaction that the database itself keeps from writing."""
WriteConnection = NewType("WriteConnection", Connection)
"""Within a transaction that holds, on SQLite, the one lock to write."""


def engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine for `sqlite:///...` or `postgresql+psycopg://...`; nothing is connected yet.

    Args:
        url: where the read model lives.
        read_only: the database refuses to write on its connections. For whoever only reads.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, read_only=read_only)
    return _postgresql(url, read_only=read_only)


@contextmanager
def reading(engine: Engine) -> Iterator[ReadConnection]:
    """A transaction to read in; one snapshot on SQLite, one statement's each on PostgreSQL."""
    with engine.connect() as connection:
        yield ReadConnection(connection)


@contextmanager
def writing(engine: Engine) -> Iterator[WriteConnection]:
    """A transaction to write in: committed at the end, rolled back on an exception."""
    with engine.begin() as connection:
        yield WriteConnection(connection)


def _sqlite(url: str, *, read_only: bool) -> Engine:
    made = sqlalchemy.create_engine(url, hide_parameters=True, pool_size=POOL_SIZE, pool_timeout=CONNECT_SECONDS)

    @event.listens_for(made, "connect")
    def _prepare(connection: DBAPIConnection, _: object) -> None:
        # The driver's own idea of when a transaction begins is switched off; ours is below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            # A killed process loses nothing; a power cut may cost the last transactions, never the file.
            "synchronous = NORMAL",
            "foreign_keys = ON",
            *(("query_only = ON",) if read_only else ()),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        # A writer asks for the lock at once: to ask in the middle would fail without waiting.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

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
            # A peer that vanished without a word is noticed as fast as one that says no.
            "tcp_user_timeout": CONNECT_SECONDS * 1000,
            "keepalives_idle": CONNECT_SECONDS,
            "keepalives_interval": 1,
            "keepalives_count": 2,
        },
    )
