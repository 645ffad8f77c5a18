"""Queries of caller records (来电人): the customer in the registry, earlier cases, and thanks (表扬)."""

from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Row, Select, select, tuple_

from domain.case.actions.correct import Corrected
from domain.case.intake import THANKS_SERVICE, Caller, Registered
from domain.case.lifecycle import State
from domain.customers.customer import CallerRecord, Customer, EarlierCase, KnownCaller, OpenIncident, Thanks
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Place, in_order
from readmodel.base.statements import is_one_of
from readmodel.cases.search_terms import phone_term, phone_terms
from readmodel.cases.tables import IS_OPEN, cases, events, search_words
from readmodel.customers import CallerIdentity, customer_of, get_customer, shares_phone
from readmodel.incidents.incidents import open_in

MOST = 20
"""Most cases, and most thanks, in a record."""
_ROWS = 10 * MOST
"""Most rows that are read for them: one term may find cases of others as well."""
_NUMBERS = 5000
"""Most cases of one caller that are looked at, the newest: a building's caretaker may have hundreds."""


def caller_record(
    connection: ReadConnection, caller: Caller, before: Place, area_code: str = "", department: str | None = None
) -> CallerRecord:
    """Return the record of a caller before the case of a place. `area_code` is that of telephones without one.

    If a department is given, only cases that it has are in it.
    """
    customer = customer_of(connection, caller, area_code)
    earlier = tuple_(cases.c.registered_at, cases.c.number) < before.bound()
    conditions = [earlier] if department is None else [earlier, cases.c.department == department]
    theirs = _Cases(connection, _identity(connection, caller, customer, area_code))
    return _record(customer, theirs, *conditions)


def known_caller(connection: ReadConnection, caller: Caller, area_code: str = "") -> KnownCaller:
    """Return what is known of a caller who has no case yet. `area_code` is that of telephones without one."""
    customer = customer_of(connection, caller, area_code)
    theirs = _Cases(connection, _identity(connection, caller, customer, area_code))
    record = _record(customer, theirs)
    at_home = customer.district if customer else None
    district = at_home or next((case.district for case in record.earlier_cases if case.district), None)
    return KnownCaller(
        **dict(record),
        open_cases=tuple(map(_case, theirs.newest(IS_OPEN))),
        incidents=tuple(
            OpenIncident.model_validate({**dict(incident), "services": services})
            for incident, services in (open_in(connection, district) if district else ())
        ),
    )


def links_sent(connection: ReadConnection, phone: str, area_code: str, since: datetime) -> list[datetime]:
    """Return when links were sent to a telephone since then, for all of its cases, the oldest first.

    A link counts for the telephone that the case had then, whatever was corrected since.
    """
    later, key = events.alias("later"), (events.c.at, events.c.number, events.c.seq)
    is_correction = (later.c.number == events.c.number) & (later.c.seq > events.c.seq) & (later.c.action == "correct")
    has_term = select(search_words.c.number).where(search_words.c.word.in_(phone_terms(phone, area_code)))
    statement = (
        select(*key, cases.c.caller_phone, later.c.data)
        .join(cases, cases.c.number == events.c.number)
        .outerjoin(later, is_correction)
        .where(events.c.action == "send_link", events.c.at > since)
        .where(later.c.number.is_not(None) | events.c.number.in_(has_term))
        .order_by(*key, later.c.seq)
    )
    now, then = dict[Any, str | None](), dict[Any, str | None]()
    for at, number, seq, present, correction in connection.execute(statement):
        now[at, number, seq] = present
        if correction and (corrected := Corrected.model_validate_json(correction)).changes_phone:
            then.setdefault((at, number, seq), corrected.former_phone)
    # A term may be that of something else in the case.
    term = phone_term(phone, area_code)
    return [at for (at, *_), had in (now | then).items() if had and phone_term(had, area_code) == term]


def customer_record(connection: ReadConnection, account_no: str, area_code: str = "") -> CallerRecord | None:
    customer = get_customer(connection, account_no)
    if customer is None:
        return None
    return _record(
        customer, _Cases(connection, CallerIdentity(area_code, _registered(connection, customer, area_code)))
    )


def thanks_between(connection: ReadConnection, start: datetime, end: datetime) -> tuple[Thanks, ...]:
    """Return the thanks from `start` on, before `end`, oldest first; without those withdrawn or refused."""
    statement = (
        _registered_cases()
        .where(cases.c.service_code == THANKS_SERVICE, cases.c.registered_at >= start, cases.c.registered_at < end)
        .where(cases.c.state.not_in([State.WITHDRAWN, State.REFUSED]))
        .order_by(cases.c.registered_at, cases.c.number)
    )
    return tuple(map(_thanks, connection.execute(statement)))


def _identity(connection: ReadConnection, caller: Caller, customer: Customer | None, area_code: str) -> CallerIdentity:
    callers = [caller] if customer is None else [caller, _registered(connection, customer, area_code)]
    return CallerIdentity(area_code, *callers)


def _registered(connection: ReadConnection, customer: Customer, area_code: str) -> Caller:
    """Return the customer's account, and the telephone if no other account has it."""
    phone = None if shares_phone(connection, customer, area_code) else customer.phone
    return Caller.model_construct(account_no=customer.account_no, phone=phone)


def _record(customer: Customer | None, theirs: "_Cases", *conditions: ColumnElement[bool]) -> CallerRecord:
    earlier, thanks = theirs.newest(*conditions), theirs.newest(*conditions, cases.c.service_code == THANKS_SERVICE)
    return CallerRecord(customer=customer, earlier_cases=tuple(map(_case, earlier)), thanks=tuple(map(_thanks, thanks)))


class _Cases:
    """Cases of one caller. Their numbers are read first: PostgreSQL would join the terms with all open cases."""

    def __init__(self, connection: ReadConnection, identity: CallerIdentity) -> None:
        found = select(search_words.c.number).where(search_words.c.word.in_(identity.terms())).limit(_NUMBERS)
        ordered = in_order(found, search_words.c.registered_at, search_words.c.number, None)
        self._numbers = dict.fromkeys(connection.scalars(ordered))
        self._connection = connection
        self._identity = identity

    def newest(self, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
        if not self._numbers:
            return []
        theirs = is_one_of(self._connection, cases.c.number, self._numbers)
        statement = _registered_cases().where(theirs, *conditions).limit(_ROWS)
        rows = self._connection.execute(in_order(statement, cases.c.registered_at, cases.c.number, None))
        return [row for row in rows if self._identity.has(row)][:MOST]


def _registered_cases() -> Select[Any]:
    registration = (events.c.number == cases.c.number) & (events.c.seq == 1)
    return select(cases, events.c.data.label("registration")).join(events, registration)


def _case(row: Row[Any]) -> EarlierCase:
    return EarlierCase.model_validate({**row._mapping, "flags": from_json(row.flags)})  # noqa: SLF001 - public, by its docs


def _thanks(row: Row[Any]) -> Thanks:
    thanked = Registered.model_validate_json(row.registration).intake.thanked
    return Thanks(number=row.number, at=row.registered_at, thanked=thanked, message=row.description)
