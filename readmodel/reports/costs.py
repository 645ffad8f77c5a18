"""Cost of credits, repairs and waivers that management decided on (审批)."""

from sqlalchemy import func, select

from domain.case.approvers import CREDIT_KIND
from domain.reports.report import Chart, ChartKind, Column, ColumnKind, Table
from readmodel.base.database import ReadConnection
from readmodel.cases.decisions import amount_of
from readmodel.cases.tables import cases, decisions
from readmodel.reports.scope import NOTHING, SERVICE, ReportScope

DECISION_KINDS = {
    CREDIT_KIND: ("credit", "补偿"),
    "funded_repair": ("repair at the company's cost", "公司出资维修"),
    "waiver": ("waiver", "减免"),
    "settlement": ("settlement of arrears", "结清欠费"),
}
"""Names of the kinds of decisions."""
APPROVED, REJECTED = ("approved", "approved", "批准"), ("rejected", "rejected", "不批准")


def costs(connection: ReadConnection, scope: ReportScope) -> Table:
    """Sum up what was decided in the period, by kind, service and decision; by the last decision on each request."""
    groups = decisions.c.kind, cases.c.service_code, decisions.c.approved, decisions.c.currency
    amount = func.coalesce(func.sum(decisions.c.amount_hundredths), 0)
    statement = (
        select(*groups, func.count(), amount)
        .join_from(decisions, cases, cases.c.number == decisions.c.number)
        .where(scope.has(decisions.c.decided_at))
        .group_by(*groups)
    )
    found = sorted(connection.execute(statement), key=lambda row: (row[0] or "~", not row[2], -int(row[5]), *row[1::2]))
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
                str(amount_of(hundredths)),
                currency,
            )
            for kind, service, approved, currency, number, hundredths in found
        ),
        chart=Chart(kind=ChartKind.STACKED, label="kind", values=("amount",), series="decision"),
    )
