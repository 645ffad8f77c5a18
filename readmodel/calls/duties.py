"""Roster (排班) in SQL: the duties of people, replaced by each import for the time that it covers."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select

from domain.calls.call import LONGEST_DUTY, Duty
from domain.shared.errors import OperatorError
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing, lock
from readmodel.calls.tables import duties

LOCK = 5_170_003
"""Number of the lock of all imports of duties."""


class KeptDuties(NamedTuple):
    """Numbers of duties that were added, removed, and found unchanged."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0


class OverlapError(OperatorError):
    """Error of a duty that overlaps another one of the same person."""


def keep_duties(connection: WriteConnection, given: Sequence[Duty], start: datetime, end: datetime) -> KeptDuties:
    """Replace the duties that start from `start` until before `end`; the same again changes nothing.

    Raises OverlapError for a duty that overlaps one that starts before or after that time.
    """
    # Two imports at once must not check against what the other is about to replace.
    lock(connection, LOCK)
    new = set(given)
    near = duties_between(connection, start - LONGEST_DUTY, end + LONGEST_DUTY)
    old = {duty for duty in near if start <= duty.starts_at < end}
    beside = [duty for duty in near if duty not in old]
    for duty in sorted(new):
        for other in filter(duty.overlaps, beside):
            raise OverlapError(
                f"the duty of {duty.person} from {duty.starts_at.isoformat()} overlaps the one from"
                f" {other.starts_at.isoformat()}; accepted: a file that covers the days of both"
            )
    gone = {(duty.person, duty.starts_at) for duty in old - new}
    for person, starts_at in sorted(gone):
        connection.execute(delete(duties).where(duties.c.person == person, duties.c.starts_at == starts_at))
    insert_missing(connection, duties, [duty._asdict() for duty in sorted(new - old)])
    return KeptDuties(len(new - old), len(gone), len(new & old))


def duties_between(connection: ReadConnection, start: datetime, end: datetime) -> list[Duty]:
    """Return the duties that have an instant from `start` until before `end`, by their start."""
    wanted = (
        select(duties)
        .where(duties.c.starts_at > start - LONGEST_DUTY, duties.c.starts_at < end, duties.c.ends_at > start)
        .order_by(duties.c.starts_at, duties.c.person)
    )
    return [Duty._make(found) for found in connection.execute(wanted)]
