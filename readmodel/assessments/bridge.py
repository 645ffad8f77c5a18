"""Bridge from the promises of a month's report to those of its assessment: why the two counts differ."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, union_all

from domain.assessment.assessment import Assessment
from domain.assessment.entry import WITH_EVENT
from domain.case.clocks import APPROVE, ClockStatus
from domain.catalogue.terms import CLOCKS
from domain.reports.report import Bridge, Period, Report, ReportKind
from readmodel.assessments import months
from readmodel.assessments.computation import figure_entries
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import clocks
from readmodel.reports.reports import get_report

_entry = figure_entries.c


def bridge_of(connection: ReadConnection, month: str) -> Bridge | None:
    """None if the month has no report, or no computed assessment."""
    report = get_report(connection, Period.parse(ReportKind.MONTHLY, month))
    assessed = months.get(connection, month)
    if report is None or assessed is None or assessed.computed is None:
        return None
    counts = case((_entry.excluded.is_(None), 1))
    of_month = _entry.month == month, _entry.computation == assessed.serial, _entry.kind.in_(CLOCKS)
    totals = select(func.count(counts), func.count(_entry.excluded)).where(*of_month)
    assessment, excluded = connection.execute(totals).one()
    reported, approvals = _reported(report)
    elsewhere, added = moved(connection, assessed)
    return Bridge(
        reported=reported,
        approvals=approvals,
        elsewhere=elsewhere,
        added=added,
        excluded=excluded,
        changed=assessment - (reported - approvals - elsewhere + added - excluded),
        assessed=assessment,
    )


def _reported(report: Report) -> tuple[int, int]:
    """Promises that the report has as kept or missed, and those of them that are times of approvers."""
    table = next(each for each in report.tables if each.name == "promises")
    clock, kept, missed = map(table.column, ("clock", "kept", "missed"))
    judged = {row[clock]: int(row[kept] or 0) + int(row[missed] or 0) for row in table.rows}
    return sum(judged.values()), judged.get(APPROVE, 0)


def moved(connection: ReadConnection, month: Assessment) -> tuple[int, int]:
    """Count promises of the month that have no entry in it, and entries without a promise of the month.

    Only of those that the rule of the assessment may move: judged with an event, or missed.
    """
    judged_later = clocks.c.name.in_(WITH_EVENT), clocks.c.status == ClockStatus.MET
    is_missed = and_(~_entry.counts, _entry.kind.in_(CLOCKS))
    weighed = union_all(
        _promises(month, clocks.c.stopped_at, 1).where(*judged_later),
        _promises(month, clocks.c.missed_at, 0).where(clocks.c.name != APPROVE),
        select(_entry.number, _entry.kind, case((_entry.counts, 1), else_=0), literal(-1))
        .where(_entry.month == month.number, _entry.computation == month.serial)
        .where(or_(_entry.kind.in_(WITH_EVENT), is_missed)),
    ).subquery()
    balance = select(func.sum(weighed.c.weight).label("of_case")).group_by(*weighed.c[:3]).subquery().c.of_case
    surplus = [func.coalesce(func.sum(case((each > 0, each))), 0) for each in (balance, -balance)]
    elsewhere, added = connection.execute(select(*surplus)).one()
    return int(elsewhere), int(added)


def _promises(month: Assessment, at: ColumnElement[Any], kept: int) -> Select[Any]:
    row = clocks.c
    columns = row.number, row.name.label("kind"), literal(kept).label("kept"), literal(1).label("weight")
    return select(*columns).where(at >= month.since, at < month.until)
