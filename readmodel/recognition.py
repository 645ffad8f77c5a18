"""Who calls (来电人): the customer behind an account or a telephone number, and the cases of before.

The cases of before need no registry: an account, a telephone and an address say for themselves that they came up
already. The registry adds the hardship, and what else belongs to the customer: his telephone where the account was
given, his account where the telephone was. Both hold only where the telephone is nobody else's. One that several
accounts share, a caretaker's say, counts where it was given, as the telephone that called before; it leads to no
account and to no hardship, and who gives his account is not taken for the others on that telephone.
"""

from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Row, String, bindparam, case, exists, func, literal, select, true

from domain.case.intake import Intake
from domain.catalogue.terms import USUAL_CLASS, CustomerClass
from domain.customers.customer import IntakeFlag
from readmodel.database import ReadConnection
from readmodel.search_terms import FORMS, account_term, address_term, phone_term, phone_terms, same_address
from readmodel.tables import cases, customers, search_words
from readmodel.types import UtcDateTime

REPEATS = timedelta(days=30)
"""Whoever called within so long calls again: the time in which one matter usually comes back."""
DUPLICATES = timedelta(hours=72)
"""Cases of one kind at one place within so long may be one matter."""
MOST_DUPLICATES = 5
_ROWS = 100
"""Most cases that are looked through while a caller waits."""


class CallerFacts(NamedTuple):
    """What is known of a caller at intake: flags, cases that may be the same matter (newest first), and his class."""

    flags: tuple[IntakeFlag, ...] = ()
    possible_duplicates: tuple[str, ...] = ()
    customer_class: CustomerClass = USUAL_CLASS


UNKNOWN_CALLER = CallerFacts()

_PHONE = [f"phone_{place}" for place in range(FORMS)]
"""The telephone given, as cases and customers may have it."""
_by_account = customers.c.account_no == bindparam("account_no")
_matched = (
    select(customers, _by_account.label("by_account"))
    .where(_by_account | customers.c.phone_term.in_([bindparam(name) for name in _PHONE]))
    .order_by(_by_account.desc())
    .limit(1)
    .subquery()
)
"""The customer of the account, or else one of the telephone."""
_others = customers.alias()
_shared = exists().where(_others.c.phone_term == _matched.c.phone_term, _others.c.account_no != _matched.c.account_no)
_area: BindParameter[str] = bindparam("area_code", type_=String())
_without_area = case(
    (
        func.substr(_matched.c.phone_term, 1, func.length(_area)) == _area,
        func.substr(_matched.c.phone_term, func.length(_area) + 1),
    )
)
"""His telephone as he says it within the place."""
_customer = (
    select(
        _matched.c.account_no,
        _matched.c.hardship,
        _matched.c.customer_class,
        func.lower(func.replace(_matched.c.account_no, "-", "")).label("account_term"),
        case((~_shared, _matched.c.phone_term)).label("phone_term"),
        case((~_shared, _without_area)).label("local_term"),
    )
    .where(_matched.c.by_account | ~_shared)
    .subquery()
)
"""The customer who calls, if the registry tells; without the telephone where it is another's as well."""
_call = select(literal(1).label("call")).subquery()
_said: list[BindParameter[str]] = [bindparam(name) for name in (*_PHONE, "account", "address")]
_KNOWN = (
    select(
        _customer.c.account_no.label("customer"),
        _customer.c.hardship,
        _customer.c.customer_class,
        _customer.c.phone_term.label("customers_phone"),
        cases.c.number,
        cases.c.registered_at,
        cases.c.service_code,
        cases.c.caller_phone,
        cases.c.caller_account_no,
        cases.c.address,
    )
    .select_from(_call)
    .outerjoin(_customer, true())
    .outerjoin(
        search_words,
        search_words.c.word.in_([*_said, _customer.c.phone_term, _customer.c.local_term, _customer.c.account_term])
        & (search_words.c.registered_at >= bindparam("since", type_=UtcDateTime)),
    )
    .outerjoin(cases, cases.c.number == search_words.c.number)
    .order_by(search_words.c.registered_at.desc(), search_words.c.number.desc())
    .limit(_ROWS)
)
"""Customer and cases in one question, as it is asked with every call; one row at least, empty where none is known."""


def recognise(
    connection: ReadConnection, intake: Intake, at: datetime, area_code: str = "", own: str | None = None
) -> CallerFacts:
    """What is known of whoever says this at `at`.

    The area code is that of telephones which are said without one. `own` is the number of the call's own case, where
    there is one already.
    """
    caller, address = intake.caller, intake.location.address
    said = phone_terms(caller.phone, area_code) if caller.phone else []
    asked = {
        "account_no": caller.account_no,
        "account": account_term(caller.account_no) if caller.account_no else None,
        **dict(zip_longest(_PHONE, said)),
        "area_code": area_code,
        "address": address_term(address),
        "since": at - REPEATS,
    }
    rows = connection.execute(_KNOWN, asked).all()
    customer = rows[0]
    accounts = {caller.account_no, customer.customer} - {None}
    phones = {phone_term(each, area_code) for each in (caller.phone, customer.customers_phone) if each}
    # A term may stand for something else as well: what is told is what the cases themselves say.
    earlier = {row.number: row for row in rows if row.number not in (None, own) and row.registered_at <= at}.values()
    theirs = [row for row in earlier if _is_theirs(row, accounts, phones, area_code)]
    same = [
        row.number
        for row in earlier
        if (row in theirs or same_address(row.address, address))
        and row.service_code == intake.service_code
        and row.registered_at >= at - DUPLICATES
    ]
    told = {
        IntakeFlag.HARDSHIP: customer.hardship,
        IntakeFlag.REPEAT_CALLER: theirs,
        IntakeFlag.POSSIBLE_DUPLICATE: same,
    }
    flags = tuple(flag for flag, holds in told.items() if holds)
    return CallerFacts(flags, tuple(same[:MOST_DUPLICATES]), customer.customer_class or USUAL_CLASS)


def _is_theirs(case: Row[*tuple[Any, ...]], accounts: set[str | None], phones: set[str], area_code: str) -> bool:
    phone = case.caller_phone and phone_term(case.caller_phone, area_code)
    return case.caller_account_no in accounts or phone in phones
