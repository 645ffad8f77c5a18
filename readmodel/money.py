"""What management decided on money (审批), month by month."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pydantic_core import from_json
from sqlalchemy import func, select

from domain.case.approvers import CREDIT_KIND
from readmodel.database import ReadConnection
from readmodel.tables import cases, decisions, events, search_words
from readmodel.terms import account_term

FEN = Decimal(100)
"""Hundredths of a currency's unit, of a CNY 分: SQLite keeps whole numbers exactly, and decimals not."""


class Total(NamedTuple):
    """How often something was decided, and on how much; `kind` is None where the request named none."""

    kind: str | None
    currency: str
    approved: bool
    times: int
    amount: Decimal


class Credited(NamedTuple):
    """A credit that was approved for an account."""

    number: str
    name: str
    amount: Decimal
    decided_at: datetime


def totals(connection: ReadConnection, start: datetime, end: datetime) -> tuple[Total, ...]:
    """What was decided from `start` on, before `end`, by kind."""
    columns = decisions.c
    statement = (
        select(
            columns.kind,
            columns.currency,
            columns.approved,
            func.count(),
            func.coalesce(func.sum(columns.amount_fen), 0),
        )
        .where(columns.decided_at >= start, columns.decided_at < end)
        .group_by(columns.kind, columns.currency, columns.approved)
    )
    found = [
        Total(kind, currency, approved, times, _amount(fen))
        for kind, currency, approved, times, fen in connection.execute(statement)
    ]
    return tuple(sorted(found, key=lambda total: (total.kind or "", total.currency, not total.approved)))


def credited(connection: ReadConnection, account_no: str, since: datetime) -> Sequence[Credited]:
    """The credits that were approved for this account since then, oldest first."""
    term = account_term(account_no)
    statement = (
        select(decisions, cases.c.caller_account_no, events.c.data)
        .join(search_words, search_words.c.number == decisions.c.number)
        .join(cases, cases.c.number == decisions.c.number)
        .join(events, (events.c.number == decisions.c.number) & (events.c.seq == decisions.c.seq))
        .where(search_words.c.word == term, decisions.c.kind == CREDIT_KIND, decisions.c.approved)
        .where(decisions.c.decided_at >= since)
        .order_by(decisions.c.decided_at, decisions.c.number)
    )
    return [
        Credited(row.number, from_json(row.data)["subject"], _amount(row.amount_fen), row.decided_at)
        for row in connection.execute(statement)
        # The term may stand for something else as well.
        if row.caller_account_no and account_term(row.caller_account_no) == term
    ]


def _amount(fen: int) -> Decimal:
    return (int(fen) / FEN).quantize(1 / FEN)
