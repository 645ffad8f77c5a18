"""Follow-up with three questions: which answers go together, and what follows from them."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.case.actions.follow_up import FollowUp
from domain.case.lifecycle import State
from domain.case.progress import SATISFIED, Satisfaction
from domain.shared.actors import Role
from tests.support.build import BODIES, CALLER, FOLLOW_UP, MONDAY, THEN, case_in, data_of, days, do, hours, minutes, one

NOT_CONTACTED = FollowUp(contacted=False)
UNREACHABLE = FollowUp(outcome="unreachable")


@pytest.mark.parametrize("satisfaction", Satisfaction)
@pytest.mark.parametrize("solved", [True, False])
def test_not_solved_or_one_of_the_last_two_steps_is_dissatisfied(*, solved: bool, satisfaction: Satisfaction) -> None:
    case = case_in(State.PENDING_FOLLOW_UP)
    event = one(do(case, FollowUp(contacted=True, solved=solved, satisfaction=satisfaction), THEN))
    content = solved and satisfaction in SATISFIED
    assert case.state is (State.CLOSED if content else State.DISPATCHED)
    said = {"contacted": True, "solved": solved, "satisfaction": satisfaction.value}
    assert data_of(event).items() >= {"outcome": "satisfied" if content else "dissatisfied", **said}.items()
    assert case.answer is not None
    assert case.answer.model_dump(mode="json").items() >= said.items()


def test_the_first_three_of_the_five_steps_count_as_satisfied() -> None:
    assert [step.zh for step in Satisfaction] == ["非常满意", "满意", "基本满意", "不满意", "非常不满意"]
    assert [step in SATISFIED for step in Satisfaction] == [True, True, True, False, False]


def test_a_caller_who_was_not_contacted_counts_as_unreachable() -> None:
    case = case_in(State.PENDING_FOLLOW_UP)
    for attempt in (1, 2, 3):
        event = [*do(case, NOT_CONTACTED, THEN + days(attempt), FOLLOW_UP)][-1]
        facts = {"outcome": "unreachable", "contacted": False, "attempt": attempt, "department": "repair"}
        assert data_of(event).items() >= facts.items()
    assert (case.state, case.flags) == (State.CLOSED, ("unreachable",))


@pytest.mark.parametrize(
    ("outcome", "contacted"), [("satisfied", True), ("dissatisfied", True), ("unreachable", False)]
)
def test_the_short_form_tells_who_was_contacted_and_no_other_answer(outcome: Any, *, contacted: bool) -> None:
    case = case_in(State.PENDING_FOLLOW_UP)
    event = one(do(case, FollowUp(outcome=outcome), THEN))
    assert not data_of(event).keys() & {"contacted", "solved", "satisfaction"}
    assert case.answer is not None
    assert (case.answer.contacted, case.answer.solved, case.answer.satisfaction) == (contacted, None, None)


def test_what_the_caller_said_stands_if_nobody_is_reached_later() -> None:
    case = case_in(State.PENDING_FOLLOW_UP)
    do(
        case,
        FollowUp(contacted=True, solved=False, satisfaction=Satisfaction.DISSATISFIED, note="A joint drips."),
        THEN,
    )
    said = case.answer
    case.state = State.PENDING_FOLLOW_UP
    do(case, NOT_CONTACTED, THEN + hours(1), FOLLOW_UP)
    assert said is not None
    assert (case.answer, said.note) == (said, "A joint drips.")


def test_a_caller_whom_nobody_called_waits_for_the_company_under_the_same_promise() -> None:
    """It is no try of the company, however often it is said: it closes nothing."""
    case = case_in(State.PENDING_FOLLOW_UP)
    clocks = case.clocks
    for _ in range(4):
        event = one(do(case, NOT_CONTACTED, THEN, CALLER))
        assert (event.role, event.to_state, data_of(event)["attempt"]) == (Role.CALLER, State.PENDING_FOLLOW_UP, 0)
    assert (case.clocks, case.follow_up_attempts, case.flags) == (clocks, 0, ())
    assert [event.action for event in case.advance(MONDAY + days(2) + hours(1))].count("escalate") > 0
    do(case, BODIES["follow_up"], MONDAY + days(2) + hours(2))
    assert case.state is State.CLOSED


WRONG: list[dict[str, Any]] = [
    {},
    {"note": "x"},
    {"satisfaction": "satisfied"},
    {"solved": True},
    {"solved": True, "satisfaction": "satisfied"},
    {"contacted": True},
    {"contacted": True, "solved": False},
    {"contacted": True, "satisfaction": "satisfied"},
    {"contacted": False, "solved": False},
    {"contacted": False, "satisfaction": "dissatisfied"},
    {"outcome": "satisfied", "contacted": True, "solved": True, "satisfaction": "satisfied"},
    {"outcome": "unreachable", "contacted": False},
]


@pytest.mark.parametrize("body", WRONG)
def test_answers_that_do_not_go_together_are_refused_with_what_is_accepted(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        FollowUp.model_validate(body)
    [error] = refused.value.errors()
    accepted = "Give outcome alone, contacted alone if it is false, or contacted, solved and satisfaction if it is true"
    assert (error["type"], error["msg"]) == ("follow_up_form", accepted)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"outcome": "good"}, "outcome"),
        ({"contacted": True, "solved": True, "satisfaction": "good"}, "satisfaction"),
        ({"contacted": "maybe"}, "contacted"),
    ],
)
def test_an_unknown_answer_names_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FollowUp.model_validate(body)
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


class TestUnreachable:
    def test_is_tried_three_times_in_all_then_closed_and_flagged(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        for attempt in (1, 2):
            at = MONDAY + attempt * hours(22)
            event = do(case, UNREACHABLE, at)[-1]
            assert (data_of(event)["attempt"], case.follow_up_attempts, case.state) == (
                attempt,
                attempt,
                State.PENDING_FOLLOW_UP,
            )
            assert (case.clocks[-1].name, case.clocks[-1].due_at(case.calendar)) == ("follow_up", at + days(1))
            assert case.flags == ()
        do(case, UNREACHABLE, MONDAY + hours(66))
        assert (case.state, case.follow_up_attempts, case.flags) == (State.CLOSED, 3, ("unreachable",))
        assert [clock.status.value for clock in case.clocks if clock.name == "follow_up"] == ["met"] * 3

    def test_a_further_try_on_the_same_local_day_is_kept_and_neither_counts_nor_moves_the_promise(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        midnight = MONDAY.replace(hour=16, minute=0) + days(1)
        do(case, UNREACHABLE, midnight - hours(7))
        clocks, since = case.clocks, case.follow_up_since
        for at in (midnight - hours(3), midnight - minutes(1)):
            event = do(case, UNREACHABLE, at)[-1]
            assert (event.action, data_of(event)["attempt"]) == ("follow_up", 1)
        assert (case.state, case.clocks, case.follow_up_since) == (State.PENDING_FOLLOW_UP, clocks, since)
        do(case, UNREACHABLE, midnight)
        assert (case.follow_up_attempts, case.follow_up_since) == (2, midnight)

    @pytest.mark.parametrize("outcome", ["satisfied", "dissatisfied"])
    def test_reached_at_the_last_attempt_it_is_as_at_the_first(self, outcome: str) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        for day in range(2):
            do(case, UNREACHABLE, THEN + days(day))
        do(case, FollowUp.model_validate({"outcome": outcome}), THEN + days(2))
        assert case.state is (State.CLOSED if outcome == "satisfied" else State.DISPATCHED)
        assert "unreachable" not in case.flags
