"""Migration of the schema of the read model."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, make_url, text

from readmodel.database import engine, lock, writing

LOCK = 7_238_877_700
"""Number of PostgreSQL's advisory lock for migrations; any that nothing else uses."""


def migrate(url: str) -> None:
    """Apply every missing migration, all or nothing; harmless if repeated or run by two processes at once.

    The folder of a SQLite file is created. Raises SQLAlchemyError if the database does not answer.
    """
    parsed = make_url(url)
    with ExitStack() as stack:
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            stack.enter_context(_only_one_in(Path(parsed.database).parent))
        database = engine(url)
        stack.callback(database.dispose)
        config = _config()
        config.attributes["connection"] = stack.enter_context(_alone(database))
        command.upgrade(config, "head")


def current(connection: Connection) -> bool:
    """Return True if the schema is at least as new as this code expects."""
    script = ScriptDirectory.from_config(_config())
    applied = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    # A revision that this code does not know is a newer one: migrations are additive, so that is good enough.
    return applied is not None and (applied == script.get_current_head() or applied not in known)


@contextmanager
def _only_one_in(folder: Path) -> Iterator[None]:
    """Lock the folder, making it if need be. SQLite fails at once where two give a new file its write-ahead log.

    If the folder cannot be read or locked, only SQLite's own lock is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _alone(database: Engine) -> Iterator[Connection]:
    """Open a transaction that only one process at a time can have. On SQLite every writer's is."""
    with writing(database) as connection:
        if connection.dialect.name == "postgresql":
            # Migrating a large table takes long, and so does waiting for another process to do it.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
        lock(connection, LOCK)
        yield connection


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
