"""A new catalogue promises what was not promised before: from which moment it counts, and when it stands still."""

import pytest

from domain.case.actions.follow_up import FollowUp
from domain.case.case import Case
from domain.case.clocks import Clock
from domain.case.lifecycle import State
from domain.catalogue.terms import Promise
from tests.support.build import (
    BODIES,
    CALENDAR,
    MONDAY,
    OTHER_CREW,
    PROMISES,
    THEN,
    case_in,
    clock,
    days,
    do,
    hours,
    minutes,
)
from tests.support.new_terms import new, without

LATER = MONDAY + minutes(30)
PAYMENT = Promise(name="reply", calendar="always", budget_seconds=3600, starts="decision")


def promise(case: Case, promises: tuple[Promise, ...] = PROMISES) -> None:
    """Put a catalogue with these promises in force."""
    case.change_catalogue(new(promises=promises), LATER)


def own(case: Case, name: str) -> list[Clock]:
    return [clock for clock in case.clocks if clock.name == name and not clock.part]


class TestStandingStill:
    def test_one_of_the_department_stands_still_while_an_approval_is_waited_for(self) -> None:
        at_decision = next(each for each in PROMISES if each.name == "arrive").model_copy(update={"starts": "decision"})
        case = case_in(State.AWAITING_APPROVAL, promises=(*without("arrive"), at_decision))
        assert clock(case, "arrive").status.value == "waiting"
        promise(case)
        assert (clock(case, "arrive").started_at, clock(case, "arrive").paused) == (MONDAY, True)
        do(case, BODIES["decide_approval"], LATER + hours(1))
        assert clock(case, "arrive").running_since == LATER + hours(1)

    def test_one_to_the_caller_runs_while_an_approval_is_waited_for(self) -> None:
        case = case_in(State.AWAITING_APPROVAL, promises=without("reply"))
        promise(case)
        assert clock(case, "reply").due_at(CALENDAR) == MONDAY + days(8)

    def test_one_of_the_department_waits_for_the_next_dispatch_of_a_returned_case(self) -> None:
        case = case_in(State.PENDING_REDISPATCH, promises=without("arrive"))
        promise(case)
        assert clock(case, "arrive").status.value == "waiting"
        do(case, BODIES["dispatch"], LATER + minutes(5))
        assert clock(case, "arrive").due_at(CALENDAR) == LATER + minutes(65)


class TestDecision:
    """Promises that run from the decision on."""

    def after_a_decision(self) -> Case:
        case = case_in(State.AWAITING_APPROVAL, promises=without("reply"))
        do(case, BODIES["decide_approval"], THEN)
        return case

    def test_counts_from_the_decision_of_this_cycle(self) -> None:
        case = self.after_a_decision()
        promise(case, (*without("reply"), PAYMENT))
        assert clock(case, "reply").started_at == THEN

    def test_waits_where_only_an_earlier_cycle_had_one(self) -> None:
        case = self.after_a_decision()
        for body in (BODIES["complete"], BODIES["reply"], FollowUp(outcome="dissatisfied")):
            do(case, body, THEN + minutes(1))
        promise(case, (*without("reply"), PAYMENT))
        assert (clock(case, "reply").cycle, clock(case, "reply").status.value) == (2, "waiting")


class TestAgain:
    @pytest.mark.parametrize("name", ["arrive", "resolve", "reply"])
    def test_one_that_was_dropped_may_be_promised_again(self, name: str) -> None:
        case = case_in(State.DISPATCHED)
        promise(case, without(name))
        promise(case)
        dropped, again = own(case, name)
        assert (dropped.status.value, again.status.value) == ("cancelled", "running")
        assert again.started_at == MONDAY

    def test_the_one_that_a_part_has_kept_is_not_that_of_the_case(self) -> None:
        case = case_in(State.IN_PROGRESS)
        for action in ("involve", "sign_for", "complete"):
            do(case, BODIES[action], THEN, None if action == "involve" else OTHER_CREW)
        promise(case, without("resolve"))
        promise(case)
        assert [each.status.value for each in own(case, "resolve")] == ["cancelled", "running"]
