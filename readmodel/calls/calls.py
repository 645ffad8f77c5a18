"""Calls (来电): kept as the telephone system reports them, in any order and as often as it does; and their lists.

Links between calls and cases are computed when they are read: call and case may come in any order. A call belongs to
the case that it names, and to the cases that name it at their intake. If it has neither, it belongs to those that were
registered in it by telephone and time (`domain.calls.call`) and name no call that is known.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from pydantic import Field
from sqlalchemy import Boolean, ColumnElement, Row, exists, literal_column, or_, select

from domain.calls.call import (
    AFTER_CALL_WORK,
    ARRIVES_WITHIN,
    LONGEST_CALL,
    Call,
    CallMismatch,
    CallOutcome,
    call_of,
    mismatch_of,
)
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.case.views import CaseView
from domain.shared.value import Immutable
from readmodel.base.database import Imported, ReadConnection, RowValues, WriteConnection, is_one_of, lock, upsert_many
from readmodel.base.paging import CALL_ID, Position, RowPage, in_order, page_of, read_page
from readmodel.calls.call_backs import note_calls
from readmodel.calls.contacts import telephone_before
from readmodel.calls.tables import UNANSWERED, calls
from readmodel.cases.search_terms import phone_term, phone_terms
from readmodel.cases.tables import cases, search_words, withdrawals

SLOT = timedelta(minutes=15)
"""Length of a slot. Every time zone is a whole number of them from UTC, so reports by local hours can add them up."""
CALLS_LOCK = 5_170_002
"""Number of the lock of all writers of calls."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
CALL_COLUMNS = tuple(calls.c[name] for name in Call._fields)
"""Columns of a call, in the order of its fields."""


def save_calls(
    connection: WriteConnection, given: Iterable[Call], area_code: str = "", at: datetime | None = None
) -> Imported:
    """Add calls, or merge them with what is known of them, and put callers whom nobody answered on the call-back list.

    `at` is the present instant, None: by the clock. The calls should be a few thousand at most, as they are held in
    memory and others wait for the transaction.
    """
    reported: dict[str, Call] = {}
    for call in given:
        before = reported.get(call.call_id)
        reported[call.call_id] = before.merged(call) if before else call
    # Two imports at once must not read what the other is about to write.
    lock(connection, CALLS_LOCK)
    found = connection.execute(select(*CALL_COLUMNS).where(is_one_of(connection, calls.c.call_id, reported)))
    known = {row.call_id: Call._make(row) for row in found}
    after = [known[key].merged(call) if key in known else call for key, call in reported.items()]
    differing = [call for call in after if known.get(call.call_id) != call]
    rows = [_row(call, area_code) for call in differing]
    upsert_many(connection, calls, rows)
    note_calls(connection, rows, at or datetime.now(UTC))
    added = len(reported) - len(known)
    return Imported(added, len(differing) - added, len(reported) - len(differing))


def _row(call: Call, area_code: str) -> RowValues:
    waited, talked = call.waited, call.talked
    return {
        **call._asdict(),
        "outcome": call.outcome,
        "slot": (call.started_at - EPOCH) // SLOT,
        "wait_ms": None if waited is None else waited // _MILLISECOND,
        "talk_ms": None if talked is None else talked // _MILLISECOND,
        "phone_term": call.caller_phone and phone_term(call.caller_phone, area_code),
    }


