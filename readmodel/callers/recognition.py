"""Recognition of callers (来电人): the customer of an account or telephone, and earlier cases.

Earlier cases are found by account, telephone and address, without the registry. The registry adds the hardship, and
the customer's telephone if the account was given, or the account if the telephone was. A telephone that several
accounts share (a caretaker's, for example) identifies no customer. If it is given, its own earlier cases are found; if
an account is given, cases of the others on that telephone are not.
"""

import re
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    String,
    bindparam,
    case,
    exists,
    func,
    literal,
    select,
    true,
    update,
)

from domain.case.intake import Caller, Contact, Intake, IntakeFlag
from domain.catalogue.terms import USUAL_CLASS, CustomerClass
from domain.shared.text import PHONE
from readmodel.base.database import ReadConnection, WriteConnection
from readmodel.base.schema import UtcDateTime
from readmodel.cases.search_terms import FORMS, account_term, address_term, phone_terms, same_address
from readmodel.cases.tables import cases, search_words
from readmodel.customers import CallerIdentity, customers

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

_PHONE = [f"phone_{place}" for place in range(FORMS)]
"""Parameters for the telephone given, in each form that cases and customers may have."""
_by_account = customers.c.account_no == bindparam("account_no")
_matched = (
    select(customers, _by_account.label("by_account"))
    .where(_by_account | customers.c.phone_term.in_([bindparam(name) for name in _PHONE]))
    .order_by(_by_account.desc())
    .limit(1)
    .subquery()
)
"""Customer of the account, or else one of the telephone."""
_others = customers.alias()
_shared = exists().where(_others.c.phone_term == _matched.c.phone_term, _others.c.account_no != _matched.c.account_no)
_area: BindParameter[str] = bindparam("area_code", type_=String())
_without_area = case(
    (
        func.substr(_matched.c.phone_term, 1, func.length(_area)) == _area,
        func.substr(_matched.c.phone_term, func.length(_area) + 1),
    )
)
"""Telephone of the customer without the area code."""
_customer = (
    select(
        _matched.c.account_no.label("customer"),
        *(_matched.c[name] for name in ("hardship", "customer_class", "name", "district")),
        _matched.c.address.label("home"),
        case((~_shared, _matched.c.phone)).label("phone"),
        func.lower(func.replace(_matched.c.account_no, "-", "")).label("account_term"),
        case((~_shared, _matched.c.phone_term)).label("customers_phone"),
        case((~_shared, _without_area)).label("local_term"),
    )
    .where(_matched.c.by_account | ~_shared)
    .subquery()
)
"""Customer who calls, if the registry has one; without a telephone that another account has as well."""
_call = select(literal(1).label("call")).subquery()
_terms: list[ColumnElement[str]] = [bindparam(name) for name in (*_PHONE, "account", "address")]
_terms += [_customer.c.customers_phone, _customer.c.local_term, _customer.c.account_term]
_CASE = ("number", "registered_at", "service_code", "caller_phone", "caller_account_no", "address")
_STATEMENT = (
    select(_customer, *(cases.c[name] for name in _CASE))
    .select_from(_call)
    .outerjoin(_customer, true())
    .outerjoin(
        search_words,
        search_words.c.word.in_(_terms) & (search_words.c.registered_at >= bindparam("since", type_=UtcDateTime)),
    )
    .outerjoin(cases, cases.c.number == search_words.c.number)
    .order_by(search_words.c.registered_at.desc(), search_words.c.number.desc())
    .limit(_ROWS)
)
"""Statement for customer and cases, run with every call; one row at least, empty if none is known."""


UNRECOGNISED = (
    select(cases.c.number)
    .where(cases.c.caller_version > cases.c.recognised_version, cases.c.number > bindparam("after"))
    .order_by(cases.c.number)
    .limit(UNRECOGNISED_PAGE)
)
"""Cases whose caller was corrected and not looked up since, the first of them in order past a number."""


def unrecognised(connection: ReadConnection, after: str = "") -> list[str]:
    return list(connection.scalars(UNRECOGNISED, {"after": after}))


def note_recognised(connection: WriteConnection, number: str, caller_version: int) -> None:
    """Note that the caller whom this version of the case names was looked up."""
    earlier = cases.c.recognised_version < caller_version
    connection.execute(update(cases).where(cases.c.number == number, earlier).values(recognised_version=caller_version))


def recognise(
    connection: ReadConnection, intake: Intake, at: datetime, area_code: str = "", own: str | None = None
) -> CallerLookup:
    """Return the facts about the caller at `at`, and the contact of the customer.

    `area_code` is that of telephones without one. `own` is the number of the call's own case, if it has one already.
    """
    caller, address = intake.caller, intake.location.address
    parameters = {**_parameters(caller, area_code), "address": address_term(address), "since": at - REPEATS}
    rows = connection.execute(_STATEMENT, parameters).all()
    customer = rows[0]
    registered = Caller.model_construct(account_no=customer.customer, phone=customer.customers_phone)
    identity = CallerIdentity(area_code, caller, registered)
    # A term may be that of something else as well: the cases themselves decide.
    earlier = {row.number: row for row in rows if row.number not in (None, own) and row.registered_at <= at}.values()
    theirs = [row for row in earlier if identity.has(row)]
    same = [
        row.number
        for row in earlier
        if (row in theirs or same_address(row.address, address))
        and row.service_code == intake.service_code
        and row.registered_at >= at - DUPLICATES
    ]
    facts = {
        IntakeFlag.HARDSHIP: customer.hardship,
        IntakeFlag.REPEAT_CALLER: theirs,
        IntakeFlag.POSSIBLE_DUPLICATE: same,
    }
    flags = tuple(flag for flag, holds in facts.items() if holds)
    # Files have brackets and extensions in telephones, cases have not.
    phone = customer.phone if re.match(PHONE, customer.phone or "") else customer.customers_phone
    return CallerLookup(
        CallerFacts(flags, tuple(same[:MOST_DUPLICATES]), customer.customer_class or USUAL_CLASS),
        Contact(customer.name, phone, customer.district, customer.home),
    )


def _parameters(caller: Caller, area_code: str) -> dict[str, str | None]:
    phones = phone_terms(caller.phone, area_code) if caller.phone else []
    return {
        "account_no": caller.account_no,
        "account": account_term(caller.account_no) if caller.account_no else None,
        **dict(zip_longest(_PHONE, phones)),
        "area_code": area_code,
    }
