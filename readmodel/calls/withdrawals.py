"""Withdrawals (撤销) by a call, compared with the call when they are read: the two may come in any order."""

from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import Field
from sqlalchemy import Row, select

from domain.calls.call import ARRIVES_WITHIN, Call, CallMismatch, mismatch_of
from domain.case.lifecycle import State
from domain.case.views import CaseView
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Place, RowPage, in_order, page_of
from readmodel.calls.calls import CALL_COLUMNS
from readmodel.calls.contacts import telephone_before
from readmodel.calls.tables import calls
from readmodel.cases.search_terms import phone_term
from readmodel.cases.tables import cases, withdrawals

_row = withdrawals.c
CHUNK = 500
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
    """Return what is against the call for a withdrawal of the case by this agent.

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
    """Return a page of the withdrawals that their call does not confirm, newest first. Raises BadCursorError.

    A call that is not known, or not completely, counts against them once `ARRIVES_WITHIN` is over at `at`.
    """
    after = None if cursor is None else Place.of(cursor)
    statement = in_order(_STATEMENT, _row.withdrawn_at, _row.number, after).execution_options(yield_per=CHUNK)
    with connection.execute(statement) as rows:
        compared = (_compared(row, at, area_code) for row in rows)
        found = [*islice(filter(None, compared), limit + 1)]
    return page_of(found, limit, lambda each: Place(each.withdrawn_at, each.number))


_STATEMENT = (
    select(
        *(_row[name] for name in ("number", "withdrawn_at", "withdrawn_by", "named_call", "phone_term")),
        cases.c.state,
        cases.c.registered_at,
        *CALL_COLUMNS,
    )
    .join_from(withdrawals, cases, cases.c.number == _row.number)
    .outerjoin(calls, calls.c.call_id == _row.named_call)
)


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
