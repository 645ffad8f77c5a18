"""Migration of the schema of the read model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, make_url, text

from readmodel.database import engine, writing

LOCK = 7_238_877_700
"""Number of PostgreSQL's advisory lock for migrations; any that nothing else uses."""


def migrate(url: str) -> None:
    """Apply every missing migration, all or nothing; harmless if repeated or run by two processes at once.

    The folder of a SQLite file is created. Raises SQLAlchemyError if the database does not answer.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    database = engine(url)
    try:
        with _alone(database) as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        database.dispose()


def current(connection: Connection) -> bool:
    """Return True if the schema is at least as new as this code expects."""
    script = ScriptDirectory.from_config(_config())
    applied = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    # A revision that this code does not know is a newer one: migrations are additive, so that is good enough.
    return applied is not None and (applied == script.get_current_head() or applied not in known)


@contextmanager
def _alone(database: Engine) -> Iterator[Connection]:
    """Open a transaction that only one process at a time can have. On SQLite every writer's is."""
    with writing(database) as connection:
        if connection.dialect.name == "postgresql":
            # Migrating a large table takes long, and so does waiting for another process to do it.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
