"""A month that is computed again has the same digest, whatever happened after it; what was changed shows."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from activities.assessments import verify
from domain.assessment.assessment import ASSESSMENT_FINISH, Assessment
from domain.assessment.state import Exclusion
from domain.case.actions.hand_over import HandOver
from domain.kit.event import ActionBody
from domain.shared.actors import Actor
from readmodel.assessments.computation import CHECK, assessment_items, figure_entries, forget, write_entries
from readmodel.assessments.exclusions import request
from readmodel.base.database import writing
from tests.support.assessment import MONTH, SINCE, UNTIL, computed, entries, month, play
from tests.support.batches import PLAIN, call
from tests.support.build import AGENT, BODIES
from tests.support.rows import execute, rows

HOUR = timedelta(hours=1)
LATER = UNTIL + timedelta(days=3)


Step = tuple[datetime, ActionBody, Actor | None]


def steps(called: datetime, *actions: str) -> list[Step]:
    """Return these actions, an hour after each other."""
    return [(called + hour * HOUR, BODIES[name], None) for hour, name in enumerate(actions, start=1)]


OPEN: list[Step] = [*steps(SINCE, "dispatch", "sign_for"), (UNTIL - HOUR, BODIES["comment"], None)]


@pytest.fixture
def final(database: Engine) -> Assessment:
    """A final month with a case that is closed and one that is late."""
    play(database, call(1, SINCE), *steps(SINCE, *PLAIN))
    play(database, call(2, SINCE), *OPEN)
    made = month()
    made.note_computation(computed(database, made), ASSESSMENT_FINISH, UNTIL)
    return made


def digest(of: Assessment) -> str:
    assert of.computed
    return of.computed.digest


def again(database: Engine, of: Assessment) -> str:
    """Return the digest of the month, computed again."""
    assert of.computed
    return asyncio.run(verify(database, of, of.computed.as_of)).digest


def test_what_happens_after_the_month_changes_nothing(database: Engine, final: Assessment) -> None:
    number = play(
        database, call(2, SINCE), *OPEN, (LATER, HandOver(owner=AGENT.id), None), *steps(LATER, "arrive", "complete")
    )
    play(database, call(3, UNTIL))
    asked = Exclusion(
        id="1" * 32,
        number=number,
        ground="beyond_duty",
        reason="The pipe is the neighbour's.",
        evidence=None,
        requested_by="chen",
        requested_at=UNTIL,
    )
    with writing(database) as connection:
        request(connection, asked.decide("xu", LATER, approved=True, reason="Checked."))
    assert again(database, final) == digest(final)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET action = 'comment' WHERE action = 'reply'",
        "UPDATE cases SET owner = 'Somebody' WHERE number LIKE '%1'",
        "UPDATE clocks SET status = 'missed' WHERE name = 'reply'",
    ],
)
def test_a_row_that_was_changed_shows(database: Engine, final: Assessment, change: str) -> None:
    execute(database, change)
    assert again(database, final) not in (digest(final), None)


def test_a_comparison_leaves_what_is_stored_as_it_is(database: Engine, final: Assessment) -> None:
    before = rows(database, figure_entries), rows(database, assessment_items)
    again(database, final)
    assert (rows(database, figure_entries), rows(database, assessment_items)) == before


def test_a_comparison_that_was_broken_off_does_not_disturb_the_next(database: Engine, final: Assessment) -> None:
    left = [tuple(each[name] for name in each if name not in ("month", "computation")) for each in entries(database)]
    with writing(database) as connection:
        write_entries(connection, MONTH, CHECK, left)
    assert again(database, final) == digest(final)
    assert {each["computation"] for each in rows(database, figure_entries)} == {1}


def test_a_computation_leaves_a_comparison_that_is_under_way(database: Engine, final: Assessment) -> None:
    left = [tuple(each[name] for name in each if name not in ("month", "computation")) for each in entries(database)]
    with writing(database) as connection:
        write_entries(connection, MONTH, CHECK, left)
        forget(connection, MONTH, keep=final.version)
    assert {each["computation"] for each in rows(database, figure_entries)} == {CHECK}
