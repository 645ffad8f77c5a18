"""Options and helpers that several commands use."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from domain.catalogue.catalogue import Catalogue
from domain.shared.errors import OperatorError
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore, in_force_now
from hotline.files.formats import read_json
from hotline.settings import Settings
from readmodel.base.database import ReadConnection, WriteConnection, opened, reading, writing
from readmodel.people.people import Directory, has_people, restore

Encoding = Annotated[Literal["utf-8", "gb18030"], typer.Option(help="Encoding of the file; gb18030 includes GBK.")]


def checked_catalogue(file: Path) -> Catalogue:
    """Print warnings about its calendar and its unknown amounts. Raises FileError."""
    found = load_catalogue(file)
    if end := found.calendar_end(datetime.now(UTC).date()):
        expected = found.calendar.expected_until is not None
        typer.echo(f"hotline: {end.detail}" if expected else f"hotline: WARNING: {end.detail} {end.remedy}", err=True)
    for gap in found.gaps():
        typer.echo(f"hotline: WARNING: {file}: {gap}", err=True)
    return found


def catalogue_in_force() -> Catalogue:
    """By the settings of the environment. Raises FileError."""
    settings = Settings()
    return in_force_now(CatalogueStore(settings.catalogues_dir), settings.catalogue)


@contextmanager
def open_database(settings: Settings | None = None, *, read_only: bool = False) -> Iterator[Engine]:
    """Open the database of the settings, its tables up to date. Raises DBAPIError and ForeignStoreError."""
    from hotline.installation import refuse_foreign

    settings = settings or Settings()
    refuse_foreign(settings)
    with tables_up_to_date(settings, read_only=read_only) as database:
        yield database


@contextmanager
def tables_up_to_date(settings: Settings, *, read_only: bool = False) -> Iterator[Engine]:
    """Open the database with its tables up to date; the caller has compared it with Temporal.

    Raises DBAPIError, and TablesDifferError if the tables are those of another version.
    """
    from readmodel.migrate import migrate, require_tables

    migrate(settings.database_url)
    require_tables(settings.database_url)
    with opened(settings.database_url) as database:
        _restore_people(database, settings.people_file)
    with opened(settings.database_url, read_only=read_only) as database:
        yield database


def _restore_people(database: Engine, kept: Path) -> None:
    """Write people and keys again from the API's own copy if SQL has lost them all. Raises FileError."""
    with reading(database) as connection:
        if has_people(connection) or not kept.exists():
            return
    found = read_json(kept, Directory, "move it away")
    with writing(database) as connection:
        restored = restore(connection, found)
    if restored:
        typer.echo(f"{restored} people and their keys were lost, and are written again from {kept}", err=True)


@contextmanager
def reading_sql() -> Iterator[ReadConnection]:
    """Open a transaction to read in, of the database of the environment. Raises as `open_database`."""
    with open_database() as database, reading(database) as connection:
        yield connection


@contextmanager
def writing_sql() -> Iterator[WriteConnection]:
    """Open a transaction to write in, of the database of the environment. Raises as `open_database`."""
    with open_database() as database, writing(database) as connection:
        yield connection


RETRY_LATER = 1
"""Exit code if the same command can succeed later; 2 is for errors that the operator must correct."""


class RetryLaterError(OperatorError):
    """Error after which the same command can succeed later."""


@contextmanager
def reaching_both(failed: str, raised: type[OperatorError] = OperatorError) -> Iterator[None]:
    """Raise an error of `failed`, who fails and the first cause if Temporal, a workflow in it, or the database fails.

    A RuntimeError says itself who fails.
    """
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    try:
        yield
    except (typer.Abort, typer.Exit):  # both are RuntimeErrors
        raise
    except (RuntimeError, RPCError, WorkflowFailureError, SQLAlchemyError) as error:
        cause: BaseException = error
        # A RuntimeError of ours names the address of Temporal, which its cause does not.
        while cause.__cause__ and not isinstance(cause, RuntimeError):
            cause = cause.__cause__
        who = ""
        if isinstance(error, SQLAlchemyError):
            who = "the database does not answer as it should: "
        elif isinstance(error, RPCError):
            who = "Temporal does not answer as it should: "
        elif isinstance(error, WorkflowFailureError):
            who = "the workflow was stopped: "
        raise raised(f"{failed}: {who}{cause}") from error


def show_table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table to standard output; without a header if no columns are named."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, show_header=bool(columns))
    for row in rows:
        table.add_row(*row)
    Console(markup=False, emoji=False).print(table)  # cells are text, also "[/x]"


@contextmanager
def shown_progress(of_what: str) -> Iterator[Callable[..., None]]:
    """Show the progress of work; what is yielded takes how much is done and, if that is known, of how much."""
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task(of_what, total=None)
        yield lambda done, total=None: progress.update(task, completed=done, total=total)


def minute(at: datetime | None) -> str:
    """In UTC; empty for None."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else ""


def say(text: str) -> None:
    """Print a line about the service; a terminal that is gone does not matter, since the logs are in files."""
    try:
        sys.stdout.write(f"hotline: {text}\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
