"""Activities that make reports (日报、月报) from SQL, and begin what is due at the end of a day or month (日终月终)."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.cases import plain_errors, read
from activities.poller import now
from domain.catalogue.catalogue import Catalogue
from domain.reports.report import NoReportError, Period, PeriodError, Report, ReportKind, Table, headlines, shown
from domain.shared.value import Immutable, Start
from readmodel.base.database import ReadConnection, write_in_thread
from readmodel.reports.reports import first_case_at, get_report, make, save_report

LONGEST_REPORT_DETAILS = 12_000
"""Characters of the details, which are in the history, and of which nobody reads more there."""
ROWS = 10
"""Rows of a table in the details."""


class ReportOrder(Start):
    """Report to make: `2026-08-03` of a daily one, `2026-08` of a monthly one. It starts the workflow as well."""

    kind: ReportKind
    period: str


class MadeReport(Immutable):
    """Report that was made: its path in the API, and its figures as Markdown for the Temporal UI."""

    path: str
    made_at: datetime
    details: str


@dataclass(frozen=True)
class ReportActivities:
    """Activities of reports, and of the end of a day or month, with the engines to read and to write.

    `begin_due` begins the assessments and reports that are due at an instant. It yields the id of each one's workflow,
    None for one that was begun before.
    """

    reader: Engine
    database: Engine
    catalogue: Callable[[], Catalogue]
    begin_due: Callable[[datetime], AsyncIterator[str | None]]

    @activity.defn(name="make_report")
    async def make_report(self, order: ReportOrder) -> MadeReport:
        """Make the report, or return the one that was made before. Raises ApplicationError if there can be none."""
        try:
            period = Period.parse(order.kind, order.period)
            report = await read(self.reader, lambda connection: self._made(connection, period))
        except (PeriodError, NoReportError) as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from error
        with plain_errors():
            kept = await write_in_thread(self.database, partial(save_report, report=report))
        return MadeReport(path=kept.path, made_at=kept.made_at, details=details(kept))

    def _made(self, connection: ReadConnection, period: Period) -> Report:
        if known := get_report(connection, period):
            return known
        at, catalogue = datetime.now(UTC), self.catalogue()
        period.check(at, ZoneInfo(catalogue.calendar.timezone), first_case_at(connection))
        return make(connection, period, catalogue, at)

    @activity.defn(name="begin_due_periods")
    async def begin_due_periods(self) -> list[str]:
        """Ids of the workflows that were begun. Run again, it begins none twice."""
        begun = []
        async for workflow_id in self.begin_due(now()):
            begun += [workflow_id] if workflow_id else []
            activity.heartbeat()
        return begun


def details(report: Report) -> str:
    """Headline numbers and first rows of each table in both languages, and the path of the rest."""
    head = f"**{report.kind.zh} {report.kind.value.capitalize()} report {report.period}**, `{report.path}`"
    blocks = [head, *("\n".join(_table(table, report)) for table in report.tables)]
    while len(text := "\n\n".join(blocks)) > LONGEST_REPORT_DETAILS:
        blocks = [*blocks[:-2], "…"] if blocks[-1] == "…" else [*blocks[:-1], "…"]
    return text


def _table(table: Table, report: Report) -> Iterator[str]:
    yield f"#### {table.title_zh} {table.title}"
    yield ""
    if not table.rows:
        yield "无 none"
        return
    readable = table.readable()
    if table.is_headline:
        for each in headlines(readable, report):
            before = f"（上期 before {each.before}）" if each.before else ""
            yield f"- {each.column.title_zh} {each.column.title}: **{each.value}**{before}"
        return
    titles = [f"{column.title_zh} {column.title}" for column in readable.columns]
    rows = [shown(row, readable.columns, report) for row in readable.rows[:ROWS]]
    yield _line(titles)
    yield _line("---" for _ in titles)
    yield from map(_line, rows)
    if (more := len(table.rows) - ROWS) > 0:
        yield ""
        yield f"另有 {more} 行 {more} more rows"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
