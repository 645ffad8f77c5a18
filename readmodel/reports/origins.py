"""Origins of complaints by service, district and week; and contacts about water quality by district."""

from datetime import date, timedelta

from sqlalchemy import ColumnElement, case, func, literal, select

from domain.reports.report import Chart, ChartKind, Column, ColumnKind, ReportKind, Table
from domain.shared.amounts import rate
from readmodel.base.database import ReadConnection
from readmodel.calls.report import start_of
from readmodel.cases.tables import cases
from readmodel.reports.scope import CASES, DISTRICT, SERVICE, ReportScope

QUALITY = "water_quality"
"""Code of the service of complaints about water quality."""
_WEEK = timedelta(days=7)


def origins(connection: ReadConnection, scope: ReportScope) -> Table:
    service, district, number = cases.c.service_code, cases.c.district, func.count()
    week = _week(scope)
    registered = scope.has(cases.c.registered_at)
    statement = select(service, district, week, number).where(registered).group_by(service, district, week)
    found = sorted(connection.execute(statement), key=lambda row: (-row[3], row[2], row[0], row[1] or ""))
    monthly = scope.period.kind is ReportKind.MONTHLY
    weeks = (Column(name="week", title="Week", title_zh="周"),) if monthly else ()
    return Table(
        name="origins",
        title="Where complaints come from",
        title_zh="诉求来源",
        columns=(*weeks, *SERVICE, *DISTRICT, CASES),
        rows=tuple(
            (*((each[2],) if monthly else ()), *scope.service(each[0]), *scope.district(each[1]), each[3])
            for each in found
        ),
        chart=Chart(kind=ChartKind.STACKED, label="service", values=("cases",), series="district"),
    )


def _week(scope: ReportScope) -> ColumnElement[str]:
    """Return the ISO week of the registration; a period has so few that SQL is told where each begins."""
    first = scope.period.first
    mondays: list[date] = []
    monday = first - timedelta(days=first.weekday()) + _WEEK
    while monday < scope.period.after:
        mondays.append(monday)
        monday += _WEEK
    begins = [(cases.c.registered_at >= start_of(day, scope.zone), literal(_name(day))) for day in reversed(mondays)]
    return case(*begins, else_=_name(first)) if begins else literal(_name(first))


def _name(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def quality(connection: ReadConnection, scope: ReportScope) -> Table:
    """Count the cases about water quality by district, and per 1,000 inhabitants where the catalogue has them."""
    statement = (
        select(cases.c.district, func.count())
        .where(scope.has(cases.c.registered_at), cases.c.service_code == QUALITY)
        .group_by(cases.c.district)
    )
    people = {each.code: each.population for each in scope.catalogue.districts}
    counted: dict[str | None, int] = dict.fromkeys(people, 0)
    counted.update((row[0], row[1]) for row in connection.execute(statement))

    def per_thousand(code: str | None) -> float | None:
        population = people.get(code or "")
        return rate(counted[code] * 1000, population or 0)

    return Table(
        name="quality",
        title="Contacts about water quality",
        title_zh="水质诉求",
        columns=(
            *DISTRICT,
            CASES,
            Column(name="population", title="Population", title_zh="人口", kind=ColumnKind.COUNT),
            Column(name="per_1000", title="Per 1,000 people", title_zh="每千人", kind=ColumnKind.NUMBER),
        ),
        rows=tuple(
            (*scope.district(code), number, people.get(code or ""), per_thousand(code))
            for code, number in sorted(counted.items(), key=lambda each: (-each[1], each[0] or "~"))
        ),
        chart=Chart(kind=ChartKind.BAR, label="district", values=("cases",)),
        note="Of the period, not of a year. Empty where the catalogue names no population.",
        note_zh="按本期统计，未折算为全年；目录未填写人口的区域不计算比率。",
    )
