"""Origins of complaints: services, districts and weeks, water quality, and callers who call again (重复来电)."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, case, func, literal, select

from domain.case.intake import IntakeFlag
from domain.reports.report import Chart, ChartKind, Column, ColumnKind, ReportKind, Table
from domain.shared.value import rate
from readmodel.base.database import ReadConnection
from readmodel.callers import REPEATS
from readmodel.calls.report import start_of
from readmodel.cases.search_terms import account_term, phone_term, phone_terms
from readmodel.cases.tables import cases, has_flag, search_words
from readmodel.reports.scope import CASES, DISTRICT, SERVICE, ReportScope, most_first

QUALITY = "water_quality"
"""Code of the service of complaints about water quality."""
_WEEK = timedelta(days=7)


def origins(connection: ReadConnection, scope: ReportScope) -> Table:
    groups = _week(scope), cases.c.service_code, cases.c.district
    statement = select(*groups, func.count()).where(scope.has(cases.c.registered_at)).group_by(*groups)
    counted = {(row[0], row[1], row[2]): row[3] for row in connection.execute(statement)}
    monthly = scope.period.kind is ReportKind.MONTHLY
    weeks = (Column(name="week", title="Week", title_zh="周"),) if monthly else ()
    return Table(
        name="origins",
        title="Where complaints come from",
        title_zh="诉求来源",
        columns=(*weeks, *SERVICE, *DISTRICT, CASES),
        rows=tuple(
            (*((week,) if monthly else ()), *scope.service(service), *scope.district(district), number)
            for (week, service, district), number in most_first(counted)
        ),
        chart=Chart(kind=ChartKind.STACKED, label="service", values=("cases",), series="district"),
    )


def _week(scope: ReportScope) -> ColumnElement[str]:
    """ISO week of the registration; a period has so few that SQL is told where each begins."""
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
            (*scope.district(code), number, people.get(code or ""), rate(number * 1000, people.get(code or "") or 0))
            for code, number in sorted(counted.items(), key=lambda each: (-each[1], each[0] or "~"))
        ),
        chart=Chart(kind=ChartKind.BAR, label="district", values=("cases",)),
        note="Of the period, not of a year. Empty where the catalogue names no population.",
        note_zh="按本期统计，未折算为全年；目录未填写人口的区域不计算比率。",
    )


MOST_CALLERS = 100
"""Callers that are listed."""
TERMS_TOGETHER = 500
"""Terms in one statement; databases limit the number of parameters."""
_CASE = (cases.c.number, cases.c.caller_account_no, cases.c.caller_phone)


def repeat_callers(connection: ReadConnection, scope: ReportScope) -> Table:
    """List the callers flagged in the period with their cases up to its end, those with the most cases first."""
    flagged = select(*_CASE).where(scope.has(cases.c.registered_at), has_flag(IntakeFlag.REPEAT_CALLER))
    area_code = scope.catalogue.area_code
    terms: dict[str, set[str]] = {}
    for row in connection.execute(flagged):
        if caller := _caller(row, area_code):
            terms[caller] = {caller} if row.caller_account_no else set(phone_terms(row.caller_phone, area_code))
    found = _cases_of(connection, scope, terms)
    repeated = sorted((-len(numbers), min(numbers), numbers) for numbers in found.values() if len(numbers) > 1)
    return Table(
        name="repeat_callers",
        title="Callers with several cases",
        title_zh="重复来电",
        columns=(CASES, Column(name="numbers", title="Cases", title_zh="工单号")),
        rows=tuple((len(numbers), " ".join(sorted(numbers))) for _, _, numbers in repeated[:MOST_CALLERS]),
        note=f"Cases of the {REPEATS.days} days before the period as well. A caller is an account, or a telephone if no"
        f" account was given. The first {MOST_CALLERS}.",
        note_zh=f"含统计期前 {REPEATS.days} 天的工单；来电人按户号区分，无户号的按电话。最多列 {MOST_CALLERS} 人。",
    )


def _cases_of(connection: ReadConnection, scope: ReportScope, terms: dict[str, set[str]]) -> dict[str, set[str]]:
    words = sorted(set().union(*terms.values())) if terms else []
    found: dict[str, set[str]] = defaultdict(set)
    for start in range(0, len(words), TERMS_TOGETHER):
        statement = (
            select(*_CASE)
            .join_from(search_words, cases, cases.c.number == search_words.c.number)
            .where(search_words.c.word.in_(words[start : start + TERMS_TOGETHER]))
            .where(search_words.c.registered_at >= scope.start - REPEATS, search_words.c.registered_at < scope.end)
        )
        for row in connection.execute(statement):
            # The term may be that of something else as well.
            if (caller := _caller(row, scope.catalogue.area_code)) in terms:
                found[caller].add(row.number)
    return found


def _caller(case: Row[*tuple[Any, ...]], area_code: str) -> str:
    """Term of the account, or of the telephone if no account is known; empty without either."""
    if case.caller_account_no:
        return account_term(case.caller_account_no)
    return phone_term(case.caller_phone, area_code) if case.caller_phone else ""
