"""Causes: what departments found (查实), and cases that they gave back (退单) as not theirs."""

from collections import Counter
from typing import Any

from pydantic_core import from_json
from sqlalchemy import JSON, ColumnElement, FromClause, Text, and_, cast, func, or_, select, type_coerce

from domain.case.actions import complete, dispatch, follow_up, involve, reject_return, reopen, return_
from domain.case.lifecycle import State
from domain.reports.report import Chart, ChartKind, Column, ColumnKind, Table
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import cases, events
from readmodel.reports.scope import CASES, DEPARTMENT, SERVICE, ReportScope, named


def fact(row: FromClause, name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = type_coerce(row.c.data, JSON)[name].as_string()
    return found


def given_to(row: FromClause = events) -> ColumnElement[Any]:
    """Return the department that an event gives the case to; that of rework, if no department had it before."""
    return func.coalesce(fact(row, "department"), fact(row, "rework_by"))


def gives(row: FromClause = events) -> ColumnElement[bool]:
    """Return the condition for an event that gives the case to a department: by a dispatch, or for rework."""
    rework = and_(row.c.action == follow_up.ACTION.name, row.c.to_state == State.DISPATCHED.value)
    return or_(row.c.action.in_((dispatch.ACTION.name, reopen.ACTION.name)), rework)


FINDING = Column(name="finding", title="Finding", title_zh="查实事项").with_names()
NEXT = Column(name="next_department", title="Given next to", title_zh="退单后去向").with_names()
RETURNS = Column(name="returns", title="Returns", title_zh="退单数", kind=ColumnKind.COUNT)
_other = events.alias()
_of_case = (
    select(given_to(_other))
    .where(_other.c.number == events.c.number, _other.c.seq < events.c.seq, gives(_other))
    .order_by(_other.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)
_department = func.coalesce(fact(events, "department"), _of_case).label("department")
"""Department that completed or returned: of a part its own, else the one that was given the case last."""
_handed_on = or_(
    and_(fact(events, "part").is_(None), _other.c.action.in_((dispatch.ACTION.name, reject_return.ACTION.name))),
    and_(
        fact(events, "part").is_not(None),
        _other.c.action == involve.ACTION.name,
        fact(events, "department").in_((fact(_other, "department"), fact(_other, "takes_over"))),
    ),
)
"""Condition for an event after which another department, or the same one again, has what was returned."""


def findings(connection: ReadConnection, scope: ReportScope) -> Table:
    statement = (
        select(cases.c.service_code, _department, events.c.data)
        .join_from(events, cases, cases.c.number == events.c.number)
        .where(events.c.action == complete.ACTION.name, scope.has(events.c.at))
        .where(cast(events.c.data, Text).contains('"findings"'))
    )
    counted: Counter[tuple[str, str, str | None]] = Counter()
    for service, department, data in connection.execute(statement):
        counted.update((code, service, department) for code in {*from_json(data)["findings"]})
    order = sorted(counted.items(), key=lambda each: (-each[1], each[0][0], each[0][1], each[0][2] or ""))
    return Table(
        name="findings",
        title="Causes found",
        title_zh="查实原因",
        columns=(*FINDING, *SERVICE, *DEPARTMENT, CASES),
        rows=tuple(
            (
                *named(scope.catalogue.findings, code),
                *scope.service(service),
                *scope.department(department),
                number,
            )
            for (code, service, department), number in order
        ),
        chart=Chart(kind=ChartKind.BAR, label="finding", values=("cases",)),
        note="Only causes that the catalogue lists as findings; all others are in the words of the result.",
        note_zh="仅统计服务目录列出的查实事项；其他原因见各工单的处理结果。",
    )


def returns(connection: ReadConnection, scope: ReportScope) -> Table:
    next_one = (
        select(fact(_other, "department"))
        .where(_other.c.number == events.c.number, _other.c.seq > events.c.seq, _handed_on)
        .order_by(_other.c.seq)
        .limit(1)
        .scalar_subquery()
        .label("next_department")
    )
    each = (
        select(_department, cases.c.service_code, next_one)
        .join_from(events, cases, cases.c.number == events.c.number)
        .where(events.c.action == return_.ACTION.name, scope.has(events.c.at))
    )
    counted = Counter((row[0], row[1], row[2]) for row in connection.execute(each))
    order = sorted(counted.items(), key=lambda one: (-one[1], *(code or "" for code in one[0])))
    return Table(
        name="returns",
        title="Cases given back",
        title_zh="退单情况",
        columns=(*DEPARTMENT, *SERVICE, *NEXT, RETURNS),
        rows=tuple(
            (*scope.department(department), *scope.service(service), *scope.department(following), number)
            for (department, service, following), number in order
        ),
        chart=Chart(kind=ChartKind.BAR, label="department", values=("returns",)),
        note="Reasons are free text and stand on the cases alone; who was given the case next tells where it belonged.",
        note_zh="退单理由为自由文本，仅在工单上查看；改派去向反映工单实际归属。",
    )
