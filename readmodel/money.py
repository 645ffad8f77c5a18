"""What management decided on money (审批), month by month."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import func, select

from readmodel.database import ReadConnection
from readmodel.tables import decisions

FEN = Decimal(100)
"""Hundredths of a currency's unit, of a CNY 分: SQLite keeps whole numbers exactly, and decimals not."""


class Total(NamedTuple):
    """How often something was decided, and on how much; `kind` is None where the request named none."""

    kind: str | None
    currency: str
    approved: bool
    times: int
    amount: Decimal


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
        Total(kind, currency, approved, times, (int(fen) / FEN).quantize(1 / FEN))
        for kind, currency, approved, times, fen in connection.execute(statement)
    ]
    return tuple(sorted(found, key=lambda total: (total.kind or "", total.currency, not total.approved)))
