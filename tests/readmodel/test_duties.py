"""The roster in SQL: an import replaces the days that it covers, and nothing else."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import Engine

from domain.calls.call import LONGEST_DUTY, Duty
from readmodel.base.database import reading, writing
from readmodel.calls.report import DutyChanges, OverlapError, duties_between, replace_duties

DAY = datetime(2026, 8, 2, 16, 0, tzinfo=UTC)
"""Midnight in Zhongshan."""
NEXT_DAY = DAY + timedelta(days=1)


def duty(person: str, start: float, end: float) -> Duty:
    """Return a duty by the hours of the day."""
    return Duty(person, DAY + timedelta(hours=start), DAY + timedelta(hours=end))


EARLY, LATE, NIGHT = duty("chen", 8, 16), duty("he", 16, 24), duty("chen", 24, 32)


def kept(database: Engine, *given: Duty, start: datetime = DAY, end: datetime = NEXT_DAY) -> DutyChanges:
    with writing(database) as connection:
        return replace_duties(connection, given, start, end)


def between(database: Engine, start: float, end: float) -> list[Duty]:
    with reading(database) as connection:
        return duties_between(connection, DAY + timedelta(hours=start), DAY + timedelta(hours=end))


def test_the_same_roster_again_changes_nothing(database: Engine) -> None:
    assert kept(database, EARLY, LATE) == DutyChanges(added=2)
    assert kept(database, LATE, EARLY) == DutyChanges(unchanged=2)


def test_a_roster_replaces_the_days_that_it_covers_alone(database: Engine) -> None:
    kept(database, NIGHT, start=NEXT_DAY, end=NEXT_DAY + timedelta(days=1))
    kept(database, EARLY, LATE)
    longer = duty("chen", 8, 17)
    assert kept(database, longer) == DutyChanges(added=1, removed=2)
    assert between(database, 0, 48) == [longer, NIGHT]


def test_duties_are_found_by_each_instant_that_they_have(database: Engine) -> None:
    whole = Duty("liang", DAY, DAY + LONGEST_DUTY)
    kept(database, EARLY, LATE, whole)
    assert between(database, 0, 8) == [whole]
    assert between(database, 8, 8.01) == [whole, EARLY]
    assert between(database, 16, 23.99) == [whole, LATE]
    assert between(database, 23.99, 30) == [whole, LATE]
    assert between(database, 25, 48) == []


def test_an_overlap_with_a_day_that_is_not_covered_is_refused(database: Engine) -> None:
    kept(database, duty("chen", -6, 9), start=DAY - timedelta(days=1), end=DAY)
    with pytest.raises(OverlapError, match=r"the duty of chen from 2026-08-03T00:00:00\+00:00 overlaps the one from"):
        kept(database, EARLY)
    assert between(database, 9, 24) == []
    assert kept(database, LATE) == DutyChanges(added=1)


def test_two_imports_of_one_roster_at_once_double_nothing(database: Engine) -> None:
    many = [duty(f"{each}", 8, 16) for each in range(300)]
    threads = [Thread(target=kept, args=(database, *given)) for given in (many, reversed(many))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(between(database, 0, 24)) == 300
    assert kept(database, *many) == DutyChanges(unchanged=300)
