"""Instants in the precision that every store keeps."""

from datetime import datetime, timedelta

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Largest accepted difference between the date of a start message and Temporal's time of the start: more than the API
accepts (60 s), and than a start with its retries takes."""


def to_milliseconds(at: datetime) -> datetime:
    """Return the instant, rounded down to a millisecond."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
