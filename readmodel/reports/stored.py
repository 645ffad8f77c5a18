"""Reports as they were made: the first of each period is kept."""

from datetime import datetime

from sqlalchemy import (
    Column,
    Table,
    func,
    select,
)

from domain.reports.period import Period, ReportKind
from domain.reports.report import Report
from readmodel.base.database import ReadConnection, WriteConnection
from readmodel.base.schema import CODE, JsonText, UtcDateTime, metadata
from readmodel.base.statements import insert_missing, row
from readmodel.cases.tables import cases

reports = Table(
    "reports",
    metadata,
    Column("kind", CODE, primary_key=True),
    Column("period", CODE, primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("document", JsonText, nullable=False, comment="domain.reports.report.Report"),
)
"""Reports that managers read. Each is made once, and stays as it was made when the rest is written again."""


def get_report(connection: ReadConnection, period: Period) -> Report | None:
    of_period = reports.c.kind == period.kind.value, reports.c.period == period.name
    document = connection.scalar(select(reports.c.document).where(*of_period))
    return Report.model_validate_json(document) if document else None


def first_case_at(connection: ReadConnection) -> datetime | None:
    return connection.scalars(select(func.min(cases.c.registered_at))).one_or_none()


def keep_report(connection: WriteConnection, report: Report) -> Report:
    """Write the report unless its period has one, which another run may have made meanwhile; return the one of SQL."""
    insert_missing(connection, reports, [row(reports, report, document=report.model_dump_json())])
    return get_report(connection, Period.parse(report.kind, report.period)) or report


def first_and_known(connection: ReadConnection, kind: ReportKind) -> tuple[datetime | None, frozenset[str]]:
    known = connection.scalars(select(reports.c.period).where(reports.c.kind == kind.value))
    return first_case_at(connection), frozenset(known)
