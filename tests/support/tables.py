"""Tables of SQLite files for tests: made by the migrations once in each process, and by their statements later."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import readmodel.migrate

_SCHEMA = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
_VERSION = "SELECT version_num FROM alembic_version"


class KnownTables:
    """Results of migrations and comparisons of this process: what begins with the same tables ends the same.

    A command migrates and compares each time that it is run, which takes a fifth of a second.
    """

    def __init__(self) -> None:
        self.migrate = command.upgrade
        self.compare = readmodel.migrate.differences
        self._statements: list[str] = []
        self._compared: dict[tuple[Any, ...], list[str]] = {}

    def upgrade(self, config: Config, revision: str) -> None:
        """Make the tables of an empty SQLite file by the statements that the first such migration left."""
        connection: Connection = config.attributes["connection"]
        select = _select(connection)
        if connection.dialect.name != "sqlite" or select(_SCHEMA):
            self.migrate(config, revision)
        elif self._statements:
            for statement in self._statements:
                connection.exec_driver_sql(statement)
        else:
            self.migrate(config, revision)
            [version] = select(_VERSION)
            note = f"INSERT INTO alembic_version VALUES ('{version}')"  # noqa: S608 - as Alembic wrote it
            self._statements = [*select(_SCHEMA), note]

    def differences(self, connection: Connection) -> list[str]:
        """Compare the tables of a SQLite file with those declared, unless the same were compared before."""
        if connection.dialect.name != "sqlite":
            return self.compare(connection)
        select = _select(connection)
        schema = select(_SCHEMA)
        found = tuple(schema), tuple(select(_VERSION) if any("alembic_version" in sql for sql in schema) else ())
        if found not in self._compared:
            self._compared[found] = self.compare(connection)
        return self._compared[found]


def _select(connection: Connection) -> Callable[[str], list[str]]:
    return lambda statement: list(connection.exec_driver_sql(statement).scalars())


@pytest.fixture(scope="session", autouse=True)
def known_tables() -> Iterator[KnownTables]:
    """Use them in all tests but those that ask for `migrations`."""
    known = KnownTables()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", known.upgrade)
        patch.setattr(readmodel.migrate, "differences", known.differences)
        yield known


@pytest.fixture
def migrations(known_tables: KnownTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations and comparisons themselves, for tests of what they do."""
    monkeypatch.setattr(command, "upgrade", known_tables.migrate)
    monkeypatch.setattr(readmodel.migrate, "differences", known_tables.compare)
