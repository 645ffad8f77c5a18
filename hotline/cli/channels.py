"""The commands `hotline channels`, and the checks of channels and templates before a process starts."""

from pathlib import Path
from typing import Annotated

import typer

from domain.shared.errors import FileError
from hotline.cli.shared import catalogue_in_force
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.settings import Settings

app = typer.Typer(name="channels", no_args_is_help=True, help="Channels: how notifications are sent.")


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="The TOML file.")]) -> None:
    """Check a file of channels with its environment variables, and the templates.

    Its routes name departments of the catalogue in force.
    """
    from hotline.files.channels import load_channels

    summary = check_notifications(Settings(channels=file))
    known = [department.code for department in catalogue_in_force().departments]
    problems = [
        f"{file}: the route to {to} names no department of the catalogue; accepted: {', '.join(known)}"
        for to in load_channels(file).departments_named
        if to.partition(":")[2] not in known
    ]
    if problems:
        raise FileError(problems)
    typer.echo(f"{file}: {summary}")


def check_notifications(settings: Settings) -> str:
    """Return a summary of the channels and templates. Raises FileError if they cannot be used."""
    from worker import courier_config

    check_documents(settings)
    in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    file = courier_config(settings, in_force).channels
    if settings.channels is None:
        return "the log channel alone"
    return f"{len(file.channels)} channels, {len(file.routes)} routes; all templates can be used"


def check_documents(settings: Settings) -> None:
    """Raise FileError if the templates of documents cannot be used."""
    from api.documents.documents import Documents

    Documents(settings.templates)