@dataclass(frozen=True, slots=True)
class CallFilters:
    """Filters of a list of calls; None, or no outcome, lets all pass. `until` is the first instant that does not."""

    agent: str | None = None
    queue: str | None = None
    outcome: tuple[CallOutcome, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        given = {name: value for name in ("agent", "queue") if (value := getattr(self, name))}
        found: list[ColumnElement[bool]] = [calls.c[name] == value for name, value in given.items()]
        if self.outcome:
            found.append(calls.c.outcome.in_(self.outcome))
        if self.outcome and CallOutcome.ANSWERED not in self.outcome:
            found.append(literal_column(UNANSWERED, Boolean))
        if self.since:
            found.append(calls.c.started_at >= self.since)
        if self.until:
            found.append(calls.c.started_at < self.until)
        return found


def page_of_calls(connection: ReadConnection, filters: CallFilters, cursor: str | None, limit: int) -> RowPage[Call]:
    """Raise BadCursorError for a cursor that no page gave out."""
    statement, by = select(*CALL_COLUMNS).where(*filters.conditions()), (calls.c.started_at, calls.c.call_id)
    return read_page(connection, statement, by, cursor, limit, Call._make, keys=CALL_ID)


BY_TELEPHONE = "phone"
"""Intake channel of the cases that are registered in calls."""


class LinkedCall(NamedTuple):
    """Call, and the numbers of its cases: first the one that it names, then in the order of registration."""

    call: Call
    complaints: tuple[str, ...]


def linked_calls(
    connection: ReadConnection, filters: CallFilters, cursor: str | None, limit: int, area_code: str
) -> RowPage[LinkedCall]:
    """Raise BadCursorError for a cursor that no page gave out."""
    page = page_of_calls(connection, filters, cursor, limit)
    return RowPage(tuple(_linked(connection, page.items, area_code)), page.next_cursor)


def calls_of_case(connection: ReadConnection, case: Case, area_code: str) -> list[LinkedCall]:
    intake = case.intake
    perhaps: list[ColumnElement[bool]] = [calls.c.complaint == case.number, calls.c.call_id == intake.call_id]
    if intake.caller.phone:
        theirs = calls.c.phone_term == phone_term(intake.caller.phone, area_code)
        perhaps.append(theirs & calls.c.started_at.between(case.registered_at - LONGEST_CALL, case.registered_at))
    newest_first = select(*CALL_COLUMNS).order_by(calls.c.started_at.desc(), calls.c.call_id.desc())
    found = [Call._make(row) for row in connection.execute(newest_first.where(or_(*perhaps)))]
    return [each for each in _linked(connection, found, area_code) if case.number in each.complaints]


def _linked(connection: ReadConnection, found: Sequence[Call], area_code: str) -> list[LinkedCall]:
    complaints = {call.call_id: [call.complaint] if call.complaint else [] for call in found}
    in_order = select(cases.c.number, cases.c.call_id).order_by(cases.c.registered_at, cases.c.number)
    for number, call_id in connection.execute(in_order.where(cases.c.call_id.in_(complaints))):
        complaints[call_id].append(number)
    rest = {call.call_id: call for call in found if not complaints[call.call_id] and call.caller_phone}
    for number, call in _registered_in(connection, rest.values(), area_code):
        if call and call.call_id in rest:
            complaints[call.call_id].append(number)
    return [LinkedCall(call, tuple(dict.fromkeys(complaints[call.call_id]))) for call in found]


def _registered_in(
    connection: ReadConnection, found: Collection[Call], area_code: str
) -> Iterator[tuple[str, Call | None]]:
    """Yield the cases that may belong to one of these calls, each with its call by telephone and time."""
    words = {term for call in found for term in phone_terms(call.caller_phone or "", area_code)}
    starts = [call.started_at for call in found]
    if not starts:
        return
    statement = (
        select(cases.c.number, cases.c.registered_at, cases.c.caller_phone)
        .join(search_words, search_words.c.number == cases.c.number)
        .where(
            search_words.c.word.in_(words),
            search_words.c.registered_at.between(min(starts), max(starts) + LONGEST_CALL + AFTER_CALL_WORK),
            cases.c.channel == BY_TELEPHONE,
            cases.c.caller_phone.is_not(None),
            ~exists().where(calls.c.call_id == cases.c.call_id),
        )
        .order_by(cases.c.registered_at, cases.c.number)
    )
    registered = [(number, at, phone_term(phone, area_code)) for number, at, phone in connection.execute(statement)]
    times = [at for _, at, _ in registered]
    if not times:
        return
    of_terms = calls.c.phone_term.in_({term for *_, term in registered})
    between = calls.c.started_at.between(min(times) - LONGEST_CALL, max(times))
    by_term = defaultdict[str, list[Call]](list)
    for term, *columns in connection.execute(select(calls.c.phone_term, *CALL_COLUMNS).where(of_terms, between)):
        by_term[term].append(Call._make(columns))
    yield from {number: call_of(at, by_term[term]) for number, at, term in registered}.items()


WITHDRAWALS_TOGETHER = 500
"""Withdrawals that are fetched at once: those that their call confirms are left out of the list."""


class Unconfirmed(Immutable):
    """Withdrawal (撤销) that its call does not confirm."""

    number: str = Field(description="Number of the case.")
    state: State = Field(description="State of the case now.")
    withdrawn_at: datetime
    agent: str = Field(description="Who withdrew it.")
    call_id: str = Field(description="The call that the agent named.")
    mismatch: CallMismatch = Field(
        description="`agent`: somebody else answered it; `telephone`: it came from another telephone than that of the"
        " case; `earlier`: it was over before the registration; `unknown`: it was not reported within a day, or without"
        " agent or telephone."
    )


def call_mismatch(
    connection: ReadConnection, call_id: str, agent: str, case: CaseView, area_code: str
) -> CallMismatch | None:
    """Read what is against the call for a withdrawal by this agent; None if nothing is.

    A call from a telephone that the agent put in is taken, and listed later: the caller may have said so.
    """
    row = connection.execute(select(*CALL_COLUMNS).where(calls.c.call_id == call_id)).first()
    call = Call._make(row) if row else None
    phones = case.caller.phone, telephone_before(connection, case.number, agent, case.version + 1)
    found = [_mismatch(call, agent, case.number, case.registered_at, phone, area_code) for phone in phones]
    return None if None in found else found[0]


def unconfirmed(
    connection: ReadConnection, at: datetime, area_code: str, cursor: str | None = None, limit: int = 50
) -> RowPage[Unconfirmed]:
    """Withdrawals that their call does not confirm, newest first. Raises BadCursorError.

    A call that is not known, or not completely, counts against them once `ARRIVES_WITHIN` is over at `at`.
    """
    named = (withdrawals.c[name] for name in ("number", "withdrawn_at", "withdrawn_by", "named_call", "phone_term"))
    statement = (
        select(*named, cases.c.state, cases.c.registered_at, *CALL_COLUMNS)
        .join_from(withdrawals, cases, cases.c.number == withdrawals.c.number)
        .outerjoin(calls, calls.c.call_id == withdrawals.c.named_call)
        .execution_options(yield_per=WITHDRAWALS_TOGETHER)
    )
    with connection.execute(
        in_order(statement, withdrawals.c.withdrawn_at, withdrawals.c.number, Position.of(cursor))
    ) as rows:
        compared = (_compared(row, at, area_code) for row in rows)
        found = [*islice(filter(None, compared), limit + 1)]
    return page_of(found, limit, lambda each: Position(each.withdrawn_at, each.number))


def _compared(row: Row[Any], at: datetime, area_code: str) -> Unconfirmed | None:
    call = None if row.call_id is None else Call._make(row[-len(CALL_COLUMNS) :])
    mismatch = _mismatch(call, row.withdrawn_by, row.number, row.registered_at, row.phone_term, area_code)
    if mismatch is None or (mismatch is CallMismatch.UNKNOWN and at < row.withdrawn_at + ARRIVES_WITHIN):
        return None
    return Unconfirmed(
        number=row.number,
        state=row.state,
        withdrawn_at=row.withdrawn_at,
        agent=row.withdrawn_by,
        call_id=row.named_call,
        mismatch=mismatch,
    )


def _mismatch(
    call: Call | None, agent: str, number: str, registered_at: datetime, phone: str | None, area_code: str
) -> CallMismatch | None:
    calling = call and call.caller_phone
    same = bool(calling and phone) and phone_term(calling or "", area_code) == phone_term(phone or "", area_code)
    return mismatch_of(call, agent, number, registered_at, same_telephone=same)
