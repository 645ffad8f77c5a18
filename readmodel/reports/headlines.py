"""Headline numbers of a period, in one row; and calls by hour of the day, against the agents on duty."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select

from domain.calls.call import CallFigures, CallOutcome
from domain.case.clocks import ClockStatus
from domain.reports.report import Cell, Chart, ChartKind, Column, ColumnKind, Table
from domain.shared.value import half_up, rate
from readmodel.base.database import ReadConnection
from readmodel.calls.report import Grouping, call_report
from readmodel.cases.tables import cases, clocks
from readmodel.reports.scope import ReportScope
from readmodel.reports.work import MISSED, open_at_end

OFFERED = Column(name="offered", title="Calls offered", title_zh="呼入量", kind=ColumnKind.COUNT)
ANSWERED = Column(name="answered", title="Calls answered", title_zh="接听量", kind=ColumnKind.COUNT)
CONNECTED = Column(name="connected_rate", title="Connected", title_zh="接通率", kind=ColumnKind.RATE)
_HOURS = 24


def headlines(connection: ReadConnection, scope: ReportScope) -> Table:
    def count(*conditions: ColumnElement[bool]) -> int:
        return connection.scalars(select(func.count()).where(*conditions)).one()

    def within(instant: ColumnElement[datetime], *conditions: ColumnElement[bool]) -> int:
        return count(scope.has(instant), *conditions)

    kept = within(clocks.c.stopped_at, clocks.c.status == ClockStatus.MET.value)
    missed = within(clocks.c.missed_at)
    figures = (
        (_count("registered", "Registered", "受理"), within(cases.c.registered_at)),
        (_count("closed", "Closed", "办结"), within(cases.c.closed_at)),
        (_count("open_at_end", "Open at the end", "期末未办结"), count(open_at_end(scope))),
        (_count("kept", "Promises kept", "按时"), kept),
        (MISSED.model_copy(update={"title": "Promises missed", "title_zh": "超时"}), missed),
        (Column(name="kept_rate", title="Kept", title_zh="按时率", kind=ColumnKind.RATE), rate(kept, kept + missed)),
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


def _count(name: str, title: str, title_zh: str) -> Column:
    return Column(name=name, title=title, title_zh=title_zh, kind=ColumnKind.COUNT)


def calls_by_hour(connection: ReadConnection, scope: ReportScope) -> Table:
    """Sum up the calls of each hour of the day, and average the agents on duty in it over the days with a roster."""
    figures = [CallFigures() for _ in range(_HOURS)]
    duty, rostered = [timedelta()] * _HOURS, [0] * _HOURS
    for item in call_report(connection, Grouping.HOUR, scope.start, scope.end, scope.zone).items:
        hour = datetime.fromisoformat(item.key or "").hour
        figures[hour].include([item.figures])
        if item.duty:
            duty[hour] += item.duty.time
            rostered[hour] += 1

    def row(hour: int) -> tuple[Cell, ...]:
        agents = float(half_up(duty[hour] // timedelta(seconds=1), rostered[hour] * 3600)) if rostered[hour] else None
        return (f"{hour:02}:00", *of_calls(figures[hour]), agents)

    return Table(
        name="calls",
        title="Calls by hour, and agents on duty",
        title_zh="分时段来电与在岗人数",
        columns=(
            Column(name="hour", title="Hour", title_zh="时段"),
            OFFERED,
            ANSWERED,
            CONNECTED,
            Column(name="agents", title="Agents on duty", title_zh="在岗人数", kind=ColumnKind.NUMBER),
        ),
        rows=tuple(map(row, range(_HOURS))),
        chart=Chart(kind=ChartKind.LINE, label="hour", values=("offered", "answered", "agents"), secondary="agents"),
        note="Agents are those of the roster, on average over its days; calls of a month are added up.",
        note_zh="在岗人数取排班表各日平均；月报来电为全月合计。",
    )


def of_calls(figures: CallFigures) -> tuple[Cell, ...]:
    return figures.offered, figures.calls[CallOutcome.ANSWERED], figures.connected_rate
