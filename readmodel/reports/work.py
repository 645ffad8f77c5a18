"""Headline numbers, work that is behind, promises (时限) that were missed, and calls against the agents on duty."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, case, func, select, union_all

from domain.calls.call import CallFigures, CallOutcome
from domain.case.clocks import CLOCK_ZH, ClockStatus
from domain.case.lifecycle import ENDED, State
from domain.reports.report import Cell, Chart, ChartKind, Column, ColumnKind, Table
from domain.shared.value import exhaustive, half_up, rate, to_milliseconds
from readmodel.base.database import ReadConnection
from readmodel.calls.report import Grouping, call_report
from readmodel.cases.tables import cases, clocks, events, parts
from readmodel.reports.causes import given_to, gives
from readmodel.reports.scope import CASES, DEPARTMENT, SERVICE, ReportScope, in_words, most_first

AGES = (1, 3, 7, 15, 30)
"""Days at which one age ends and the next begins."""
_OLDEST_FIRST = [*enumerate(AGES, 1)][::-1]
_NAMES = tuple(f"{low}-{high}" if high else f"> {low}" for low, high in zip((0, *AGES), (*AGES, 0), strict=True))
MOST_OLDEST = 50
_OPEN_AT_END = tuple(cases.c[name] for name in ("number", "service_code", "department", "registered_at"))


def open_at_end(scope: ReportScope) -> FromClause:
    """Cases that were open at the end: by an index each of those open now, and of those that ended since."""
    open_or_not = cases.c.closed_at.is_(None), cases.c.closed_at >= scope.end
    found = union_all(*(select(*_OPEN_AT_END).where(each, cases.c.registered_at < scope.end) for each in open_or_not))
    # The offset changes nothing, but keeps SQLite from reading all cases in the order of their registration.
    return found.offset(0).subquery()


def backlog(connection: ReadConnection, scope: ReportScope) -> Table:
    found = open_at_end(scope).c
    begins = [(found.registered_at <= scope.end - timedelta(days=days), place) for place, days in _OLDEST_FIRST]
    groups = case(*begins, else_=0).label("age"), found.department
    statement = select(*groups, func.count()).group_by(*groups)
    rows = sorted(connection.execute(statement), key=lambda row: (-row[0], -row[2], row[1] or ""))
    return Table(
        name="backlog",
        title="Open cases by age",
        title_zh="未办结工单积压",
        columns=(Column(name="age_days", title="Age in days", title_zh="积压天数"), *DEPARTMENT, CASES),
        rows=tuple((_NAMES[place], *scope.department(department), number) for place, department, number in rows),
        chart=Chart(kind=ChartKind.STACKED, label="age_days", values=("cases",), series="department"),
        note="Open at the end of the period; the department is the present one.",
        note_zh="统计期末未办结的工单；部门为当前部门。",
    )


def oldest(connection: ReadConnection, scope: ReportScope) -> Table:
    found = open_at_end(scope)
    statement = select(found).order_by(found.c.registered_at, found.c.number).limit(MOST_OLDEST)
    return Table(
        name="oldest",
        title=f"The {MOST_OLDEST} oldest open cases",
        title_zh=f"积压最久的 {MOST_OLDEST} 件工单",
        columns=(
            Column(name="number", title="Case", title_zh="工单号"),
            *SERVICE,
            *DEPARTMENT,
            Column(name="registered_at", title="Registered", title_zh="受理时间", kind=ColumnKind.INSTANT),
            Column(name="days", title="Days open", title_zh="已积压天数", kind=ColumnKind.NUMBER),
            Column(name="link", title="Link", title_zh="链接", kind=ColumnKind.LINK),
        ),
        rows=tuple(
            (
                number,
                *scope.service(service),
                *scope.department(department),
                to_milliseconds(at).isoformat(),
                float(half_up((scope.end - at) // timedelta(seconds=1), 86_400, 1)),
                f"/v1/complaints/{number}",
            )
            for number, service, department, at in connection.execute(statement)
        ),
    )


ENDED_STAGE = ("ended", "已办结")
OF_PART = ("part", "协办未完成")
"""Stage of the clocks of a further department."""
STAGES: Mapping[State, tuple[str, str]] = exhaustive(
    "STAGES",
    State,
    {
        State.REGISTERED: ("dispatch", "未派单"),
        State.DISPATCHED: ("signature", "未签收"),
        State.PENDING_REDISPATCH: ("new_dispatch", "退单后未改派"),
        State.IN_PROGRESS: ("work", "处理中"),
        State.SUSPENDED: ("resumption", "挂起"),
        State.AWAITING_APPROVAL: ("approval", "待审批"),
        State.PENDING_REPLY: ("reply", "待回复"),
        State.PENDING_FOLLOW_UP: ("follow_up", "待回访"),
        State.CLOSED: ENDED_STAGE,
        State.REFUSED: ENDED_STAGE,
        State.WITHDRAWN: ENDED_STAGE,
    },
)
"""Stage of the chain at which a case waits, by its state."""

CLOCK = Column(name="clock", title="Promise", title_zh="时限").with_names()
MISSED = Column(name="missed", title="Missed", title_zh="超时数", kind=ColumnKind.COUNT)
_before = events.c.number == clocks.c.number, events.c.at < clocks.c.missed_at
_latest = select(events.c.to_state).where(*_before).order_by(events.c.seq.desc()).limit(1).scalar_subquery()
_had_by = select(given_to()).where(*_before, gives()).order_by(events.c.seq.desc()).limit(1).scalar_subquery()
_MISSED_CLOCKS = select(
    clocks.c.name,
    clocks.c.part,
    func.coalesce(_latest, State.REGISTERED.value).label("state"),
    func.coalesce(parts.c.department, _had_by).label("department"),
).outerjoin(parts, (parts.c.number == clocks.c.number) & (parts.c.serial == clocks.c.part))
"""Missed clocks with state and department of the case at that instant."""


def missed(connection: ReadConnection, scope: ReportScope) -> Table:
    found = Counter(
        (row.name, row.department, *(OF_PART if row.part else STAGES[State(row.state)]))
        for row in connection.execute(_MISSED_CLOCKS.where(scope.has(clocks.c.missed_at)))
    )
    return Table(
        name="missed",
        title="Promises missed, and why",
        title_zh="超时情况及环节",
        columns=(
            *CLOCK,
            *DEPARTMENT,
            *Column(name="waited_for", title="Waited for", title_zh="超时环节").with_names(),
            MISSED,
        ),
        rows=tuple(
            (*in_words(clock, CLOCK_ZH[clock]), *scope.department(department), *in_words(stage, zh), number)
            for (clock, department, stage, zh), number in most_first(found)
        ),
        chart=Chart(kind=ChartKind.STACKED, label="waited_for", values=("missed",), series="clock"),
        note="The department is the one that was given the case last before it was missed.",
        note_zh="部门指超时前最近一次承办工单的部门。",
    )


OFFERED = Column(name="offered", title="Calls offered", title_zh="呼入量", kind=ColumnKind.COUNT)
ANSWERED = Column(name="answered", title="Calls answered", title_zh="接听量", kind=ColumnKind.COUNT)
CONNECTED = Column(name="connected_rate", title="Connected", title_zh="接通率", kind=ColumnKind.RATE)
_HOURS = 24
_IS_KEPT = clocks.c.status == ClockStatus.MET.value


def counted(name: str, title: str, title_zh: str) -> Column:
    return Column(name=name, title=title, title_zh=title_zh, kind=ColumnKind.COUNT)


KEPT = counted("kept", "Promises kept", "按时")
KEPT_RATE = Column(name="kept_rate", title="Kept", title_zh="按时率", kind=ColumnKind.RATE)
HEADLINES = (
    counted("registered", "Registered", "受理"),
    *(counted(state.value, state.value.capitalize(), state.zh) for state in sorted(ENDED)),
    counted("open_at_end", "Open at the end", "期末未办结"),
    KEPT,
    MISSED.model_copy(update={"title": "Promises missed", "title_zh": "超时"}),
    KEPT_RATE,
    OFFERED,
    ANSWERED,
    CONNECTED,
)


def headlines(connection: ReadConnection, scope: ReportScope) -> Table:
    pairs = [column.compared() for column in HEADLINES]
    return Table(
        name="headlines",
        title="Headline numbers",
        title_zh="概况",
        columns=(*(column for column, _ in pairs), *(before for _, before in pairs)),
        rows=((*_headlines(connection, scope), *_headlines(connection, scope.before)),),
        note="A case has several promises. Each counts in the period in which it was kept, or fell due and was not.",
        note_zh="一件工单有多个时限，各按完成或超时发生的时间计入本期。",
    )


def _headlines(connection: ReadConnection, scope: ReportScope) -> tuple[Cell, ...]:
    def count(*conditions: ColumnElement[bool]) -> int:
        return connection.scalars(select(func.count()).where(*conditions)).one()

    kept, missed = count(scope.has(clocks.c.stopped_at), _IS_KEPT), count(scope.has(clocks.c.missed_at))
    ended_by_state = select(cases.c.state, func.count()).where(scope.has(cases.c.closed_at)).group_by(cases.c.state)
    ended = {row[0]: row[1] for row in connection.execute(ended_by_state)}
    calls = call_report(connection, Grouping.DAY, scope.start, scope.end, scope.zone).total.figures
    return (
        count(scope.has(cases.c.registered_at)),
        *(ended.get(state, 0) for state in sorted(ENDED)),
        connection.scalars(select(func.count()).select_from(open_at_end(scope))).one(),
        *(kept, missed, rate(kept, kept + missed)),
        *of_calls(calls),
    )


def promises(connection: ReadConnection, scope: ReportScope) -> Table:
    """Count the promises of each kind that were judged: kept, or missed."""

    def by_name(*conditions: ColumnElement[bool]) -> dict[str, int]:
        statement = select(clocks.c.name, func.count()).where(*conditions).group_by(clocks.c.name)
        return {row[0]: row[1] for row in connection.execute(statement)}

    kept, missed = by_name(scope.has(clocks.c.stopped_at), _IS_KEPT), by_name(scope.has(clocks.c.missed_at))
    return Table(
        name="promises",
        title="Promises by kind",
        title_zh="各时限完成情况",
        columns=(*CLOCK, KEPT, MISSED, KEPT_RATE),
        rows=tuple(
            (*in_words(name, CLOCK_ZH[name]), on_time, late, rate(on_time, on_time + late))
            for name in CLOCK_ZH
            if (on_time := kept.get(name, 0)) + (late := missed.get(name, 0))
        ),
    )


def calls_by_hour(connection: ReadConnection, scope: ReportScope) -> Table:
    """Sum up the calls of each hour of the day, and average the agents on duty in it over the days with a roster."""
    figures = [CallFigures() for _ in range(_HOURS)]
    duty, rostered = [timedelta()] * _HOURS, [0] * _HOURS
    # An hour that has not ended would average fewer agents than are there.
    end = scope.end + (scope.start - scope.end) % timedelta(hours=1)
    for item in call_report(connection, Grouping.HOUR, scope.start, end, scope.zone).items:
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
