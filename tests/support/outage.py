"""Databases that go away and come back, really: a lock nobody gives up, a server that throws everybody out."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from weakref import WeakSet

import psycopg
from sqlalchemy import Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from readmodel.base.database import BUSY_SECONDS

PATIENCE = 60.0
_LOCKED: WeakSet[Engine] = WeakSet()


@contextmanager
def down(database: Engine) -> Iterator[None]:
    """Nobody can write within the block."""
    if database.dialect.name == "sqlite":
        with _locked(database):
            yield
    else:
        with _closed(database):
            yield


def impatient(database: Engine) -> Engine:
    """The engine, which does not wait for SQLite's lock while it is down, as ours should; a test need not.

    It is said to each connection that is taken, for as long as the engine lives: threads may be taking some when the
    database goes or comes back.
    """

    def say(connection: DBAPIConnection, *_: object) -> None:
        wait = 0 if database in _LOCKED else BUSY_SECONDS
        connection.cursor().execute(f"PRAGMA busy_timeout = {wait * 1000}")

    if database.dialect.name == "sqlite":
        event.listen(database, "checkout", say)
    return database


@contextmanager
def unanswering(database: Engine) -> Iterator[None]:
    """Nobody can read or write within the block: PostgreSQL takes no connection, SQLite lacks a table."""
    if database.dialect.name == "postgresql":
        with _closed(database):
            yield
        return
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("ALTER TABLE cases RENAME TO cases_away")
        try:
            yield
        finally:
            other.execute("ALTER TABLE cases_away RENAME TO cases")


@contextmanager
def _locked(database: Engine) -> Iterator[None]:
    _LOCKED.add(database)
    try:
        with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
    finally:
        _LOCKED.discard(database)


@contextmanager
def _closed(database: Engine) -> Iterator[None]:
    name = database.url.database
    with psycopg.connect(_server(database), autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        throw_out(database)
        try:
            yield
        finally:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def throw_out(database: Engine) -> None:
    """End every connection to the PostgreSQL database."""
    with psycopg.connect(_server(database), autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [database.url.database]
        )


def _server(database: Engine) -> str:
    url = make_url(database.url).set(drivername="postgresql", database="postgres")
    return url.render_as_string(hide_password=False)


async def complained() -> None:
    """The courier says that it waits for SQL. Raises TimeoutError."""
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Ear(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            loop.call_soon_threadsafe(heard.set)

    ear = Ear()
    logging.getLogger("activities.notifications.courier").addHandler(ear)
    try:
        await asyncio.wait_for(heard.wait(), PATIENCE)
    finally:
        logging.getLogger("activities.notifications.courier").removeHandler(ear)
