"""Telephones that a link to the caller's page may go to: not one of the staff, nor one that a case's owner has put in.

The answer that the page takes is the caller's own judgement of the work, so nobody who did the work may open it.
"""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel
from sqlalchemy import or_, select

from domain.case.actions.correct import Corrected
from domain.case.intake import Caller
from domain.case.progress import ContactChange
from readmodel.base.database import ReadConnection
from readmodel.calls.tables import calls
from readmodel.cases.search_terms import phone_terms
from readmodel.cases.tables import cases, events
from readmodel.customers import customers
from readmodel.people.tables import people


class _Changed(BaseModel):
    """Part of the progress that tells who changed the telephone."""

    contact_changed: ContactChange | None = None


class _Said(BaseModel):
    """Caller of an intake."""

    caller: Caller = Caller()


class _Taken(BaseModel):
    """Part of a registration."""

    intake: _Said


def may_link(connection: ReadConnection, phones: Mapping[str, str | None], area_code: str) -> frozenset[str]:
    """Return the cases, of these numbers with their callers' telephones, whose telephone a link may go to.

    A telephone that the owner of the case has put in after the registration needs a witness: the registry, for the
    account of the registration, or a call of the case. That of the registration itself needs none.
    """
    terms = {number: frozenset(phone_terms(phone, area_code)) for number, phone in phones.items() if phone}
    if not terms:
        return frozenset()
    listed = connection.scalars(select(people.c.phone).where(people.c.phone.is_not(None), people.c.left_at.is_(None)))
    staff = {term for phone in listed for term in phone_terms(phone, area_code)}
    outside = {number: mine for number, mine in terms.items() if staff.isdisjoint(mine)}
    statement = select(cases.c.number, cases.c.call_id, cases.c.document).where(cases.c.number.in_(outside))
    allowed = set(outside)
    for row in connection.execute(statement):
        change = _Changed.model_validate_json(row.document).contact_changed
        by_owner = change is not None and change.by_owner
        if by_owner and not _has_witness(connection, row.number, row.call_id, outside[row.number], area_code):
            allowed.discard(row.number)
    return frozenset(allowed)


def link_goes_nowhere(connection: ReadConnection, number: str, area_code: str) -> bool:
    phone = connection.scalar(select(cases.c.caller_phone).where(cases.c.number == number))
    return phone is not None and number not in may_link(connection, {number: phone}, area_code)


def telephone_before(connection: ReadConnection, number: str, person: str, seq: int) -> str | None:
    """Return the telephone that the case had by the event of `seq`, if this person had corrected none; None without."""
    statement = (
        select(events.c.data)
        .where(events.c.number == number, events.c.seq < seq, events.c.action == "correct", events.c.actor != person)
        .order_by(events.c.seq.desc())
    )
    for data in connection.scalars(statement):
        corrected = Corrected.model_validate_json(data)
        if corrected.changes_phone and corrected.after.caller:
            return corrected.after.caller.phone
    return _registered_caller(connection, number).phone


def _registered_caller(connection: ReadConnection, number: str) -> Caller:
    first = connection.scalar(select(events.c.data).where(events.c.number == number, events.c.seq == 1))
    return _Taken.model_validate_json(first).intake.caller if first else Caller()


def _has_witness(
    connection: ReadConnection, number: str, call_id: str | None, terms: Iterable[str], area_code: str
) -> bool:
    """Return True if a call of the case came from it, or the registration had it, or the registry for its account."""
    of_case = or_(calls.c.complaint == number, calls.c.call_id == call_id) if call_id else calls.c.complaint == number
    if connection.scalar(select(calls.c.call_id).where(of_case, calls.c.phone_term.in_(terms)).limit(1)):
        return True
    caller = _registered_caller(connection, number)
    of_account = select(customers.c.phone).where(customers.c.account_no == caller.account_no)
    told = caller.phone, connection.scalar(of_account) if caller.account_no else None
    return not set(terms).isdisjoint(term for phone in told if phone for term in phone_terms(phone, area_code))
