"""Cases that are read to be counted in a month: those to which anything happened in it, also long after their end."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from domain.case.actions.decide_credit import DecideCredit
from domain.catalogue.figures import Subject
from readmodel.assessments.computation import candidates
from readmodel.base.database import reading
from tests.support.assessment import SINCE, UNTIL, at, computed, month, play, results
from tests.support.batches import PLAIN, call
from tests.support.build import BODIES, MANAGER
from tests.support.credits import OWED, RESOLVE

MICROSECOND = timedelta(microseconds=1)


def found(database: Engine) -> list[str]:
    with reading(database) as connection:
        return [row.number for row in candidates(connection, SINCE, UNTIL)]


def closed(database: Engine, ends: datetime, place: int = 1) -> str:
    """Write a case whose follow-up was at `ends`, each action an hour after the other; return its number."""
    start = ends - timedelta(hours=len(PLAIN))
    steps = [(start + timedelta(hours=hour), BODIES[name], None) for hour, name in enumerate(PLAIN, start=1)]
    return play(database, call(place, start), *steps)


def test_a_case_that_was_closed_before_the_month_is_not_read(database: Engine) -> None:
    closed(database, SINCE - MICROSECOND)
    last = closed(database, SINCE, place=2)
    assert found(database) == [last]


def test_a_case_that_was_registered_after_the_month_is_not_read(database: Engine) -> None:
    play(database, call(1, UNTIL))
    last = play(database, call(2, UNTIL - MICROSECOND))
    assert found(database) == [last]


@pytest.mark.parametrize(("instant", "read"), [(SINCE, True), (UNTIL - MICROSECOND, True), (UNTIL, False)])
def test_a_credit_is_counted_in_its_month_long_after_the_case_was_closed(
    database: Engine, instant: datetime, *, read: bool
) -> None:
    began = at(1, "08:00", month=8)
    start = call(1, began, promises=(RESOLVE,), credits=(OWED,))
    steps = [(began + timedelta(hours=5 * place), BODIES[name], None) for place, name in enumerate(PLAIN, start=1)]
    number = play(database, start, *steps, (instant, DecideCredit(credit=1, approved=True), MANAGER))
    assert found(database) == [number] * read
    computed(database, month())
    money = [item.figures["money_approved"].value for item in results(database, Subject.COMPANY).values()]
    assert money == [Decimal("50.00")] * read
