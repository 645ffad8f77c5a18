"""Causes that departments found (查实), cases that they gave back (退单), and what management decided to pay (审批)."""

from collections import Counter
from decimal import Decimal
from typing import Any

from pydantic import Field
from pydantic_core import from_json
from sqlalchemy import ColumnElement, FromClause, Select, Text, and_, cast, func, or_, select

from domain.case.actions import complete, dispatch, follow_up, involve, reject_return, reopen, return_
from domain.case.approvers import CREDIT_KIND
from domain.case.lifecycle import State
from domain.reports.report import Chart, ChartKind, Column, ColumnKind, Table
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import cases, decisions, events
from readmodel.reports.scope import CASES, DEPARTMENT, NOTHING, SERVICE, ReportScope, most_first, named


def fact(row: FromClause, name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = row.c.data[name].as_string()
    return found


def given_to(row: FromClause = events) -> ColumnElement[Any]:
    """Department that an event gives the case to; that of rework, if no department had it before."""
    return func.coalesce(fact(row, "department"), fact(row, "rework_by"))


def gives(row: FromClause = events) -> ColumnElement[bool]:
    """Condition for an event that gives the case to a department: by a dispatch, or for rework."""
    rework = and_(row.c.action == follow_up.ACTION.name, row.c.to_state == State.DISPATCHED.value)
    return or_(row.c.action.in_((dispatch.ACTION.name, reopen.ACTION.name)), rework)


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
    counted = Counter(
        (code, service, department)
        for service, department, data in connection.execute(statement)
        for code in {*from_json(data)["findings"]}
    )
    return Table(
        name="findings",
        title="Causes found",
        title_zh="查实原因",
        columns=(
            *Column(name="finding", title="Finding", title_zh="查实事项").with_names(),
            *SERVICE,
            *DEPARTMENT,
            CASES,
        ),
        rows=tuple(
            (*named(scope.catalogue.findings, code), *scope.service(service), *scope.department(department), number)
            for (code, service, department), number in most_first(counted)
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
    counted = Counter(tuple(row) for row in connection.execute(each))
    return Table(
        name="returns",
        title="Cases given back",
        title_zh="退单情况",
        columns=(
            *DEPARTMENT,
            *SERVICE,
            *Column(name="next_department", title="Given next to", title_zh="退单后去向").with_names(),
            Column(name="returns", title="Returns", title_zh="退单数", kind=ColumnKind.COUNT),
        ),
        rows=tuple(
            (*scope.department(department), *scope.service(service), *scope.department(following), number)
            for (department, service, following), number in most_first(counted)
        ),
        chart=Chart(kind=ChartKind.BAR, label="department", values=("returns",)),
        note="Reasons are free text and stand on the cases alone; who was given the case next tells where it belonged.",
        note_zh="退单理由为自由文本，仅在工单上查看；改派去向反映工单实际归属。",
    )


DECISION_KINDS = {
    CREDIT_KIND: ("credit", "补偿"),
    "funded_repair": ("repair at the company's cost", "公司出资维修"),
    "waiver": ("waiver", "减免"),
    "settlement": ("settlement of arrears", "结清欠费"),
}
APPROVED, REJECTED = ("approved", "approved", "批准"), ("rejected", "rejected", "不批准")


def costs(connection: ReadConnection, scope: ReportScope) -> Table:
    """Sum up what was decided in the period, by kind, service and decision; by the last decision on each request."""
    groups = decisions.c.kind, cases.c.service_code, decisions.c.approved, decisions.c.currency
    statement = _decided(scope, *groups).join_from(decisions, cases, cases.c.number == decisions.c.number)
    found = sorted(connection.execute(statement), key=lambda row: (row[0] or "~", not row[2], -row[5], *row[1::2]))
    return Table(
        name="costs",
        title="Credits, repairs and waivers decided",
        title_zh="补偿、维修与减免审批",
        columns=(
            *Column(name="kind", title="Kind", title_zh="类别").with_names(),
            *SERVICE,
            *Column(name="decision", title="Decision", title_zh="审批结果").with_names(),
            Column(name="decisions", title="Decisions", title_zh="次数", kind=ColumnKind.COUNT),
            Column(name="amount", title="Amount", title_zh="金额", kind=ColumnKind.AMOUNT),
            Column(name="currency", title="Currency", title_zh="币种"),
        ),
        rows=tuple(
            (
                *((kind, *DECISION_KINDS.get(kind, (kind, kind))) if kind else NOTHING),
                *scope.service(service),
                *(APPROVED if approved else REJECTED),
                number,
                str(amount),
                currency,
            )
            for kind, service, approved, currency, number, amount in found
        ),
        chart=Chart(kind=ChartKind.STACKED, label="kind", values=("amount",), series="decision"),
    )


def _decided(scope: ReportScope, *groups: ColumnElement[Any]) -> Select[Any]:
    amount = func.coalesce(func.sum(decisions.c.amount), 0).label("amount")
    in_period = scope.has(decisions.c.decided_at)
    return select(*groups, func.count().label("times"), amount).where(in_period).group_by(*groups)


class MoneyTotal(Immutable):
    """Decisions of a month on money of one kind."""

    kind: str | None = Field(
        description="`funded_repair`, `waiver`, `settlement`, `credit`; null if the request named none."
    )
    currency: str
    approved: bool
    times: int
    amount: Decimal


def totals(connection: ReadConnection, scope: ReportScope) -> tuple[MoneyTotal, ...]:
    statement = _decided(scope, decisions.c.kind, decisions.c.currency, decisions.c.approved)
    found = map(MoneyTotal.model_validate, connection.execute(statement).mappings())
    return tuple(sorted(found, key=lambda total: (total.kind or "", total.currency, not total.approved)))
