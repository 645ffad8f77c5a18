"""Months of the company's calendar: their bounds, and those that are due."""

import re
from datetime import UTC, datetime, tzinfo

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


def _first_instant(month: str, zone: tzinfo) -> datetime:
    year, number = map(int, month.split("-"))
    return datetime(year, number, 1, tzinfo=zone).astimezone(UTC)
