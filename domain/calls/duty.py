"""A duty (班次) of the roster: when a person is to take calls."""

from datetime import datetime, timedelta
from typing import NamedTuple

LONGEST_DUTY = timedelta(hours=25)
"""Longest duty: a whole day on which clocks go back. Queries look so far back for duties that have not ended."""


class Duty(NamedTuple):
    """Duty of a person. Instants are UTC; `ends_at` is later than `starts_at`, by LONGEST at most."""

    person: str
    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Duty") -> bool:
        """Return True if both are of one person and have an instant in common."""
        return self.person == other.person and self.starts_at < other.ends_at and other.starts_at < self.ends_at
