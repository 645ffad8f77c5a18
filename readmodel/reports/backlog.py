"""Cases that were open at the end of the period: by age and department, and the oldest of them."""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, case, func, select

from domain.reports.report import Chart, ChartKind, Column, ColumnKind, Table
from domain.shared.amounts import half_up
from domain.shared.text import to_milliseconds
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import cases
from readmodel.reports.scope import CASES, DEPARTMENT, SERVICE, ReportScope

AGES = (1, 3, 7, 15, 30)
"""Days at which one age ends and the next begins."""
OLDEST = 50
"""Cases that are listed."""
AGE = Column(name="age_days", title="Age in days", title_zh="积压天数")


def open_at_end(scope: ReportScope) -> ColumnElement[bool]:
    return and_(cases.c.registered_at < scope.end, cases.c.closed_at.is_(None) | (cases.c.closed_at >= scope.end))


def backlog(connection: ReadConnection, scope: ReportScope) -> Table:
    begins = [(cases.c.registered_at <= scope.end - timedelta(days=days), place) for place, days in _OLDEST_FIRST]
    age = case(*begins, else_=0).label("age")
    groups = age, cases.c.department
    statement = select(*groups, func.count()).where(open_at_end(scope)).group_by(*groups)
    found = sorted(connection.execute(statement), key=lambda row: (-row[0], -row[2], row[1] or ""))
    return Table(
        name="backlog",
        title="Open cases by age",
        title_zh="未办结工单积压",
        columns=(AGE, *DEPARTMENT, CASES),
        rows=tuple((_NAMES[place], *scope.department(department), number) for place, department, number in found),
        chart=Chart(kind=ChartKind.STACKED, label="age_days", values=("cases",), series="department"),
        note="Open at the end of the period; the department is the present one.",
        note_zh="统计期末未办结的工单；部门为当前部门。",
    )


_OLDEST_FIRST = [*enumerate(AGES, 1)][::-1]
_NAMES = tuple(f"{low}-{high}" if high else f"> {low}" for low, high in zip((0, *AGES), (*AGES, 0), strict=True))


def oldest(connection: ReadConnection, scope: ReportScope) -> Table:
    wanted = (cases.c.number, cases.c.service_code, cases.c.department, cases.c.registered_at)
    by_age = cases.c.registered_at, cases.c.number
    statement = select(*wanted).where(open_at_end(scope)).order_by(*by_age).limit(OLDEST)
    return Table(
        name="oldest",
        title=f"The {OLDEST} oldest open cases",
        title_zh=f"积压最久的 {OLDEST} 件工单",
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
