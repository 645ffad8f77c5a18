"""Telephones that a link to the caller's page may go to: not one of the staff, nor one that a case's owner has put in.

The answer that the page takes is the caller's own judgement of the work, so nobody who did the work may open it.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import or_, select

from domain.case.actions.correct import Corrected
from readmodel.base.database import ReadConnection
from readmodel.calls.tables import calls
from readmodel.cases.search_terms import phone_terms
from readmodel.cases.tables import PROGRESS, cases, events
from readmodel.customers import customers
from readmodel.people.people import people


def may_link(connection: ReadConnection, phones: Mapping[str, str | None], area_code: str) -> frozenset[str]:
    """Cases, of these numbers with their callers' telephones, whose telephone a link may go to.

    A telephone that the owner of the case has put in after the registration needs a witness: the registry, for the
    account of the registration, or a call of the case. That of the registration itself needs none.
    """
    terms = {number: frozenset(phone_terms(phone, area_code)) for number, phone in phones.items() if phone}
    if not terms:
        return frozenset()
    listed = connection.scalars(select(people.c.phone).where(people.c.phone.is_not(None), people.c.left_at.is_(None)))
    staff = {term for phone in listed for term in phone_terms(phone, area_code)}
    outside = {number: mine for number, mine in terms.items() if staff.isdisjoint(mine)}
    by_owner = PROGRESS[("contact_changed", "by_owner")].as_boolean()
    changed = select(cases.c.number, cases.c.call_id).where(cases.c.number.in_(outside), by_owner)
    without_witness = {
        number
        for number, call_id in connection.execute(changed)
        if not _has_witness(connection, number, call_id, outside[number], area_code)
    }
    return frozenset(outside.keys() - without_witness)


def link_goes_nowhere(connection: ReadConnection, number: str, area_code: str) -> bool:
    phone = connection.scalar(select(cases.c.caller_phone).where(cases.c.number == number))
    return phone is not None and number not in may_link(connection, {number: phone}, area_code)


def telephone_before(connection: ReadConnection, number: str, person: str, seq: int) -> str | None:
    """Telephone that the case had by the event of `seq`, if this person had corrected none; None without."""
    statement = (
        select(events.c.data)
        .where(events.c.number == number, events.c.seq < seq, events.c.action == "correct", events.c.actor != person)
        .order_by(events.c.seq.desc())
    )
    for data in connection.scalars(statement):
        corrected = Corrected.model_validate_json(data)
        if corrected.changes_phone and corrected.after.caller:
            return corrected.after.caller.phone
    phone, _ = _registered_with(connection, number)
    return phone


def _registered_with(connection: ReadConnection, number: str) -> tuple[str | None, str | None]:
    """Telephone and account of the caller at the registration of a case; None where there was none."""
    contact = (events.c.data[("intake", "caller", name)].as_string() for name in ("phone", "account_no"))
    found = connection.execute(select(*contact).where(events.c.number == number, events.c.seq == 1)).one_or_none()
    return (found[0], found[1]) if found else (None, None)


def _has_witness(
    connection: ReadConnection, number: str, call_id: str | None, terms: Iterable[str], area_code: str
) -> bool:
    """Return True if a call of the case came from it, or the registration had it, or the registry for its account."""
    of_case = or_(calls.c.complaint == number, calls.c.call_id == call_id) if call_id else calls.c.complaint == number
    if connection.scalar(select(calls.c.call_id).where(of_case, calls.c.phone_term.in_(terms)).limit(1)):
        return True
    phone, account_no = _registered_with(connection, number)
    known = phone, connection.scalar(select(customers.c.phone).where(customers.c.account_no == account_no))
    return not set(terms).isdisjoint(term for phone in known if phone for term in phone_terms(phone, area_code))
