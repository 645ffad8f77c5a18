"""What management decided on money (审批), month by month."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import func, select

from readmodel.database import ReadConnection
from readmodel.tables import decisions

FEN = Decimal(100)
"""Hundredths (分) of a CNY: SQLite keeps whole numbers exactly, and decimals not."""


class Total(NamedTuple):
    """How often something was decided, and on how much (CNY); `kind` is None where the request named none."""

    kind: str | None
    approved: bool
    times: int
    amount: Decimal


def totals(connection: ReadConnection, start: datetime, end: datetime) -> tuple[Total, ...]:
    """What was decided from `start` on, before `end`, by kind."""
    columns = decisions.c
    statement = (
        select(columns.kind, columns.approved, func.count(), func.coalesce(func.sum(columns.amount_fen), 0))
        .where(columns.decided_at >= start, columns.decided_at < end)
        .group_by(columns.kind, columns.approved)
    )
    found = [
        Total(kind, approved, times, (int(fen) / FEN).quantize(1 / FEN))
        for kind, approved, times, fen in connection.execute(statement)
    ]
    return tuple(sorted(found, key=lambda total: (total.kind or "", not total.approved)))
