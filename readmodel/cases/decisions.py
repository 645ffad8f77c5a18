"""Decisions of management on money (审批): totals of a month, and credits of an account."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pydantic import Field
from sqlalchemy import func, select

from domain.case.actions.decide_credit import CreditDecided
from domain.case.approvers import CREDIT_KIND
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection
from readmodel.cases.search_terms import account_term
from readmodel.cases.tables import cases, decisions, events, search_words

HUNDREDTHS = Decimal(100)
"""Hundredths of a currency's unit (of a CNY: 分). SQLite keeps whole numbers exactly, but not decimals."""
_row = decisions.c


class MoneyTotal(Immutable):
    """Decisions of a month on money of one kind."""

    kind: str | None = Field(
        description="`funded_repair`, `waiver`, `settlement`, `credit`; null if the request named none."
    )
    currency: str
    approved: bool
    times: int
    amount: Decimal


class PastCredit(NamedTuple):
    """A credit that was approved for an account."""

    number: str
    name: str
    amount: Decimal
    decided_at: datetime


def totals(connection: ReadConnection, start: datetime, end: datetime) -> tuple[MoneyTotal, ...]:
    """Return the totals of the decisions from `start` on, before `end`, by kind."""
    amount = func.coalesce(func.sum(_row.amount_hundredths), 0)
    statement = (
        select(_row.kind, _row.currency, _row.approved, func.count(), amount)
        .where(_row.decided_at >= start, _row.decided_at < end)
        .group_by(_row.kind, _row.currency, _row.approved)
    )
    found = [
        MoneyTotal(kind=kind, currency=currency, approved=approved, times=times, amount=amount_of(hundredths))
        for kind, currency, approved, times, hundredths in connection.execute(statement)
    ]
    return tuple(sorted(found, key=lambda total: (total.kind or "", total.currency, not total.approved)))


def credited(connection: ReadConnection, account_no: str, since: datetime) -> Sequence[PastCredit]:
    """Return the credits that were approved for this account since then, oldest first."""
    term = account_term(account_no)
    statement = (
        select(decisions, cases.c.caller_account_no, events.c.data)
        .join(search_words, search_words.c.number == _row.number)
        .join(cases, cases.c.number == _row.number)
        .join(events, (events.c.number == _row.number) & (events.c.seq == _row.seq))
        .where(search_words.c.word == term, _row.kind == CREDIT_KIND, _row.approved, _row.decided_at >= since)
        .order_by(_row.decided_at, _row.number)
    )
    return [
        PastCredit(
            row.number,
            CreditDecided.model_validate_json(row.data).subject,
            amount_of(row.amount_hundredths),
            row.decided_at,
        )
        for row in connection.execute(statement)
        # The term may be that of something else as well.
        if row.caller_account_no and account_term(row.caller_account_no) == term
    ]


def amount_of(hundredths: int) -> Decimal:
    return (int(hundredths) / HUNDREDTHS).quantize(1 / HUNDREDTHS)
