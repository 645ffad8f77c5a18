"""Callers (来电人): who calls, the customer in the registry, earlier cases, and thanks (表扬).

Earlier cases are found by account, telephone and address, without the registry. The registry adds the hardship, and
the customer's telephone if the account was given, or the account if the telephone was. A telephone that several
accounts share (a caretaker's, for example) identifies no customer. If it is given, its own earlier cases are found; if
an account is given, cases of the others on that telephone are not.
"""

import re
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from domain.case.actions.correct import Corrected
from domain.case.actions.register import Registered
from domain.case.intake import THANKS_SERVICE, Caller, Contact, Intake, IntakeFlag
from domain.case.lifecycle import State
from domain.catalogue.terms import USUAL_CLASS, CustomerClass
from domain.customers.customer import CallerRecord, Customer, EarlierCase, KnownCaller, OpenIncident, Thanks
from domain.shared.phones import PHONE
from readmodel.base.database import ReadConnection, WriteConnection, is_one_of
from readmodel.base.paging import Position, in_order
from readmodel.base.schema import UtcDateTime
from readmodel.cases.search_terms import address_term, phone_term, phone_terms, same_address
from readmodel.cases.tables import IS_OPEN, cases, events, search_words
from readmodel.customers import CallerIdentity, customer_of, shares_phone
from readmodel.incidents import open_in

REPEATS = timedelta(days=30)
"""Age of earlier cases that make a caller a repeat caller: the time in which one matter usually comes back."""
DUPLICATES = timedelta(hours=72)
"""Age of cases of the same service and caller or address that may be the same matter."""
MOST_DUPLICATES = 5
_ROWS = 100
"""Most cases that are read while a caller waits."""
UNRECOGNISED_PAGE = 100
"""Most cases whose corrected callers are looked up in one round."""


class CallerFacts(NamedTuple):
    """Facts about a caller at intake; cases that may be the same matter come newest first."""

    flags: tuple[IntakeFlag, ...] = ()
    possible_duplicates: tuple[str, ...] = ()
    customer_class: CustomerClass = USUAL_CLASS


class CallerLookup(NamedTuple):
    """Facts about a caller at intake, and the contact of the customer."""

    facts: CallerFacts = CallerFacts()
    contact: Contact = Contact()


UNKNOWN_CALLER = CallerLookup()

_CASE = ("number", "registered_at", "service_code", "caller_phone", "caller_account_no", "address")
_RECENT = (
    sa.select(*(cases.c[name] for name in _CASE))
    .join(search_words, search_words.c.number == cases.c.number)
    .where(search_words.c.word.in_(sa.bindparam("terms", expanding=True)))
    .where(search_words.c.registered_at >= sa.bindparam("since", type_=UtcDateTime))
    .order_by(search_words.c.registered_at.desc(), search_words.c.number.desc())
    .limit(_ROWS)
)
"""Statement for cases that have one of these terms, run with every call; a case comes once for each."""


UNRECOGNISED = (
    sa.select(cases.c.number)
    .where(cases.c.caller_version > cases.c.recognised_version, cases.c.number > sa.bindparam("after"))
    .order_by(cases.c.number)
    .limit(UNRECOGNISED_PAGE)
)
"""Cases whose caller was corrected and not looked up since, the first of them in order past a number."""


def unrecognised(connection: ReadConnection, after: str = "") -> list[str]:
    return list(connection.scalars(UNRECOGNISED, {"after": after}))


def note_recognised(connection: WriteConnection, number: str, caller_version: int) -> None:
    """Note that the caller whom this version of the case names was looked up."""
    earlier = cases.c.recognised_version < caller_version
    connection.execute(
        sa.update(cases).where(cases.c.number == number, earlier).values(recognised_version=caller_version)
    )


def recognise(
    connection: ReadConnection, intake: Intake, at: datetime, area_code: str = "", own: str | None = None
) -> CallerLookup:
    """Facts about the caller at `at`, before the call's `own` case, and the contact of the customer."""
    address = intake.location.address
    customer, phone, theirs = _known(connection, intake.caller, area_code)
    terms = theirs.identity.terms().union(filter(None, [address_term(address)]))
    found = connection.execute(_RECENT, {"terms": sorted(terms), "since": at - REPEATS})
    # A term may be that of something else as well: the cases themselves decide.
    earlier = {row.number: row for row in found if row.number != own and row.registered_at <= at}.values()
    again = [row for row in earlier if theirs.identity.has(row)]
    same = [
        row.number
        for row in earlier
        if (row in again or same_address(row.address, address))
        and row.service_code == intake.service_code
        and row.registered_at >= at - DUPLICATES
    ]
    facts = {
        IntakeFlag.HARDSHIP: customer and customer.hardship,
        IntakeFlag.REPEAT_CALLER: again,
        IntakeFlag.POSSIBLE_DUPLICATE: same,
    }
    flags, duplicates = tuple(flag for flag, holds in facts.items() if holds), tuple(same[:MOST_DUPLICATES])
    if customer is None:
        return CallerLookup(CallerFacts(flags, duplicates))
    # Files have brackets and extensions in telephones, cases have not.
    dialled = phone if phone is None or re.match(PHONE, phone) else phone_term(phone, area_code)
    return CallerLookup(
        CallerFacts(flags, duplicates, customer.customer_class),
        Contact(customer.name, dialled, customer.account_no, customer.district, customer.address),
    )


