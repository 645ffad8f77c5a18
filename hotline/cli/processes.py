"""The commands `hotline up`, `api` and `worker`, of the service or one process of it, and `hotline openapi`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json

from hotline.cli.notifications import check_documents, check_notifications
from hotline.cli.shared import checked_catalogue, say
from hotline.settings import Settings

app = typer.Typer()
openapi = typer.Typer()

DataDir = Annotated[Path | None, typer.Option(help="Folder for databases, keys and logs.")]
ApiPort = Annotated[int | None, typer.Option(help="TCP port of the API.")]
TemporalPort = Annotated[int | None, typer.Option(help="TCP port of Temporal.")]
UiPort = Annotated[int | None, typer.Option(help="TCP port of the Temporal UI.")]


def settings_with(**options: object) -> Settings:
    """Return the settings of the environment; options that are not None take precedence."""
    return Settings(**{name: value for name, value in options.items() if value is not None})


@app.command()
def up(
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    ui_port: UiPort = None,
    catalogue: Annotated[Path | None, typer.Option(help="TOML file of services and clocks.")] = None,
) -> None:
    """Run the whole service on this machine: Temporal with its UI, worker and API."""
    from hotline.installation import require_keys
    from hotline.local import service

    settings = settings_with(
        data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port, catalogue=catalogue
    )
    # Worker and API would end again and again on files with mistakes.
    checked_catalogue(settings.catalogue)
    check_notifications(settings)
    require_keys(settings)
    asyncio.run(service.run(settings, say))


@app.command()
def api() -> None:
    """Run the API alone; Temporal and worker run elsewhere."""
    check_documents(Settings())
    from api.__main__ import main

    main()


@app.command()
def worker() -> None:
    """Run a worker alone; Temporal and API run elsewhere. Several may run."""
    check_notifications(Settings())
    from worker import main

    main()


@openapi.command("openapi")
def print_openapi() -> None:
    """Print the OpenAPI document of the HTTP interface, for generators of clients; no service need run."""
    from api.responses import DOCUMENT, described
    from api.sign_in.tokens import Issuer

    issuer = Settings().oidc_issuer
    typer.echo(to_json(described(Issuer(issuer))) + b"\n" if issuer else DOCUMENT.read_bytes(), nl=False)
