"""Tables of the read model, and the migration of its schema. Whoever imports this has the metadata of each table.

Most rows follow from events and can be written again. Others do not: customers, from the company's own files; results
of deliveries; marks of the reconciler; people and their keys; keys of processes; calls, call-backs; duties; reports;
handovers; the claim of the courier.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text

import readmodel.assessments.months
import readmodel.calls.tables
import readmodel.cases.tables
import readmodel.customers
import readmodel.incidents
import readmodel.notifications
import readmodel.people.people
import readmodel.people.workload
import readmodel.processes
import readmodel.reports.reports  # noqa: F401 - for the metadata
from domain.shared.errors import OperatorError
from readmodel.base.database import exists, lock, opened, reading, writing
from readmodel.base.schema import metadata as metadata  # noqa: PLC0414 - exported

MIGRATION_LOCK = 7_238_877_700
"""Number of PostgreSQL's advisory lock for migrations; any that nothing else uses."""


class TablesDifferError(OperatorError):
    """Error of a database whose tables are not those of this code; the text names the differences and the remedy."""


def migrate(url: str) -> None:
    """Apply every missing migration, all or nothing; harmless if repeated, or twice at once. Raises SQLAlchemyError."""
    parsed = make_url(url)
    with ExitStack() as stack:
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            stack.enter_context(_only_one_in(Path(parsed.database).parent))
        connection = stack.enter_context(writing(stack.enter_context(opened(url))))
        if connection.dialect.name == "postgresql":
            # Migrating a large table takes long, and so does waiting for another process to do it.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
        lock(connection, MIGRATION_LOCK)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_tables(url: str) -> None:
    """Raise TablesDifferError if tables that were migrated are not those that this code declares.

    Until release 0.1.0 the first migration follows the code, so an older database has its number and other tables. What
    a newer migration has added is no difference, nor what somebody else has and no writer minds. Raises SQLAlchemyError
    if the database does not answer.
    """
    if not exists(url):
        return
    with opened(url, read_only=True) as database, reading(database) as connection:
        found = differences(connection)
    if found:
        raise TablesDifferError(
            f"the tables of {make_url(url).render_as_string()} are of another version of this software:"
            f" {'; '.join(found)}. Before release 0.1.0 tables are not converted. Stop the service, move the file away"
            " (of PostgreSQL: name an empty database in HOTLINE_DATABASE_URL), start the service, and run `hotline"
            " rebuild readmodel`; docs/backup.md, Tables of another version."
        )


def differences(connection: Connection) -> list[str]:
    """Say how migrated tables differ from those declared; empty before the first migration."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _matters})
    if context.get_current_revision() not in _revisions():
        return []
    found = compare_metadata(context, metadata)
    # Changes of one column are a list of their own.
    flat = (each for one in found for each in (one if isinstance(one, list) else [one]))
    return sorted(_in_words(each) for each in flat if not each[0].endswith("comment"))


def _matters(found: Any, _: str | None, kind: str, reflected: bool, declared: Any) -> bool:  # noqa: ANN401 - Alembic has no type
    """Return False for what is undeclared and refuses no row: a table, a usual index, a column that may be empty."""
    if not reflected or declared is not None:
        return True
    match kind:
        case "table":
            return False
        case "index":
            return bool(found.unique)
        case "column":
            return not (found.nullable or found.server_default is not None or found.computed or found.identity)
    return True


def _in_words(difference: Any) -> str:  # noqa: ANN401 - Alembic has no type for it
    kind, *about = difference
    verb = "has too much" if kind.startswith("remove_") else "lacks"
    match kind.partition("_")[2]:
        case "table":
            return f"{verb}: table {about[0].name}"
        case "column":
            return f"{verb}: column {about[1]}.{about[2].name}"
        case "index" | "constraint" | "fk":
            return f"{verb}: {kind.partition('_')[2]} {about[0].name} of {about[0].table.name}"
    return f"has otherwise: {kind.partition('_')[2]} of {about[1]}.{about[2]}"


def current(connection: Connection) -> bool:
    applied = MigrationContext.configure(connection).get_current_revision()
    # A revision that this code does not know is a newer one: migrations are additive, so that is good enough.
    return applied is not None and applied not in _revisions()[1:]


def _revisions() -> list[str]:
    return [each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()]


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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
