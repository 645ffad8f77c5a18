"""The command `hotline report`: a report of a day or a month (日报、月报), as it was made, or made now."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from domain.reports.period import Period, ReportKind
from domain.reports.report import Report, Table, shown
from domain.shared.errors import OperatorError
from hotline.cli.shared import catalogue_in_force, reaching_both, reading_sql, show_table
from hotline.settings import Settings
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
    period = Period.parse(kind, name) if name else Period.ended_before(kind, now, zone)
    with reading_sql() as connection:
        found = get_report(connection, period)
        if found is None:
            period.check(now, zone, first_case_at(connection))
    if found is None and make:
        with reaching_both(f"the report of {period.name} is not made, or still under way; see the Temporal UI"):
            asyncio.run(_made(period))
        with reading_sql() as connection:
            found = get_report(connection, period)
    if found is None:
        raise OperatorError(f"the report of {period.name} is not made yet; add --make to make it")
    _show(found)


async def _made(period: Period) -> str:
    from hotline.installation import connect_to_own
    from workflows.clients.periods import report_handle, start_report

    settings = Settings()
    client = await connect_to_own(settings)
    await start_report(client, settings.task_queue, period.kind, period.name)
    return await report_handle(client, period.kind, period.name).result()


def _show(report: Report) -> None:
    typer.echo(f"{report.kind.zh} {report.kind.value.capitalize()} report {report.period}, {report.timezone}")
    for table in map(Table.readable, report.tables):
        typer.echo(f"\n{table.title_zh} {table.title}")
        titles = [f"{column.title_zh} {column.title}" for column in table.columns]
        rows = [shown(row, table.columns, report) for row in table.rows]
        if table.is_headline:
            show_table((), zip(titles, rows[0], strict=True))
        elif rows:
            show_table(titles, rows)
        else:
            typer.echo("无 none")
