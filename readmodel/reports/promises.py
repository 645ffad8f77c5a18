"""Promises that were missed, and what the case waited for at that instant."""

from collections import Counter

from sqlalchemy import func, select

from domain.case.clocks import CLOCK_ZH
from domain.case.lifecycle import State
from domain.reports.report import Cell, Chart, ChartKind, Column, ColumnKind, Table
from domain.shared.value import NamedCode, complete
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import clocks, events, parts
from readmodel.reports.causes import given_to, gives
from readmodel.reports.scope import DEPARTMENT, ReportScope, of_code

CLOCK = Column(name="clock", title="Promise", title_zh="时限").with_names()
WAITED = Column(name="waited_for", title="Waited for", title_zh="超时环节").with_names()
MISSED = Column(name="missed", title="Missed", title_zh="超时数", kind=ColumnKind.COUNT)
_before = events.c.number == clocks.c.number, events.c.at < clocks.c.missed_at
_latest = select(events.c.to_state).where(*_before).order_by(events.c.seq.desc()).limit(1).scalar_subquery()
_had_by = select(given_to()).where(*_before, gives()).order_by(events.c.seq.desc()).limit(1).scalar_subquery()
_STATEMENT = select(
    clocks.c.name,
    clocks.c.part,
    func.coalesce(_latest, State.REGISTERED.value).label("state"),
    func.coalesce(parts.c.department, _had_by).label("department"),
).outerjoin(parts, (parts.c.number == clocks.c.number) & (parts.c.serial == clocks.c.part))
"""Missed clocks with state and department of the case at that instant."""


class Stage(NamedCode):
    """Stage of the chain at which a case waits."""

    DISPATCH = "dispatch", "未派单"
    SIGNATURE = "signature", "未签收"
    NEW_DISPATCH = "new_dispatch", "退单后未改派"
    WORK = "work", "处理中"
    RESUMPTION = "resumption", "挂起"
    APPROVAL = "approval", "待审批"
    REPLY = "reply", "待回复"
    FOLLOW_UP = "follow_up", "待回访"
    PART = "part", "协办未完成"
    ENDED = "ended", "已办结"


STAGES = complete(
    "STAGES",
    State,
    {
        State.REGISTERED: Stage.DISPATCH,
        State.DISPATCHED: Stage.SIGNATURE,
        State.PENDING_REDISPATCH: Stage.NEW_DISPATCH,
        State.IN_PROGRESS: Stage.WORK,
        State.SUSPENDED: Stage.RESUMPTION,
        State.AWAITING_APPROVAL: Stage.APPROVAL,
        State.PENDING_REPLY: Stage.REPLY,
        State.PENDING_FOLLOW_UP: Stage.FOLLOW_UP,
        State.CLOSED: Stage.ENDED,
        State.REFUSED: Stage.ENDED,
        State.WITHDRAWN: Stage.ENDED,
    },
)
"""Stages by the state of the case. Stage.PART is of the clocks of a further department."""


def missed(connection: ReadConnection, scope: ReportScope) -> Table:
    counted: Counter[tuple[str, str | None, Stage]] = Counter()
    for row in connection.execute(_STATEMENT.where(scope.has(clocks.c.missed_at))):
        counted[row.name, row.department, Stage.PART if row.part else STAGES[State(row.state)]] += 1
    return Table(
        name="missed",
        title="Promises missed, and why",
        title_zh="超时情况及环节",
        columns=(*CLOCK, *DEPARTMENT, *WAITED, MISSED),
        rows=tuple(
            (*_clock(clock), *scope.department(department), *of_code(stage), number)
            for (clock, department, stage), number in sorted(
                counted.items(), key=lambda each: (-each[1], each[0][0], each[0][1] or "", each[0][2])
            )
        ),
        chart=Chart(kind=ChartKind.STACKED, label="waited_for", values=("missed",), series="clock"),
        note="The department is the one that was given the case last before it was missed.",
        note_zh="部门指超时前最近一次承办工单的部门。",
    )


def _clock(name: str) -> tuple[Cell, ...]:
    return name, name.replace("_", " "), CLOCK_ZH[name]
