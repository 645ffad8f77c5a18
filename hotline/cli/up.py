"""The command `hotline up`: the whole service on this machine."""

import asyncio

import typer

from hotline.cli.channels import check_notifications
from hotline.cli.shared import (
    ApiPort,
    CatalogueFile,
    DataDir,
    TemporalPort,
    UiPort,
    checked_catalogue,
    say,
    settings_with,
)

app = typer.Typer()


@app.command()
def up(
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    ui_port: UiPort = None,
    catalogue: CatalogueFile = None,
) -> None:
    """Run the whole service on this machine: Temporal with its UI, worker and API."""
    from hotline.local import service

    settings = settings_with(
        data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port, catalogue=catalogue
    )
    # Worker and API would end again and again on files with mistakes.
    checked_catalogue(settings.catalogue)
    check_notifications(settings)
    raise typer.Exit(asyncio.run(service.run(settings, say)))
