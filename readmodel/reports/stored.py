"""Reports as they were made: the first of each period is kept."""

from datetime import datetime

from sqlalchemy import func, select

from domain.reports.period import Period, ReportKind
from domain.reports.report import Report
from readmodel.database import ReadConnection, WriteConnection
from readmodel.statements import insert_missing
from readmodel.tables import cases, reports


def get_report(connection: ReadConnection | WriteConnection, period: Period) -> Report | None:
    """Return the report of the period; None if it was not made."""
    of_period = reports.c.kind == period.kind.value, reports.c.period == period.name
    document = connection.scalar(select(reports.c.document).where(*of_period))
    return Report.model_validate_json(document) if document else None


def first_case_at(connection: ReadConnection) -> datetime | None:
    """Return when the first case was registered; None without cases."""
    return connection.scalars(select(func.min(cases.c.registered_at))).one_or_none()


def keep_report(connection: WriteConnection, report: Report) -> None:
    """Write the report unless its period has one."""
    row = {
        "kind": report.kind.value,
        "period": report.period,
        "made_at": report.made_at,
        "document": report.model_dump_json(),
    }
    insert_missing(connection, reports, [row])


def first_and_known(connection: ReadConnection, kind: ReportKind) -> tuple[datetime | None, frozenset[str]]:
    """Return when the first case was registered, and the periods with a report of this kind."""
    known = connection.scalars(select(reports.c.period).where(reports.c.kind == kind.value))
    return first_case_at(connection), frozenset(known)
