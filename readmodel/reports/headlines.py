"""Headline numbers of a period: one row."""

from datetime import datetime

from sqlalchemy import Column, ColumnElement, func, select

from domain.case.clocks import ClockStatus
from domain.reports import report
from domain.reports.report import ColumnKind, Table
from domain.shared.rates import rate
from readmodel.base.database import ReadConnection
from readmodel.calls.report import call_report
from readmodel.calls.spans import Grouping
from readmodel.cases.tables import cases, clocks
from readmodel.reports.backlog import open_at_end
from readmodel.reports.calls import ANSWERED, CONNECTED, OFFERED, of_calls
from readmodel.reports.promises import MISSED
from readmodel.reports.scope import ReportScope


def headlines(connection: ReadConnection, scope: ReportScope) -> Table:
    """Count cases, promises and calls of the period."""

    def count(*conditions: ColumnElement[bool]) -> int:
        return connection.scalars(select(func.count()).where(*conditions)).one()

    def within(instant: Column[datetime], *conditions: ColumnElement[bool]) -> int:
        return count(scope.has(instant), *conditions)

    kept = within(clocks.c.stopped_at, clocks.c.status == ClockStatus.MET.value)
    missed = within(clocks.c.missed_at)
    figures = (
        (_count("registered", "Registered", "受理"), within(cases.c.registered_at)),
        (_count("closed", "Closed", "办结"), within(cases.c.closed_at)),
        (_count("open_at_end", "Open at the end", "期末未办结"), count(open_at_end(scope))),
        (_count("kept", "Promises kept", "按时"), kept),
        (MISSED.model_copy(update={"title": "Promises missed", "title_zh": "超时"}), missed),
        (
            report.Column(name="kept_rate", title="Kept", title_zh="按时率", kind=ColumnKind.RATE),
            rate(kept, kept + missed),
        ),
    )
    calls = call_report(connection, Grouping.DAY, scope.start, scope.end, scope.zone).total.figures
    return Table(
        name="headlines",
        title="Headline numbers",
        title_zh="概况",
        columns=(*(column for column, _ in figures), OFFERED, ANSWERED, CONNECTED),
        rows=((*(value for _, value in figures), *of_calls(calls)),),
        note="Promises count in the period in which they were kept, or fell due and were not.",
        note_zh="时限按完成或超时发生的时间计入本期。",
    )


def _count(name: str, title: str, title_zh: str) -> report.Column:
    return report.Column(name=name, title=title, title_zh=title_zh, kind=ColumnKind.COUNT)
