"""Connections do what their types say."""

import socket
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from readmodel.base.database import engine, reading, writing
from readmodel.cases.tables import cases, events
from tests.support.rows import rows


def test_a_reader_cannot_write(reader: Engine) -> None:
    with reading(reader) as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(text("DELETE FROM events"))


def test_a_transaction_that_fails_leaves_nothing(database: Engine) -> None:
    def write_and_fail() -> None:
        with writing(database) as connection:
            connection.execute(text("INSERT INTO search_words SELECT 'x', registered_at, number, false FROM cases"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert rows(database, cases) == []


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 9, 7),  # noqa: DTZ001 - that is what is wrong with it
        datetime(2026, 9, 7, tzinfo=timezone(timedelta(hours=8))),
    ],
)
def test_instants_without_utc_are_refused(database: Engine, instant: datetime) -> None:
    with database.connect() as connection, pytest.raises(StatementError, match="aware datetime in UTC"):
        connection.execute(select(events.c.seq).where(events.c.at < instant))


def test_a_child_row_needs_its_case(database: Engine) -> None:
    insert = "INSERT INTO search_words VALUES ('x', '2026-09-07 00:00:00+00:00', '1', false)"
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), writing(database) as connection:
        connection.execute(text(insert))


@pytest.mark.parametrize(("unsafe", "synchronous"), [(False, 2), (True, 1)])
def test_sqlite_is_set_up_for_one_writer_and_many_readers(sqlite_url: str, *, unsafe: bool, synchronous: int) -> None:
    database = engine(sqlite_url, unsafe_at_power_loss=unsafe)
    with database.connect() as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": synchronous, "foreign_keys": 1, "busy_timeout": 5000}
    database.dispose()


@pytest.mark.usefixtures("connect_seconds")
def test_a_postgresql_that_does_not_answer_is_given_up() -> None:
    """A socket that is listened on and never answered: the worst way to be down. By default psycopg waits 130 s."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = engine(f"postgresql+psycopg://nobody@127.0.0.1:{port}/nothing")
        with pytest.raises(OperationalError, match="timeout expired"):
            database.connect()
