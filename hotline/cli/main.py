"""The `hotline` command, with `hotline up`, `api` and `worker`, of the service or one process of it, and `openapi`.

Commands import workflows, worker and API when they run, so that each starts fast.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic_core import to_json
from sqlalchemy.exc import DBAPIError

from domain.reports.report import NoReportError, PeriodError
from domain.shared.errors import OperatorError
from hotline import entry
from hotline.cli import catalogue, imports, notifications, people, periods, stores
from hotline.cli.notifications import check_documents, check_notifications
from hotline.cli.shared import RETRY_LATER, RetryLaterError, checked_catalogue, say
from hotline.settings import Settings

processes = typer.Typer()
openapi = typer.Typer()

DataDir = Annotated[Path | None, typer.Option(help="Folder for databases, keys and logs.")]
ApiPort = Annotated[int | None, typer.Option(help="TCP port of the API.")]
TemporalPort = Annotated[int | None, typer.Option(help="TCP port of Temporal.")]
UiPort = Annotated[int | None, typer.Option(help="TCP port of the Temporal UI.")]


def settings_with(**options: object) -> Settings:
    """Options that are not None take precedence over the environment."""
    return Settings(**{name: value for name, value in options.items() if value is not None})


@processes.command()
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


@processes.command()
def api() -> None:
    """Run the API alone; Temporal and worker run elsewhere."""
    check_documents(Settings())
    from api.__main__ import main

    main()


@processes.command()
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


ABOUT = "A water company's complaint hotline: every case durable from the call to the follow-up."

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)
for group in (
    processes,
    stores.app,
    people.persons,
    people.keys,
    stores.keys,
    people.handovers,
    catalogue.app,
    imports.customers,
    imports.calls,
    periods.assessment,
    notifications.letters,
    periods.reports,
    openapi,
    notifications.channels,
):
    app.add_typer(group)


def main(command: typer.Typer = app) -> None:
    """Run a command. An error that the operator can correct is printed, and ends it with exit code 2 or RETRY_LATER."""
    try:
        command()
    # An OSError names the file that cannot be read or written, which the operator can correct as well.
    except (OperatorError, OSError, PeriodError, NoReportError, DBAPIError) as error:
        message = f"the database does not answer as it should: {error.orig}" if isinstance(error, DBAPIError) else error
        typer.echo(f"hotline: {message}", err=True)
        sys.exit(RETRY_LATER if isinstance(error, RetryLaterError) else 2)


def program() -> NoReturn:
    """Run the command as a process of its own; this is what `hotline` runs."""
    entry.run_main(main)


if __name__ == "__main__":
    program()
