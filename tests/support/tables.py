"""Tables for tests: of SQLite files made by the migrations once in each process, and by their statements later.

Tables of PostgreSQL are copied with their database; later ones are neither compared again nor looked through for what
to migrate.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import readmodel.migrate

_SCHEMA = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
_VERSION = "SELECT version_num FROM alembic_version"
_HAS_VERSION = "SELECT oid FROM pg_class WHERE oid = to_regclass('alembic_version')"
_CATALOG = """
    SELECT format('%%s %%s %%s', attrelid::regclass, attname, format_type(atttypid, atttypmod))
        || format(' %%s %%s %%s', attnotnull, attgenerated, attidentity)
        || coalesce(pg_get_expr(adbin, adrelid), '')
    FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i' AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON indrelid = oid
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    ORDER BY 1
"""


class KnownTables:
    """Results of migrations and comparisons of this process: what begins with the same tables ends the same.

    A command migrates and compares each time that it is run, which takes a fifth of a second.
    """

    def __init__(self) -> None:
        self.migrate = command.upgrade
        self.compare = readmodel.migrate.differences
        self._statements: list[str] = []
        self._versions: list[str] = []
        self._compared: dict[tuple[Any, ...], list[str]] = {}

    def upgrade(self, config: Config, revision: str) -> None:
        """Make the tables of an empty SQLite file by the statements that the first such migration left.

        A database of PostgreSQL with the version that a migration of this process left is up to date.
        """
        connection: Connection = config.attributes["connection"]
        select = _select(connection)
        if connection.dialect.name != "sqlite":
            if not self._versions or not select(_HAS_VERSION) or select(_VERSION) != self._versions:
                self.migrate(config, revision)
                self._versions = select(_VERSION)
        elif select(_SCHEMA):
            self.migrate(config, revision)
        elif self._statements:
            for statement in self._statements:
                connection.exec_driver_sql(statement)
        else:
            self.migrate(config, revision)
            [version] = select(_VERSION)
            note = f"INSERT INTO alembic_version VALUES ('{version}')"
            self._statements = [*select(_SCHEMA), note]

    def differences(self, connection: Connection) -> list[str]:
        """Compare the tables with those declared, unless the same were compared before."""
        select = _select(connection)
        dialect = connection.dialect.name
        schema = select(_SCHEMA if dialect == "sqlite" else _CATALOG)
        version = select(_VERSION) if any("alembic_version" in each for each in schema) else []
        found = dialect, tuple(schema), tuple(version)
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
