"""Months of the company's calendar: their bounds, and those that are due."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile

MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
"""A month as text."""


def month_of(at: datetime, zone: tzinfo) -> str:
    """Return the month of an instant in this time zone."""
    return f"{at.astimezone(zone):%Y-%m}"


def next_month(month: str) -> str:
    """Return the month after this one."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02}"


def month_bounds(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first instant of a month in this time zone, and that of the next month, in UTC."""
    return _first_instant(month, zone), _first_instant(next_month(month), zone)


def due_months(first_case_at: datetime, last: str | None, now: datetime, zone: tzinfo) -> list[str]:
    """Return the months that are over and wait for their assessment, the oldest first.

    Those after the `last` one that was assessed, so that a month whose end was missed is made up for; without one, the
    last month that is over, unless it was before the first case.
    """
    present = month_of(now, zone)
    if last is None:
        before = month_of(month_bounds(present, zone)[0] - timedelta(days=1), zone)
        return [before] if before >= month_of(first_case_at, zone) else []
    return list(takewhile(lambda month: month < present, _after(last)))


def _first_instant(month: str, zone: tzinfo) -> datetime:
    year, number = map(int, month.split("-"))
    return datetime(year, number, 1, tzinfo=zone).astimezone(UTC)


def _after(month: str) -> Iterator[str]:
    while True:
        month = next_month(month)
        yield month
