"""Queries of caller records (来电人): the customer in the registry, earlier cases, and thanks (表扬)."""

from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Row, Select, select, tuple_

from domain.case.intake import THANKS, Caller, Registered
from domain.case.lifecycle import State
from domain.customers.customer import CallerRecord, Customer, EarlierCase, KnownCaller, OpenIncident, Thanks
from readmodel.conditions import IS_OPEN
from readmodel.customers import CallerIdentity, customer_of, get_customer, shares_phone
from readmodel.database import ReadConnection
from readmodel.incidents import open_in
from readmodel.paging import Place, newest_first
from readmodel.tables import cases, events, search_words

MOST = 20
"""Most cases, and most thanks, in a record."""
_ROWS = 10 * MOST
"""Most rows that are read for them: several terms may find one case, and one term cases of others."""


def caller_record(
    connection: ReadConnection, caller: Caller, before: Place, area_code: str = "", department: str | None = None
) -> CallerRecord:
    """Return the record of a caller before the case of a place. `area_code` is that of telephones without one.

    If a department is given, only cases that it has are in it.
    """
    customer = customer_of(connection, caller, area_code)
    earlier = tuple_(search_words.c.registered_at, search_words.c.number) < before.bound()
    conditions = [earlier] if department is None else [earlier, cases.c.department == department]
    return _record(connection, customer, _identity(connection, caller, customer, area_code), *conditions)


def known_caller(connection: ReadConnection, caller: Caller, area_code: str = "") -> KnownCaller:
    """Return what is known of a caller who has no case yet. `area_code` is that of telephones without one."""
    customer = customer_of(connection, caller, area_code)
    identity = _identity(connection, caller, customer, area_code)
    record = _record(connection, customer, identity)
    at_home = customer.district if customer else None
    district = at_home or next((case.district for case in record.earlier_cases if case.district), None)
    return KnownCaller(
        **dict(record),
        open_cases=tuple(map(_case, _cases(connection, identity, IS_OPEN))),
        incidents=tuple(
            OpenIncident.model_validate({**dict(incident), "services": incident.scope.services})
            for incident in open_in(connection, district)
        ),
    )


def customer_record(connection: ReadConnection, account_no: str, area_code: str = "") -> CallerRecord | None:
    """Return the record of a customer; None if the registry has none."""
    customer = get_customer(connection, account_no)
    if customer is None:
        return None
    return _record(connection, customer, CallerIdentity(area_code, _registered(connection, customer, area_code)))


def thanks_between(connection: ReadConnection, start: datetime, end: datetime) -> tuple[Thanks, ...]:
    """Return the thanks from `start` on, before `end`, oldest first; without those withdrawn or refused."""
    statement = (
        _registered_cases()
        .where(cases.c.service_code == THANKS, cases.c.registered_at >= start, cases.c.registered_at < end)
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


def _record(
    connection: ReadConnection, customer: Customer | None, identity: CallerIdentity, *conditions: ColumnElement[bool]
) -> CallerRecord:
    earlier = _cases(connection, identity, *conditions)
    thanks = _cases(connection, identity, *conditions, cases.c.service_code == THANKS)
    return CallerRecord(customer=customer, earlier_cases=tuple(map(_case, earlier)), thanks=tuple(map(_thanks, thanks)))


def _cases(connection: ReadConnection, identity: CallerIdentity, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
    """Return the newest cases of a caller that meet the conditions, each once."""
    statement = _registered_cases().join(search_words, search_words.c.number == cases.c.number)
    statement = statement.where(search_words.c.word.in_(identity.terms()), *conditions).limit(_ROWS)
    statement = newest_first(statement, search_words.c.registered_at, search_words.c.number, None)
    found = {row.number: row for row in connection.execute(statement) if identity.has(row)}
    return list(found.values())[:MOST]


def _registered_cases() -> Select[Any]:
    registration = (events.c.number == cases.c.number) & (events.c.seq == 1)
    return select(cases, events.c.data.label("registration")).join(events, registration)


def _case(row: Row[Any]) -> EarlierCase:
    return EarlierCase.model_validate({**row._mapping, "flags": from_json(row.flags)})  # noqa: SLF001 - public, by its docs


def _thanks(row: Row[Any]) -> Thanks:
    thanked = Registered.model_validate_json(row.registration).intake.thanked
    return Thanks(number=row.number, at=row.registered_at, thanked=thanked, message=row.description)
