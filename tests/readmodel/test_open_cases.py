"""Cases that a new catalogue is about: open ones, and closed ones that may still be reopened."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, text

from readmodel.base.database import reading, writing
from readmodel.cases.queries import _open_numbers, open_numbers, walk_open_cases
from readmodel.projection import write
from tests.support.batches import PLAIN, call, number, published
from tests.support.build import MONDAY, days, hours
from tests.support.rows import execute

LONG_AGO = MONDAY - days(365)


@pytest.fixture
def four(database: Engine) -> Engine:
    """Open, closed, withdrawn, refused, and open again a day later."""
    stories = (
        published(call(1), ("dispatch",)),
        published(call(2), PLAIN),
        published(call(3), ("withdraw",)),
        published(call(4), ("refuse",)),
        published(call(5, MONDAY + days(1)), ()),
    )
    with writing(database) as connection:
        for story in stories:
            write(connection, story)
    return database


def numbers(
    database: Engine, closed_after: datetime, after: str = "", limit: int = 10, since: datetime | None = None
) -> list[str]:
    with reading(database) as connection:
        return open_numbers(connection, closed_after, after, limit, since)


def test_open_and_lately_closed_ones_in_order(four: Engine) -> None:
    assert numbers(four, LONG_AGO) == [number(1), number(2), number(3), number(5)]


@pytest.mark.parametrize(("closed_after", "found"), [(MONDAY, True), (MONDAY + hours(1), False)])
def test_a_case_that_was_closed_too_long_ago_is_left_out(four: Engine, closed_after: datetime, found: bool) -> None:
    assert (number(2) in numbers(four, closed_after)) is found


def test_a_case_that_has_lost_its_workflow_is_left_out(four: Engine) -> None:
    execute(four, "UPDATE cases SET lost = 'ended' WHERE number = :number", number=number(1))
    assert numbers(four, LONG_AGO) == [number(2), number(3), number(5)]


def test_pages_go_on_after_a_number_and_leave_nothing_out(four: Engine) -> None:
    assert numbers(four, LONG_AGO, limit=2) == [number(1), number(2)]
    assert numbers(four, LONG_AGO, number(2), limit=2) == [number(3), number(5)]
    assert numbers(four, LONG_AGO, number(5)) == []


def test_those_registered_since_an_instant(four: Engine) -> None:
    assert numbers(four, LONG_AGO, since=MONDAY + hours(1)) == [number(5)]


def test_a_walk_brings_whole_cases_page_by_page(four: Engine) -> None:
    with reading(four) as connection:
        found = list(walk_open_cases(connection, LONG_AGO, page=2))
    assert [case and case.number for case in found] == [number(1), number(2), number(3), number(5)]


def test_a_walk_does_not_leave_out_a_case_whose_beginning_is_lost(four: Engine) -> None:
    execute(four, "DELETE FROM events WHERE number = :number AND seq = 1", number=number(2))
    with reading(four) as connection:
        found = list(walk_open_cases(connection, LONG_AGO, page=2))
    assert [case and case.number for case in found] == [number(1), None, number(3), number(5)]


def test_indexes_find_them_among_years_of_closed_ones(four: Engine) -> None:
    if four.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads so small a table from end to end, rightly")
    with reading(four) as connection:
        statement = _open_numbers(LONG_AGO, number(1), 2).compile(connection, compile_kwargs={"literal_binds": True})
        plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {statement}")).all())
    assert "ix_cases_state" in plan
    assert "ix_cases_closed" in plan
    assert "autoindex" not in plan
