"""Exclusions in SQL: kept once, decided on once, listed by pages; they count from the instant of the decision."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from domain.assessment.actions import OBJECTIONS
from domain.assessment.assessment import ASSESSMENT_FINISH, PUBLISH, Assessment, AssessmentBatch
from domain.assessment.state import Exclusion
from domain.catalogue.figures import Subject
from domain.shared.errors import Refused
from readmodel.assessments import exclusions, months
from readmodel.assessments.computation import forget
from readmodel.assessments.exclusions import exclusions as table
from readmodel.base.database import reading, writing
from readmodel.base.paging import BadCursorError
from tests.support.assessment import (
    BEIJING,
    MONTH,
    SINCE,
    UNTIL,
    at,
    computed,
    entries,
    month,
    opening,
    play,
    results,
    standard,
)
from tests.support.batches import PLAIN, call
from tests.support.build import BODIES
from tests.support.rows import rows

MICROSECOND = timedelta(microseconds=1)
DECIDED = UNTIL + timedelta(hours=9)


def case(database: Engine, place: int = 1, called: datetime = SINCE) -> str:
    """Write a case that was closed six hours after the call; return its number."""
    steps = [(called + timedelta(hours=hour), BODIES[name], None) for hour, name in enumerate(PLAIN, start=1)]
    return play(database, call(place, called), *steps)


def asked(
    database: Engine, number: str, place: int = 1, when: datetime = UNTIL, ground: str = "beyond_duty"
) -> Exclusion:
    made = Exclusion(
        id=f"{place:031x}f",
        number=number,
        ground=ground,
        reason="The pipe is the neighbour's.",
        evidence=None,
        requested_by="chen",
        requested_at=when,
    )
    with writing(database) as connection:
        return exclusions.request(connection, made)


def decided(database: Engine, asked_for: Exclusion, when: datetime = DECIDED, *, approved: bool = True) -> Exclusion:
    with writing(database) as connection:
        found = exclusions.decide(
            connection,
            asked_for.number,
            asked_for.id,
            lambda each: each.decide("xu", when, approved=approved, reason="Checked."),
        )
    assert found
    return found


def pages(database: Engine, limit: int) -> list[list[Exclusion]]:
    """Return all pages of those that wait for a decision."""
    found, cursor = list[list[Exclusion]](), None
    with reading(database) as connection:
        while not found or cursor:
            page = exclusions.page_of_exclusions(connection, cursor, limit, decided=False)
            found.append(list(page.items))
            cursor = page.next_cursor
    return found


def begun(database: Engine, name: str, since: datetime, until: datetime, *, final: bool = False) -> None:
    """Write the assessment of a month that is under way, or final."""
    made, opened = Assessment.open(opening(month=name, since=since, until=until))
    events = [opened]
    if final:
        events.append(made.note_computation(computed(database, made), ASSESSMENT_FINISH, UNTIL))
    with writing(database) as connection:
        months.write(connection, AssessmentBatch(assessment=made, events=tuple(events)))


def test_a_request_that_is_written_again_is_kept_once(database: Engine) -> None:
    number = case(database)
    first = asked(database, number)
    again = asked(database, number, when=DECIDED)
    assert again == first
    assert len(rows(database, table)) == 1


def test_a_decision_is_kept_and_the_same_again_changes_nothing(database: Engine) -> None:
    asked_for = asked(database, case(database))
    done = decided(database, asked_for)
    assert (done.approved, done.decided_by, done.decided_at) == (True, "xu", DECIDED)
    assert decided(database, asked_for, DECIDED + timedelta(days=1)) == done
    with pytest.raises(Refused) as refused:
        decided(database, asked_for, approved=False)
    assert refused.value.code == "exclusion_decided"
    with reading(database) as connection:
        assert exclusions.exclusions_of(connection, asked_for.number) == [done]


def test_an_exclusion_is_found_by_its_own_case_alone(database: Engine) -> None:
    asked_for, other = asked(database, case(database)), case(database, 2)
    with writing(database) as connection:
        assert exclusions.decide(connection, other, asked_for.id, lambda each: each) is None
        assert exclusions.decide(connection, asked_for.number, "0" * 32, lambda each: each) is None


def test_exclusions_of_a_case_are_listed_the_oldest_first(database: Engine) -> None:
    number = case(database)
    late, early = asked(database, number, 1, DECIDED), asked(database, number, 2, UNTIL)
    with reading(database) as connection:
        assert exclusions.exclusions_of(connection, number) == [early, late]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_those_that_wait_are_listed_by_pages_the_oldest_first(database: Engine, limit: int) -> None:
    number = case(database)
    late = asked(database, number, 1, DECIDED)
    same = [asked(database, number, place) for place in (3, 2, 4)]
    decided(database, asked(database, number, 5))
    found = pages(database, limit)
    assert [each for page in found for each in page] == [*sorted(same, key=lambda each: each.id), late]
    assert [len(page) for page in found] == [min(limit, 4 - start) for start in range(0, 4, limit)]


def test_without_exclusions_the_list_is_one_empty_page(database: Engine) -> None:
    assert pages(database, 10) == [[]]


def test_a_cursor_that_no_page_gave_out_is_refused(database: Engine) -> None:
    with reading(database) as connection, pytest.raises(BadCursorError):
        exclusions.page_of_exclusions(connection, "nonsense", 10, decided=False)


def test_an_exclusion_counts_from_the_instant_of_its_decision(database: Engine) -> None:
    asked_for = asked(database, case(database))
    decided(database, asked_for)
    with reading(database) as connection:
        assert exclusions.grounds_until(connection, DECIDED - MICROSECOND) == {}
        assert exclusions.grounds_until(connection, DECIDED) == {asked_for.number: "beyond_duty"}


def test_neither_a_rejected_exclusion_nor_one_that_waits_counts(database: Engine) -> None:
    number = case(database)
    decided(database, asked(database, number), approved=False)
    asked(database, number, 2)
    with reading(database) as connection:
        assert exclusions.grounds_until(connection, DECIDED) == {}


def test_the_ground_that_was_approved_first_is_shown(database: Engine) -> None:
    number = case(database)
    late, early = asked(database, number, 1), asked(database, number, 2, ground="no_basis")
    decided(database, late, DECIDED + timedelta(hours=1))
    decided(database, early)
    with reading(database) as connection:
        assert exclusions.grounds_until(connection, DECIDED + timedelta(hours=1)) == {number: "no_basis"}


def test_a_computation_leaves_out_what_was_excluded_until_then(database: Engine) -> None:
    decided(database, asked(database, case(database)))
    case(database, 2)
    before = computed(database, month(), DECIDED - MICROSECOND)
    assert {entry["excluded"] for entry in entries(database)} == {None}
    with writing(database) as connection:
        forget(connection, MONTH)
    after = computed(database, month(), DECIDED)
    assert after.digest != before.digest
    company = results(database, Subject.COMPANY)["company"].figures
    assert (company["cases"].value, company["cases"].excluded) == (Decimal(2), 1)
    reached = company["response_rate"]
    assert (reached.numerator, reached.denominator, reached.excluded) == (1, 1, 1)


def test_months_under_way_are_those_in_which_something_may_have_happened(database: Engine) -> None:
    closes = at(1, "03:00", month=9)
    number = case(database, called=closes - timedelta(hours=len(PLAIN)))
    august, july = at(1, "00:00", month=8), at(1, "00:00", month=7)
    begun(database, "2026-07", july, august)
    begun(database, "2026-08", august, SINCE)
    begun(database, MONTH, SINCE, UNTIL)
    begun(database, "2026-10", UNTIL, at(1, "00:00", month=11))
    with reading(database) as connection:
        assert sorted(months.months_under_way(connection, number)) == ["2026-08", MONTH]
        assert months.months_under_way(connection, "2609079999999") == []


def test_an_open_case_is_of_every_month_from_its_registration_on(database: Engine) -> None:
    number = play(database, call(1, SINCE))
    begun(database, MONTH, SINCE, UNTIL)
    begun(database, "2026-10", UNTIL, at(1, "00:00", month=11))
    with reading(database) as connection:
        assert sorted(months.months_under_way(connection, number)) == [MONTH, "2026-10"]
        period = exclusions.period_of(connection, number)
    assert period
    assert period.months(at(2, "08:00", month=11), BEIJING) == [MONTH, "2026-10", "2026-11"]


def test_a_final_month_is_not_under_way(database: Engine) -> None:
    number = case(database)
    begun(database, MONTH, SINCE, UNTIL, final=True)
    with reading(database) as connection:
        assert months.months_under_way(connection, number) == []
        assert months.settled_months(connection, UNTIL) == {MONTH}


def test_a_month_is_settled_once_objections_are_over_and_decided_on(database: Engine) -> None:
    made, opened = Assessment.open(opening(standard=standard(sample_per_agent=0)))
    published = made.note_computation(computed(database, made), PUBLISH, UNTIL)
    limit = made.limit_of(OBJECTIONS)
    assert limit
    with writing(database) as connection:
        months.write(connection, AssessmentBatch(assessment=made, events=(opened, published)))
    with reading(database) as connection:
        assert months.settled_months(connection, limit.ends_at - MICROSECOND) == frozenset()
        assert months.settled_months(connection, limit.ends_at) == {MONTH}
