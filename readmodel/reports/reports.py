"""Reports: the questions that each answers, and those that were made; the first of each period is kept."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Table, func, select

from domain.catalogue.catalogue import Catalogue
from domain.reports.report import Period, Report, ReportKind
from domain.reports.report import Table as ReportTable
from domain.shared.value import to_milliseconds
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing, row
from readmodel.base.schema import CODE, JsonOf, UtcDateTime, metadata
from readmodel.cases.tables import cases
from readmodel.reports.causes import costs, findings, returns
from readmodel.reports.origins import origins, quality, repeat_callers
from readmodel.reports.scope import ReportScope
from readmodel.reports.work import backlog, calls_by_hour, headlines, missed, oldest, promises

reports = Table(
    "reports",
    metadata,
    Column("kind", CODE, primary_key=True),
    Column("period", CODE, primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("document", JsonOf(Report), nullable=False, comment="domain.reports.report.Report"),
)
"""Reports that managers read. Each is made once, and stays as it was made when the rest is written again."""


def get_report(connection: ReadConnection, period: Period) -> Report | None:
    of_period = reports.c.kind == period.kind.value, reports.c.period == period.name
    return connection.scalar(select(reports.c.document).where(*of_period))


def first_case_at(connection: ReadConnection) -> datetime | None:
    return connection.scalars(select(func.min(cases.c.registered_at))).one_or_none()


def save_report(connection: WriteConnection, report: Report) -> Report:
    """Write the report unless its period has one, which another run may have made meanwhile; return the one of SQL."""
    insert_missing(connection, reports, [row(reports, report, document=report)])
    return get_report(connection, Period.parse(report.kind, report.period)) or report


def first_and_known(connection: ReadConnection, kind: ReportKind) -> tuple[datetime | None, frozenset[str]]:
    known = connection.scalars(select(reports.c.period).where(reports.c.kind == kind.value))
    return first_case_at(connection), frozenset(known)


TableQuery = Callable[[ReadConnection, ReportScope], ReportTable]
# A new table of a report is one function, and one line here.
TABLE_QUERIES: tuple[TableQuery, ...] = (
    headlines,
    origins,
    promises,
    missed,
    backlog,
    oldest,
    findings,
    returns,
    repeat_callers,
    quality,
    costs,
    calls_by_hour,
)


def make(
    connection: ReadConnection,
    period: Period,
    catalogue: Catalogue,
    made_at: datetime,
    until: datetime | None = None,
    queries: Sequence[TableQuery] = TABLE_QUERIES,
) -> Report:
    """Make the report of a period; with `until`, of what it has had until then."""
    scope = ReportScope.of(period, catalogue, until)
    return Report(
        kind=period.kind,
        company=catalogue.name,
        company_zh=catalogue.name_zh,
        period=period.name,
        until=until,
        timezone=scope.zone.key,
        made_at=to_milliseconds(made_at),
        currency=catalogue.currency,
        tables=tuple(ask(connection, scope) for ask in queries),
    )


def so_far(
    connection: ReadConnection,
    now: datetime,
    kind: ReportKind,
    catalogue: Catalogue,
    queries: Sequence[TableQuery] = TABLE_QUERIES,
) -> Report:
    """Make the report of the day or month that has not ended, as it is now."""
    period = Period.containing(kind, now.astimezone(ZoneInfo(catalogue.calendar.timezone)).date())
    # What happens in this millisecond counts, and no period is empty.
    until = to_milliseconds(now) + timedelta(milliseconds=1)
    return make(connection, period, catalogue, now, until, queries)
