"""Parts that several commands use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hotline.errors import OperatorError
from hotline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from domain.catalogue.catalogue import Catalogue

DataDir = Annotated[Path | None, typer.Option(help="Folder for databases, keys and logs.")]
ApiPort = Annotated[int | None, typer.Option(help="TCP port of the API.")]
TemporalPort = Annotated[int | None, typer.Option(help="TCP port of Temporal.")]
UiPort = Annotated[int | None, typer.Option(help="TCP port of the Temporal UI.")]
CatalogueFile = Annotated[Path | None, typer.Option(help="TOML file of services and clocks.")]


def settings_with(**options: object) -> Settings:
    """Return the settings of the environment; options that are not None take precedence."""
    return Settings(**{name: value for name, value in options.items() if value is not None})


def checked_catalogue(file: Path) -> "Catalogue":
    """Load a catalogue and print warnings about its calendar. Raises FileError."""
    from hotline.files.catalogue import calendar_warnings, load_catalogue

    found = load_catalogue(file)
    for warning in calendar_warnings(found, datetime.now(UTC).date()):
        typer.echo(f"hotline: WARNING: {warning}", err=True)
    return found


def catalogue_in_force() -> "Catalogue":
    """Return the catalogue in force, by the settings of the environment. Raises FileError."""
    from hotline.files.catalogue_store import CatalogueStore, in_force_now

    settings = Settings()
    return in_force_now(CatalogueStore(settings.catalogues_dir), settings.catalogue)


@contextmanager
def open_database() -> Iterator["Engine"]:
    """Open the database of the settings, its tables up to date. Raises OperatorError if it fails, also later."""
    from sqlalchemy.exc import DBAPIError

    from readmodel.database import engine
    from readmodel.migrate import migrate

    url = Settings().database_url
    try:
        migrate(url)
        database = engine(url)
        try:
            yield database
        finally:
            database.dispose()
    except DBAPIError as error:
        raise OperatorError(f"the database does not answer as it should: {error.orig}") from error


def say(text: str) -> None:
    """Print a line about the service; a terminal that is gone does not matter, since the logs are in files."""
    try:
        sys.stdout.write(f"hotline: {text}\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
