"""Who calls (来电人): the customer behind an account or a telephone number, and the cases of before."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, func, select

from domain.customer import IntakeFlag
from domain.intake import Intake
from readmodel.database import ReadConnection
from readmodel.tables import case_terms, cases, customers
from readmodel.terms import address_term, phone_term
from readmodel.types import UtcDateTime

REPEATS = timedelta(days=30)
"""Whoever called within so long calls again: the time in which one matter usually comes back."""
DUPLICATES = timedelta(hours=72)
"""Cases of one kind at one place within so long may be one matter."""
MOST_DUPLICATES = 5
_ROWS = 100
"""Most cases that are looked through while a caller waits."""


class Known(NamedTuple):
    """What is known of a caller at intake: flags, and the cases that may be the same matter, newest first."""

    flags: tuple[IntakeFlag, ...] = ()
    duplicates: tuple[str, ...] = ()


NOBODY = Known()

_matched = (
    select(
        customers.c.account_no,
        customers.c.hardship,
        customers.c.phone_term,
        func.lower(func.replace(customers.c.account_no, "-", "")).label("account_term"),
        (customers.c.account_no == bindparam("account_no")).label("by_account"),
        func.count().over().label("candidates"),
    )
    .where((customers.c.account_no == bindparam("account_no")) | (customers.c.phone_term == bindparam("phone")))
    .order_by((customers.c.account_no == bindparam("account_no")).desc())
    .limit(1)
    .subquery()
)
"""The customer of the account, or else one of the telephone, and how many there would be."""
_KNOWN = (
    select(
        _matched.c.account_no.label("customer"),
        _matched.c.hardship,
        _matched.c.by_account,
        _matched.c.candidates,
        _matched.c.phone_term.label("customers_phone"),
        cases.c.number,
        cases.c.registered_at,
        cases.c.service_code,
        cases.c.caller_phone,
        cases.c.caller_account_no,
        cases.c.address,
    )
    .select_from(_matched)
    .outerjoin(
        case_terms,
        case_terms.c.term.in_(
            [bindparam("phone"), bindparam("address"), _matched.c.phone_term, _matched.c.account_term]
        )
        & (case_terms.c.registered_at >= bindparam("since", type_=UtcDateTime)),
    )
    .outerjoin(cases, cases.c.number == case_terms.c.number)
    .order_by(case_terms.c.registered_at.desc(), case_terms.c.number.desc())
    .limit(_ROWS)
)
"""Customers and cases in one question: it is asked with every call, and most callers are nobody's customers."""


def known(connection: ReadConnection, intake: Intake, at: datetime) -> Known:
    """What is known of whoever says this at `at`. Of a caller whom the registry does not have, nothing is told."""
    caller = intake.caller
    phone = phone_term(caller.phone) if caller.phone else None
    place = address_term(intake.location.address)
    asked = {"account_no": caller.account_no, "phone": phone, "address": place, "since": at - REPEATS}
    rows = connection.execute(_KNOWN, asked).all()
    customer = rows[0] if rows else None
    # A telephone that several share tells nothing of any of them.
    if customer is None or not (customer.by_account or customer.candidates == 1):
        return NOBODY
    phones = {phone, customer.customers_phone} - {None}
    # A term may stand for something else as well: what is told is what the cases themselves say.
    earlier = {row.number: row for row in rows if row.number}.values()
    theirs = [row for row in earlier if _is_theirs(row, customer.customer, phones)]
    here = [row for row in earlier if place and address_term(row.address) == place]
    same = [
        row.number
        for row in earlier
        if (row in theirs or row in here)
        and row.service_code == intake.service_code
        and row.registered_at >= at - DUPLICATES
    ]
    told = {
        IntakeFlag.HARDSHIP: customer.hardship,
        IntakeFlag.REPEAT_CALLER: theirs,
        IntakeFlag.POSSIBLE_DUPLICATE: same,
    }
    return Known(tuple(flag for flag, holds in told.items() if holds), tuple(same[:MOST_DUPLICATES]))


def _is_theirs(case: Row[*tuple[Any, ...]], account_no: str, phones: set[str | None]) -> bool:
    return case.caller_account_no == account_no or bool(case.caller_phone and phone_term(case.caller_phone) in phones)
