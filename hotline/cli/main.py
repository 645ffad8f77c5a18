"""The `hotline` command. Commands import workflows, worker and API when they run, so that each starts fast."""

import sys
from typing import NoReturn

import typer
from sqlalchemy.exc import DBAPIError

from domain.reports.report import NoReportError, PeriodError
from domain.shared.errors import OperatorError
from hotline import entry
from hotline.cli import catalogue, imports, notifications, people, periods, processes, stores
from hotline.cli.shared import RETRY_LATER, RetryLaterError

ABOUT = "A water company's complaint hotline: every case durable from the call to the follow-up."

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)
for group in (
    processes.app,
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
    processes.openapi,
    notifications.channels,
):
    app.add_typer(group)


def main(command: typer.Typer = app) -> None:
    """Run a command. An error that the operator can correct is printed, and ends it with exit code 2 or RETRY_LATER."""
    try:
        command()
    # An OSError names the file that cannot be read or written, which the operator can correct as well.
    except (OperatorError, OSError, PeriodError, NoReportError, DBAPIError) as error:
        said = f"the database does not answer as it should: {error.orig}" if isinstance(error, DBAPIError) else error
        typer.echo(f"hotline: {said}", err=True)
        sys.exit(RETRY_LATER if isinstance(error, RetryLaterError) else 2)


def program() -> NoReturn:
    """Run the command as a process of its own; this is what `hotline` runs."""
    entry.run_main(main)


if __name__ == "__main__":
    program()
