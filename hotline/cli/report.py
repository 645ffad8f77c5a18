"""The command `hotline report`: a report of a day or a month (日报、月报), as it was made, or made now."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from domain.reports.period import NoReportError, Period, PeriodError, ReportKind
from domain.reports.report import Report, Table, shown
from domain.shared.errors import OperatorError
from hotline.cli.shared import catalogue_in_force, open_database, show_table
from hotline.settings import Settings
from readmodel.base.database import reading
from readmodel.reports.reports import first_case_at, get_report

app = typer.Typer()


@app.command("report")
def report(
    kind: Annotated[ReportKind, typer.Argument(help="Length of the period.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="PERIOD", help="As 2026-08-03 or 2026-08; left out, the last that has ended."),
    ] = None,
    make: Annotated[
        bool, typer.Option("--make", help="Make the report if it is not made yet; the worker does it.")
    ] = False,
) -> None:
    """Print a report; it stays as it was made first."""
    now, zone = datetime.now(UTC), ZoneInfo(catalogue_in_force().calendar.timezone)
    try:
        period = Period.parse(kind, name) if name else Period.ended_before(kind, now, zone)
        with open_database() as database:
            with reading(database) as connection:
                found = get_report(connection, period)
                if found is None:
                    period.check(now, zone, first_case_at(connection))
            if found is None and make:
                _make(period)
                with reading(database) as connection:
                    found = get_report(connection, period)
    except (PeriodError, NoReportError) as error:
        raise OperatorError(str(error)) from error
    if found is None:
        raise OperatorError(f"the report of {period.name} is not made yet; add --make to make it")
    _show(found)


def _make(period: Period) -> None:
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    try:
        asyncio.run(_made(period))
    except (RPCError, RuntimeError, WorkflowFailureError) as error:
        what = f"the report of {period.name} is not made, or still under way; see the Temporal UI"
        raise OperatorError(f"{what}: {_first_cause(error)}") from error


def _first_cause(error: BaseException) -> BaseException:
    return _first_cause(error.__cause__) if error.__cause__ else error


async def _made(period: Period) -> str:
    from hotline.installation import connect_to_own
    from workflows.clients.periods import report_handle, start_report

    settings = Settings()
    client = await connect_to_own(settings)
    await start_report(client, settings.task_queue, period.kind, period.name)
    return await report_handle(client, period.kind, period.name).result()


def _show(report: Report) -> None:
    typer.echo(f"{report.kind.zh} {report.kind.value.capitalize()} report {report.period}, {report.timezone}")
    for table in report.tables:
        typer.echo(f"\n{table.title_zh} {table.title}")
        _show_rows(table.readable(), report)


def _show_rows(table: Table, report: Report) -> None:
    titles = [f"{column.title_zh} {column.title}" for column in table.columns]
    rows = [shown(row, table.columns, report) for row in table.rows]
    if table.is_headline:
        show_table((), zip(titles, rows[0], strict=True))
    elif rows:
        show_table(titles, rows)
    else:
        typer.echo("无 none")