MOST_IN_RECORD = 20
"""Most cases, and most thanks, in a record."""
_ROWS_OF_RECORD = 10 * MOST_IN_RECORD
"""Most rows that are read for them: one term may find cases of others as well."""
_MOST_CASES = 5000
"""Most cases of one caller that are read, the newest: a building's caretaker may have hundreds."""


def caller_record(
    connection: ReadConnection, caller: Caller, before: Position, area_code: str = "", department: str | None = None
) -> CallerRecord:
    """Record of a caller before the case of a place; with a department, only of cases that it has."""
    customer, _, theirs = _known(connection, caller, area_code)
    return _record(customer, theirs, *_earlier(before, department))


def earlier_cases(
    connection: ReadConnection, caller: Caller, before: Position, area_code: str = "", department: str | None = None
) -> tuple[EarlierCase, ...]:
    """Cases of `caller_record` alone."""
    *_, theirs = _known(connection, caller, area_code)
    return tuple(map(_case, theirs.newest(*_earlier(before, department))))


def _earlier(before: Position, department: str | None) -> list[sa.ColumnElement[bool]]:
    earlier: sa.ColumnElement[bool] = sa.tuple_(cases.c.registered_at, cases.c.number) < before.bound()
    return [earlier] if department is None else [earlier, cases.c.department == department]


def known_caller(connection: ReadConnection, caller: Caller, area_code: str = "") -> KnownCaller:
    customer, _, theirs = _known(connection, caller, area_code)
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
    """List times, the oldest first; a link counts for the telephone of its case then, whatever was corrected since."""
    later, key = events.alias("later"), (events.c.at, events.c.number, events.c.seq)
    is_correction = (later.c.number == events.c.number) & (later.c.seq > events.c.seq) & (later.c.action == "correct")
    has_term = sa.select(search_words.c.number).where(search_words.c.word.in_(phone_terms(phone, area_code)))
    statement = (
        sa.select(*key, cases.c.caller_phone, later.c.data)
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
    customer, _, theirs = _known(connection, Caller.model_construct(account_no=account_no), area_code)
    return _record(customer, theirs) if customer else None


def thanks_between(connection: ReadConnection, start: datetime, end: datetime) -> tuple[Thanks, ...]:
    """From `start` on, before `end`, oldest first; without those withdrawn or refused."""
    statement = (
        _registered_cases()
        .where(cases.c.service_code == THANKS_SERVICE, cases.c.registered_at >= start, cases.c.registered_at < end)
        .where(cases.c.state.not_in([State.WITHDRAWN, State.REFUSED]))
        .order_by(cases.c.registered_at, cases.c.number)
    )
    return tuple(map(_thanks, connection.execute(statement)))


def _known(connection: ReadConnection, caller: Caller, area_code: str) -> tuple[Customer | None, str | None, "_Cases"]:
    """Find the customer who calls, None if the registry has none, the own telephone, and the cases of the caller."""
    customer, callers, phone = customer_of(connection, caller, area_code), [caller], None
    if customer:
        # A telephone that another account has as well finds the cases of others.
        phone = None if shares_phone(connection, customer, area_code) else customer.phone
        callers.append(Caller.model_construct(account_no=customer.account_no, phone=phone))
    return customer, phone, _Cases(connection, CallerIdentity(area_code, *callers))


def _record(customer: Customer | None, theirs: "_Cases", *conditions: sa.ColumnElement[bool]) -> CallerRecord:
    earlier, thanks = theirs.newest(*conditions), theirs.newest(*conditions, cases.c.service_code == THANKS_SERVICE)
    return CallerRecord(customer=customer, earlier_cases=tuple(map(_case, earlier)), thanks=tuple(map(_thanks, thanks)))


class _Cases:
    """Cases of one caller. Their numbers are read first: PostgreSQL would join the terms with all open cases."""

    def __init__(self, connection: ReadConnection, identity: CallerIdentity) -> None:
        self.identity = identity
        self._connection = connection

    @cached_property
    def _numbers(self) -> dict[str, None]:
        words = search_words.c
        found = sa.select(words.number).where(words.word.in_(self.identity.terms())).limit(_MOST_CASES)
        return dict.fromkeys(self._connection.scalars(in_order(found, words.registered_at, words.number, None)))

    def newest(self, *conditions: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
        if not self._numbers:
            return []
        theirs = is_one_of(self._connection, cases.c.number, self._numbers)
        statement = _registered_cases().where(theirs, *conditions).limit(_ROWS_OF_RECORD)
        rows = self._connection.execute(in_order(statement, cases.c.registered_at, cases.c.number, None))
        return [row for row in rows if self.identity.has(row)][:MOST_IN_RECORD]


def _registered_cases() -> sa.Select[Any]:
    registration = (events.c.number == cases.c.number) & (events.c.seq == 1)
    return sa.select(cases, events.c.data.label("registration")).join(events, registration)


def _case(row: sa.Row[Any]) -> EarlierCase:
    return EarlierCase.model_validate(row._mapping)  # noqa: SLF001 - public, by its docs


def _thanks(row: sa.Row[Any]) -> Thanks:
    thanked = Registered.model_validate_json(row.registration).intake.thanked
    return Thanks(number=row.number, at=row.registered_at, thanked=thanked, message=row.description)
