"""The record of a caller (来电人): the customer as the registry has it, the cases of before, and thanks (表扬)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Row, select, tuple_

from domain.case.intake import THANKS, Caller
from domain.case.lifecycle import State
from domain.customers.customer import CallerRecord, Customer, EarlierCase, Thanks
from readmodel.customers import customer_of, get_customer, shares_phone
from readmodel.database import ReadConnection
from readmodel.paging import Place
from readmodel.search_terms import account_term, phone_term, phone_terms
from readmodel.tables import cases, events, search_words

MOST = 20
"""Cases, and thanks, that a record shows."""
_ROWS = 10 * MOST
"""Most rows that are looked through for them: a case may be found by several terms, or by one that means another."""


@dataclass(frozen=True, slots=True)
class _Whose:
    """What the cases of one caller have, any of it."""

    accounts: frozenset[str]
    phones: frozenset[str]
    area_code: str

    @classmethod
    def of(cls, area_code: str, *callers: Caller | None) -> "_Whose":
        known = [caller for caller in callers if caller]
        return cls(
            frozenset(caller.account_no for caller in known if caller.account_no),
            frozenset(phone_term(caller.phone, area_code) for caller in known if caller.phone),
            area_code,
        )

    def terms(self) -> set[str]:
        kept = (term for phone in self.phones for term in phone_terms(phone, self.area_code))
        return {*map(account_term, self.accounts), *kept}

    def has(self, case: Row[Any]) -> bool:
        phone = case.caller_phone and phone_term(case.caller_phone, self.area_code)
        return case.caller_account_no in self.accounts or phone in self.phones


def caller_record(connection: ReadConnection, caller: Caller, before: Place, area_code: str = "") -> CallerRecord:
    """What was known of this caller before the case of this place. The area code is that of telephones without one."""
    customer = customer_of(connection, caller, area_code)
    place = before.bound()
    earlier = tuple_(search_words.c.registered_at, search_words.c.number) < place
    whose = _Whose.of(area_code, caller, _his(connection, customer, area_code))
    return _record(connection, customer, whose, earlier)


def customer_record(connection: ReadConnection, account_no: str, area_code: str = "") -> CallerRecord | None:
    """What is known of this customer; None where the registry has none."""
    customer = get_customer(connection, account_no)
    whose = _Whose.of(area_code, _his(connection, customer, area_code))
    return None if customer is None else _record(connection, customer, whose)


def _his(connection: ReadConnection, customer: Customer | None, area_code: str) -> Caller | None:
    """What leads to the cases of a customer: his account, and his telephone where no other account has it."""
    if customer is None:
        return None
    phone = None if shares_phone(connection, customer, area_code) else customer.phone
    return Caller.model_construct(account_no=customer.account_no, phone=phone)


def _record(
    connection: ReadConnection, customer: Customer | None, whose: _Whose, *conditions: ColumnElement[bool]
) -> CallerRecord:
    earlier = _cases(connection, whose, *conditions)
    thanks = _cases(connection, whose, *conditions, cases.c.service_code == THANKS)
    return CallerRecord(customer=customer, earlier_cases=tuple(map(_case, earlier)), thanks=tuple(map(_thanks, thanks)))


def _cases(connection: ReadConnection, whose: _Whose, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
    """The newest cases that meet the conditions, each once, with what was registered."""
    statement = (
        select(cases, events.c.data.label("registration"))
        .select_from(search_words)
        .join(cases, cases.c.number == search_words.c.number)
        .join(events, (events.c.number == search_words.c.number) & (events.c.seq == 1))
        .where(search_words.c.word.in_(whose.terms()), *conditions)
        .order_by(search_words.c.registered_at.desc(), search_words.c.number.desc())
        .limit(_ROWS)
    )
    found = {row.number: row for row in connection.execute(statement) if whose.has(row)}
    return list(found.values())[:MOST]


def _case(row: Row[Any]) -> EarlierCase:
    return EarlierCase(
        number=row.number,
        service_code=row.service_code,
        state=row.state,
        flags=from_json(row.flags),
        registered_at=row.registered_at,
        closed_at=row.closed_at,
        description=row.description,
    )


def thanks_between(connection: ReadConnection, start: datetime, end: datetime) -> tuple[Thanks, ...]:
    """The thanks given from `start` on, before `end`, oldest first; without what was withdrawn or refused."""
    statement = (
        select(cases, events.c.data.label("registration"))
        .join(events, (events.c.number == cases.c.number) & (events.c.seq == 1))
        .where(cases.c.service_code == THANKS, cases.c.registered_at >= start, cases.c.registered_at < end)
        .where(cases.c.state.not_in([State.WITHDRAWN.value, State.REFUSED.value]))
        .order_by(cases.c.registered_at, cases.c.number)
    )
    return tuple(map(_thanks, connection.execute(statement)))


def _thanks(row: Row[Any]) -> Thanks:
    thanked = from_json(row.registration)["intake"].get("thanked")
    return Thanks(number=row.number, at=row.registered_at, thanked=thanked, message=row.description)
