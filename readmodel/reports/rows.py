"""Rows behind the figures of a month: decisions of management (审批), thanks (表扬), and follow-ups (回访)."""

from collections.abc import Iterable

from sqlalchemy import select

from domain.case.progress import Satisfaction
from domain.customers.customer import Thanks
from domain.reports.report import Column, ColumnKind, Table
from domain.shared.value import to_milliseconds
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import cases, decisions, follow_ups
from readmodel.reports.causes import APPROVED, DECISION_KINDS, REJECTED
from readmodel.reports.follow_ups import STANDS
from readmodel.reports.scope import DEPARTMENT, DISTRICT, NOTHING, SERVICE, ReportScope, in_words

NUMBER = Column(name="number", title="Case", title_zh="工单号")
OWNER = Column(name="owner", title="Owner", title_zh="首问责任人")


def _at(name: str, title: str, title_zh: str) -> Column:
    return Column(name=name, title=title, title_zh=title_zh, kind=ColumnKind.INSTANT)


def approval_rows(connection: ReadConnection, scope: ReportScope) -> Table:
    """List the last decisions on requests for money in the order of time."""
    row = decisions.c
    statement = (
        select(row.number, row.decided_at, row.kind, row.approved, row.amount, row.currency)
        .add_columns(cases.c.owner, cases.c.service_code, cases.c.department)
        .join_from(decisions, cases, cases.c.number == row.number)
        .where(scope.has(row.decided_at))
        .order_by(row.decided_at, row.number, row.seq)
    )
    return Table(
        name="approvals",
        title="Decisions on money",
        title_zh="审批明细",
        columns=(
            NUMBER,
            _at("decided_at", "Decided", "审批时间"),
            *Column(name="kind", title="Kind", title_zh="类别").with_names(),
            *Column(name="decision", title="Decision", title_zh="审批结果").with_names(),
            Column(name="amount", title="Amount", title_zh="金额", kind=ColumnKind.AMOUNT),
            Column(name="currency", title="Currency", title_zh="币种"),
            OWNER,
            *SERVICE,
            *DEPARTMENT,
        ),
        rows=tuple(
            (
                number,
                to_milliseconds(at).isoformat(),
                *((kind, *DECISION_KINDS.get(kind, (kind, kind))) if kind else NOTHING),
                *(APPROVED if approved else REJECTED),
                None if amount is None else str(amount),
                currency,
                owner,
                *scope.service(service),
                *scope.department(department),
            )
            for number, at, kind, approved, amount, currency, owner, service, department in connection.execute(
                statement
            )
        ),
    )


def thanks_rows(found: Iterable[Thanks]) -> Table:
    return Table(
        name="thanks",
        title="Thanks",
        title_zh="表扬明细",
        columns=(
            NUMBER,
            _at("at", "Thanked at", "表扬时间"),
            Column(name="thanked", title="Person thanked", title_zh="被表扬人"),
            Column(name="message", title="Message", title_zh="表扬内容"),
        ),
        rows=tuple((each.number, to_milliseconds(each.at).isoformat(), each.thanked, each.message) for each in found),
    )


def follow_up_rows(connection: ReadConnection, scope: ReportScope) -> Table:
    """List the follow-ups that ended in the order of time."""
    row = follow_ups.c
    statement = (
        select(row.number, row.followed_up_at, row.outcome, row.contacted, row.solved, row.satisfaction)
        .add_columns(row.department, cases.c.owner, cases.c.service_code, cases.c.district)
        .join_from(follow_ups, cases, cases.c.number == row.number)
        .where(scope.has(row.followed_up_at), STANDS)
        .order_by(row.followed_up_at, row.number, row.seq)
    )
    return Table(
        name="follow_ups",
        title="Follow-ups",
        title_zh="回访明细",
        columns=(
            NUMBER,
            _at("followed_up_at", "Followed up", "回访时间"),
            Column(name="outcome", title="Outcome", title_zh="回访结果"),
            Column(name="contacted", title="Contacted", title_zh="是否联系上"),
            Column(name="solved", title="Solved", title_zh="是否解决"),
            *Column(name="satisfaction", title="Satisfaction", title_zh="满意度").with_names(),
            *DEPARTMENT,
            OWNER,
            *SERVICE,
            *DISTRICT,
        ),
        rows=tuple(
            (
                number,
                to_milliseconds(at).isoformat(),
                outcome,
                *(None if told is None else str(told).lower() for told in (contacted, solved)),
                *(in_words(said, Satisfaction(said).zh) if said else NOTHING),
                *scope.department(department),
                owner,
                *scope.service(service),
                *scope.district(district),
            )
            for number, at, outcome, contacted, solved, said, department, owner, service, district in (
                connection.execute(statement)
            )
        ),
    )
