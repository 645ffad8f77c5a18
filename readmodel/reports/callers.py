"""Callers who call again (重复来电): how many cases each has, and which; nothing that identifies the caller."""

from collections import defaultdict
from typing import Any

from sqlalchemy import Row, select

from domain.case.intake import IntakeFlag
from domain.reports.report import Column, Table
from readmodel.base.database import ReadConnection
from readmodel.callers import REPEATS
from readmodel.cases.search_terms import account_term, phone_term, phone_terms
from readmodel.cases.tables import cases, has_flag, search_words
from readmodel.reports.scope import CASES, ReportScope

MOST = 100
"""Callers that are listed."""
GROUP = 500
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
        rows=tuple((len(numbers), " ".join(sorted(numbers))) for _, _, numbers in repeated[:MOST]),
        note=f"Cases of the {REPEATS.days} days before the period as well. A caller is an account, or a telephone if no"
        f" account was given. The first {MOST}.",
        note_zh=f"含统计期前 {REPEATS.days} 天的工单；来电人按户号区分，无户号的按电话。最多列 {MOST} 人。",
    )


def _cases_of(connection: ReadConnection, scope: ReportScope, terms: dict[str, set[str]]) -> dict[str, set[str]]:
    words = sorted(set().union(*terms.values())) if terms else []
    found: dict[str, set[str]] = defaultdict(set)
    for start in range(0, len(words), GROUP):
        statement = (
            select(*_CASE)
            .join_from(search_words, cases, cases.c.number == search_words.c.number)
            .where(search_words.c.word.in_(words[start : start + GROUP]))
            .where(search_words.c.registered_at >= scope.start - REPEATS, search_words.c.registered_at < scope.end)
        )
        for row in connection.execute(statement):
            # The term may be that of something else as well.
            if (caller := _caller(row, scope.catalogue.area_code)) in terms:
                found[caller].add(row.number)
    return found


def _caller(case: Row[*tuple[Any, ...]], area_code: str) -> str:
    """Return the term of the account, or of the telephone if no account is known; empty without either."""
    if case.caller_account_no:
        return account_term(case.caller_account_no)
    return phone_term(case.caller_phone, area_code) if case.caller_phone else ""
