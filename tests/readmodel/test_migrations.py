"""Migrations lead to the schema that the tables declare, once, whoever runs them."""

import asyncio
import errno
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from temporalio.client import Client
from typer.testing import CliRunner

from hotline.cli.main import app
from hotline.installation import require_own
from hotline.settings import Settings
from readmodel.base.database import engine
from readmodel.migrate import TablesDifferError, current, metadata, migrate, require_tables

pytestmark = pytest.mark.usefixtures("migrations")


def test_the_migrated_schema_is_the_declared_one(empty_database_url: str) -> None:
    migrate(empty_database_url)
    database = engine(empty_database_url)
    with database.connect() as connection:
        missing = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        assert missing == []
        constraints = [inspect(connection).get_pk_constraint(table)["name"] for table in metadata.tables]
        assert constraints == [table.primary_key.name for table in metadata.tables.values()]
    database.dispose()


CHANGES = {
    "ALTER TABLE clocks DROP COLUMN budget_seconds": "lacks: column clocks.budget_seconds",
    "DROP TABLE installation": "lacks: table installation",
    "CREATE UNIQUE INDEX one_each ON cases (priority)": "has too much: index one_each of cases",
    "DROP TABLE installation;"
    "CREATE TABLE installation (place INTEGER NOT NULL PRIMARY KEY, id VARCHAR(40) NOT NULL, later TEXT NOT NULL)": (
        "has too much: column installation.later"
    ),
    "DROP INDEX ix_cases_priority": "lacks: index ix_cases_priority of cases",
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_tables_than_those_declared_are_named(empty_database_url: str, change: str) -> None:
    migrate(empty_database_url)
    require_tables(empty_database_url)
    database = engine(empty_database_url)
    with database.begin() as connection:
        for statement in change.split(";"):
            connection.execute(text(statement))
    migrate(empty_database_url)
    with pytest.raises(TablesDifferError) as told:
        require_tables(empty_database_url)
    assert f"another version of this software: {CHANGES[change]}. Before" in str(told.value)
    assert "hotline rebuild readmodel" in str(told.value)
    # A newer release may have added to them.
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    require_tables(empty_database_url)
    database.dispose()


ADDITIONS = (
    "CREATE TABLE bi_notes (number TEXT PRIMARY KEY, note TEXT UNIQUE)",
    "CREATE INDEX bi_cases ON cases (priority, state)",
    "ALTER TABLE cases ADD COLUMN bi_note TEXT",
    "ALTER TABLE cases ADD COLUMN bi_weight INTEGER NOT NULL DEFAULT 1",
    "CREATE VIEW bi_open AS SELECT number FROM cases",
)


def test_what_others_add_and_no_writer_minds_is_no_difference(empty_database_url: str) -> None:
    """Tables for reports for example, in the database of the service."""
    migrate(empty_database_url)
    database = engine(empty_database_url)
    with database.begin() as connection:
        for addition in (*ADDITIONS, "CREATE INDEX bi_notes_note ON bi_notes (note)"):
            connection.execute(text(addition))
        if connection.dialect.name == "postgresql":
            connection.execute(text("COMMENT ON TABLE cases IS 'for reports'"))
            connection.execute(text("COMMENT ON COLUMN installation.place IS 'of no interest'"))
    migrate(empty_database_url)
    require_tables(empty_database_url)
    database.dispose()


def test_the_command_and_the_start_of_programs_refuse_other_tables(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTLINE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(Path(sqlite_url.removeprefix("sqlite:///")).parent))
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("ALTER TABLE cases DROP COLUMN description")
    for command in ("migrate",), ("customers", "show", "1"):
        assert isinstance(CliRunner().invoke(app, command).exception, TablesDifferError)
    away = Client.connect("127.0.0.1:1", lazy=True)
    with pytest.raises(TablesDifferError, match=r"column cases\.description"):
        asyncio.run(require_own(asyncio.run(away), Settings(), "worker"))


def test_tables_that_are_not_there_yet_are_no_difference(empty_database_url: str) -> None:
    require_tables(empty_database_url)
    database = engine(empty_database_url)
    with database.connect() as connection:
        assert inspect(connection).get_table_names() == []
    database.dispose()


def test_partial_indexes_are_those_declared(empty_database_url: str) -> None:
    """Alembic does not compare their conditions."""
    migrate(empty_database_url)
    database = engine(empty_database_url)
    kind = database.dialect.name
    with database.connect() as connection:
        found = {
            index["name"]: str(index["dialect_options"][f"{kind}_where"]).strip("()")
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
            if f"{kind}_where" in index.get("dialect_options", {})
        }
    declared = {
        index.name: str(index.dialect_options[kind]["where"]).strip("()")
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options[kind]["where"] is not None
    }
    assert found == declared
    database.dispose()


def test_migrating_again_or_all_at_once_does_no_harm(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [empty_database_url] * 4))
    migrate(empty_database_url)
    database = engine(empty_database_url)
    with database.connect() as connection:
        assert current(connection)
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    database.dispose()


def test_current_tells_whether_the_schema_is_as_new_as_the_code(empty_database_url: str) -> None:
    """A newer schema will do, as migrations are additive: an older worker goes on while it is replaced."""
    database = engine(empty_database_url)
    with database.connect() as connection:
        assert not current(connection)
    migrate(empty_database_url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with database.connect() as connection:
        assert current(connection)
    database.dispose()


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/deep/down/hotline.db")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        migrate(f"sqlite:///{tmp_path}/file/down/hotline.db")


@pytest.mark.parametrize("call", ["os.open", "fcntl.flock"])
def test_a_folder_that_cannot_be_locked_is_migrated_all_the_same(
    sqlite_url: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system call fails as it does for a folder without read permission, or on a file system without locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(f"readmodel.migrate.{call}", refuse)
    migrate(sqlite_url)
    database = engine(sqlite_url)
    with database.connect() as connection:
        assert current(connection)
    database.dispose()
