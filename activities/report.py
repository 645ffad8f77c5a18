"""Activity that makes a report (日报、月报) from SQL, once."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.projection import plain_errors, read
from activities.report_details import details
from domain.catalogue.catalogue import Catalogue
from domain.reports.period import NoReportError, Period, PeriodError, ReportKind
from domain.reports.report import Report
from domain.shared.value import Immutable
from readmodel.database import ReadConnection, writing
from readmodel.reports.questions import make
from readmodel.reports.stored import first_case_at, get_report, keep_report


class ReportOrder(Immutable):
    """Report to make: `2026-08-03` of a daily one, `2026-08` of a monthly one."""

    kind: ReportKind
    period: str


class MadeReport(Immutable):
    """Report that was made: its path in the API, and its figures as Markdown for the Temporal UI."""

    path: str
    made_at: datetime
    details: str


class Reports:
    """The activity of a report.

    Args:
        reader: engine of the read model, to read.
        database: the same, to write.
        catalogue: returns the catalogue in force.
    """

    def __init__(self, reader: Engine, database: Engine, catalogue: Callable[[], Catalogue]) -> None:
        self._reader = reader
        self._database = database
        self._catalogue = catalogue

    @activity.defn(name="make_report")
    async def make_report(self, order: ReportOrder) -> MadeReport:
        """Make the report and keep it; one that was made before stays as it is.

        Raises ApplicationError that is not tried again if there can be no report of the period.
        """
        try:
            period = Period.parse(order.kind, order.period)
            report = await read(self._reader, lambda connection: self._made(connection, period))
        except (PeriodError, NoReportError) as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from error
        with plain_errors():
            kept = await asyncio.to_thread(self._keep, period, report)
        return MadeReport(path=kept.path, made_at=kept.made_at, details=details(kept))

    def _made(self, connection: ReadConnection, period: Period) -> Report:
        if known := get_report(connection, period):
            return known
        now, catalogue = datetime.now(UTC), self._catalogue()
        period.check(now, ZoneInfo(catalogue.calendar.timezone), first_case_at(connection))
        return make(connection, period, catalogue, now)

    def _keep(self, period: Period, report: Report) -> Report:
        """Write the report; return the one that SQL has, which another run may have made meanwhile."""
        with writing(self._database) as connection:
            keep_report(connection, report)
            return get_report(connection, period) or report
