"""Links between calls and cases, computed when they are read: call and case may come in any order.

A call belongs to the case that it names, and to the cases that name it at their intake. If it has neither, it belongs
to those that were registered in it by telephone and time (`domain.calls.matching`) and name no call that is known.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, or_, select

from domain.calls.call import Call
from domain.calls.matching import AFTERWARDS, LONGEST_CALL, call_of
from domain.case.case import Case
from readmodel.base.database import ReadConnection
from readmodel.base.paging import RowPage
from readmodel.calls.calls import CALL_COLUMNS, CallFilters, page_of_calls
from readmodel.calls.tables import calls
from readmodel.cases.search_terms import phone_term, phone_terms
from readmodel.cases.tables import cases, search_words

BY_TELEPHONE = "phone"
"""Intake channel of the cases that are registered in calls."""


class LinkedCall(NamedTuple):
    """Call, and the numbers of its cases: first the one that it names, then in the order of registration."""

    call: Call
    complaints: tuple[str, ...]


class _Candidate(NamedTuple):
    """Case that may have been registered in a call of its telephone."""

    number: str
    registered_at: datetime
    term: str


def linked_calls(
    connection: ReadConnection, filters: CallFilters, cursor: str | None, limit: int, area_code: str
) -> RowPage[LinkedCall]:
    """Return a page of the calls that pass the filters, with their cases. Raises BadCursorError.

    `area_code` is that of telephones without one.
    """
    page = page_of_calls(connection, filters, cursor, limit)
    return RowPage(tuple(_linked(connection, page.items, area_code)), page.next_cursor)


def calls_of_case(connection: ReadConnection, case: Case, area_code: str) -> list[LinkedCall]:
    """Return the calls of a case, the newest first. `area_code` is that of telephones without one."""
    intake = case.intake
    named = or_(calls.c.complaint == case.number, calls.c.call_id == intake.call_id)
    found = {call.call_id: call for call in map(Call._make, connection.execute(select(*CALL_COLUMNS).where(named)))}
    if intake.channel == BY_TELEPHONE and intake.caller.phone and intake.call_id not in found:
        candidate = _Candidate(case.number, case.registered_at, phone_term(intake.caller.phone, area_code))
        call = _calls_by_time(connection, [candidate]).get(case.number)
        found |= {call.call_id: call} if call else {}
    newest_first = sorted(found.values(), key=lambda call: (call.started_at, call.call_id), reverse=True)
    return [each for each in _linked(connection, newest_first, area_code) if case.number in each.complaints]


def _linked(connection: ReadConnection, found: Sequence[Call], area_code: str) -> list[LinkedCall]:
    complaints = {call.call_id: [call.complaint] if call.complaint else [] for call in found}
    if not complaints:
        return []
    in_order = select(cases.c.number, cases.c.call_id).order_by(cases.c.registered_at, cases.c.number)
    for row in connection.execute(in_order.where(cases.c.call_id.in_(complaints))):
        complaints[row.call_id].append(row.number)
    rest = [call for call in found if not complaints[call.call_id] and call.caller_phone]
    candidates = _candidates(connection, rest, area_code) if rest else []
    guessed, theirs = {call.call_id for call in rest}, _calls_by_time(connection, candidates)
    for candidate in candidates:
        call = theirs.get(candidate.number)
        if call and call.call_id in guessed:
            complaints[call.call_id].append(candidate.number)
    return [LinkedCall(call, tuple(dict.fromkeys(complaints[call.call_id]))) for call in found]


def _candidates(connection: ReadConnection, found: Sequence[Call], area_code: str) -> list[_Candidate]:
    phones = {call.caller_phone for call in found if call.caller_phone}
    words = {term for phone in phones for term in phone_terms(phone, area_code)}
    starts = [call.started_at for call in found]
    statement = (
        select(cases.c.number, cases.c.registered_at, cases.c.caller_phone)
        .join(search_words, search_words.c.number == cases.c.number)
        .where(
            search_words.c.word.in_(words),
            search_words.c.registered_at.between(min(starts), max(starts) + LONGEST_CALL + AFTERWARDS),
            cases.c.channel == BY_TELEPHONE,
            cases.c.caller_phone.is_not(None),
            ~exists().where(calls.c.call_id == cases.c.call_id),
        )
        .order_by(cases.c.registered_at, cases.c.number)
    )
    rows = {row.number: row for row in connection.execute(statement)}
    # A term may be that of something else in the case.
    return [
        _Candidate(row.number, row.registered_at, term)
        for row in rows.values()
        if (term := phone_term(row.caller_phone, area_code)) in words
    ]


def _calls_by_time(connection: ReadConnection, candidates: Collection[_Candidate]) -> Mapping[str, Call]:
    """Return the call in which each case was registered by telephone and time; cases without one are left out."""
    if not candidates:
        return {}
    times = [candidate.registered_at for candidate in candidates]
    statement = select(calls.c.phone_term, *CALL_COLUMNS).where(
        calls.c.phone_term.in_({candidate.term for candidate in candidates}),
        calls.c.started_at.between(min(times) - LONGEST_CALL, max(times)),
    )
    by_term = defaultdict[str, list[Call]](list)
    for term, *columns in connection.execute(statement):
        by_term[term].append(Call._make(columns))
    theirs = {each.number: call_of(each.registered_at, by_term[each.term]) for each in candidates}
    return {number: call for number, call in theirs.items() if call}
