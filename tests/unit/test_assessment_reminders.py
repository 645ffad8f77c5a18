"""Reminders of an assessment: each step of a time is told once, and none when what it was for is done."""

from datetime import datetime, timedelta
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from domain.assessment.assessment import Assessment, Reminded, assessment_notifications
from domain.assessment.state import AssessmentEvent
from tests.support.assessment import at
from tests.support.build import CREW, SUPERVISOR
from tests.unit.test_assessment import (
    DECIDED_BY,
    DECISION,
    OBJECTED,
    OBJECTED_BY,
    OBJECTION,
    STANDARD,
    do,
    drafted,
    final,
    published,
)


def reminders(events: tuple[AssessmentEvent, ...]) -> list[Reminded]:
    return [event.data for event in events if isinstance(event.data, Reminded)]


@cache
def on_time() -> list[Reminded]:
    """Return all reminders, each step at the deadline that was foreseen."""
    made, found, now = published(OBJECTION), list[Reminded](), OBJECTED
    while deadline := made.next_deadline(now):
        escalation, now = reminders(made.remind(deadline)), deadline
        assert {each.fell_at for each in escalation} <= {deadline}
        found += escalation
    return found


def told_by(made: Assessment, instant: datetime) -> list[tuple[str, str]]:
    """Return the reminders until an instant, as `objections 50`, each with every recipient."""
    found = list[tuple[str, str]]()
    for event in made.remind(instant):
        assert isinstance(event.data, Reminded)
        name = f"{event.data.limit} {event.data.percent}"
        found += [(name, notice.recipient) for notice in assessment_notifications(made, event)]
    return found


class TestReminders:
    def test_each_step_of_the_ladder_falls_due_in_working_time(self) -> None:
        (first, *_) = reminders(published().remind(OBJECTED_BY))
        assert (first.limit, first.percent) == ("objections", 50)
        assert first.fell_at == at(13, "12:00", month=10)

    @given(hours=st.lists(st.floats(0, 400), min_size=1, max_size=8))
    def test_each_is_reminded_exactly_once_whenever_it_is_looked(self, hours: list[float]) -> None:
        made, found = published(OBJECTION), list[Reminded]()
        instants = [OBJECTED + timedelta(hours=passed) for passed in sorted(hours)]
        for instant in instants:
            events = made.remind(instant)
            assert {event.at for event in events} <= {instant}
            found += reminders(events)
            assert made.remind(instant) == ()
            assert all(each.fell_at <= instant for each in found)
        assert found == [each for each in on_time() if each.fell_at <= instants[-1]]

    def test_they_come_at_the_deadlines_that_were_foreseen(self) -> None:
        wanted = {("decision-1", percent) for percent in STANDARD.rungs}
        wanted |= {("objections", percent) for percent in (50, 75, 100)}
        assert {*STANDARD.rungs} > {50, 75, 100}
        assert sorted((each.limit, each.percent) for each in on_time()) == sorted(wanted)

    def test_a_time_that_is_closed_reminds_no_more(self) -> None:
        made = published(OBJECTION)
        do(made, DECISION, SUPERVISOR, OBJECTED)
        escalation = reminders(made.remind(DECIDED_BY + timedelta(days=60)))
        assert {each.limit for each in escalation} == {"objections"}

    def test_nothing_reminds_once_the_month_is_final(self) -> None:
        assert final().remind(DECIDED_BY + timedelta(days=60)) == ()

    def test_the_general_manager_is_told_of_late_inspections(self) -> None:
        told = told_by(drafted(), DECIDED_BY)
        assert [name for name, who in told if who == "general_manager"][:1] == ["inspections 100"]

    def test_the_general_manager_is_told_of_a_late_decision(self) -> None:
        told = told_by(published(OBJECTION), DECIDED_BY)
        assert [name for name, who in told if who == "general_manager"] == ["decision-1 100"]
        assert {who for name, who in told if name.startswith("objections")} == {"agent", "crew", "supervisor"}

    def test_the_author_is_told_of_the_decision(self) -> None:
        made = published()
        do(made, OBJECTION, CREW, OBJECTED)
        event = do(made, DECISION, SUPERVISOR, OBJECTED)
        (notice,) = assessment_notifications(made, event)
        assert notice.recipient == f"owner:{CREW.id}"
