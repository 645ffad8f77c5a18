"""The figures of the chain are those of the case's catalogue, whatever is usual, and each holds to its very limit."""

from datetime import datetime

import pytest

from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.link_incident import Settlement
from domain.case.actions.request_extension import RequestExtension
from domain.case.lifecycle import PartState, State
from domain.catalogue.terms import Process, Promise
from tests.support.build import (
    BODIES,
    INCIDENT,
    MONDAY,
    OTHER_CREW,
    THEN,
    case_in,
    clock,
    days,
    do,
    hours,
    minutes,
    refused,
)

FRIDAY = MONDAY + days(4)


class TestFollowUp:
    @pytest.mark.parametrize("attempts", [1, 2, 5])
    def test_an_unreachable_caller_is_tried_as_often_as_the_catalogue_says(self, attempts: int) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, process=Process(follow_up_attempts=attempts))
        for attempt in range(attempts):
            assert case.state is State.PENDING_FOLLOW_UP
            do(case, FollowUp(outcome="unreachable"), THEN + days(attempt))
        assert (case.state, case.follow_up_attempts, case.flags) == (State.CLOSED, attempts, ("unreachable",))

    def test_every_rework_from_supervise_after_on_is_supervised(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, process=Process(supervise_after=2))
        supervised = []
        for _ in range(4):
            do(case, FollowUp(outcome="dissatisfied"), THEN)
            supervised.append((case.cycle, case.supervision and case.supervision.cycle))
            for action in ("sign_for", "complete", "reply"):
                do(case, BODIES[action], THEN)
        assert supervised == [(2, None), (3, 3), (4, 4), (5, 5)]


class TestReopening:
    @pytest.mark.parametrize("action", ["answer", "follow_up"])
    def test_the_window_is_as_long_as_the_catalogue_says(self, action: str) -> None:
        state = State.REGISTERED if action == "answer" else State.PENDING_FOLLOW_UP
        case = case_in(state, process=Process(reopen_seconds=3600))
        do(case, BODIES[action], THEN)
        assert (case.state, case.reopen_ends_at) == (State.CLOSED, THEN + hours(1))

    def test_so_is_that_of_a_case_closed_with_its_incident(self) -> None:
        case = case_in(State.IN_PROGRESS, process=Process(reopen_seconds=3600))
        do(case, BODIES["link_incident"], THEN)
        case.settle(Settlement(incident=INCIDENT, result="x", message="x", follow_up=False), THEN)
        assert (case.state, case.reopen_ends_at) == (State.CLOSED, THEN + hours(1))


class TestReturn:
    @pytest.mark.parametrize(("count", "last"), [(0, FRIDAY), (1, FRIDAY + days(3)), (2, FRIDAY + days(4))])
    def test_is_possible_within_the_working_days_of_the_catalogue(self, count: int, last: datetime) -> None:
        """Counted from a Friday: the weekend is none of them."""
        case = case_in(State.DISPATCHED, FRIDAY, process=Process(return_within_days=count))
        refusal = refused(case, BODIES["return"], at=last + minutes(1))
        assert (refusal.kind, refusal.code) == ("conflict", "return_too_late")
        assert f"within {count} working days was possible until {last.isoformat()}" in refusal.message
        do(case, BODIES["return"], last)
        assert case.state is State.PENDING_REDISPATCH

    def test_those_of_a_part_count_from_its_own_involvement(self) -> None:
        case = case_in(State.IN_PROGRESS, FRIDAY, process=Process(return_within_days=1))
        involved = FRIDAY + days(4)
        last = involved + days(1)
        do(case, BODIES["involve"], involved)
        assert refused(case, BODIES["return"], OTHER_CREW, last + minutes(1)).code == "return_too_late"
        do(case, BODIES["return"], last, OTHER_CREW)
        assert case.parts[0].state is PartState.RETURNED


class TestExtension:
    def test_of_the_most_days_that_the_catalogue_allows_is_granted(self) -> None:
        case = case_in(State.IN_PROGRESS, process=Process(extension_max_days=4))
        assert refused(case, RequestExtension(working_days=5, reason="x")).accepted == ("1-4",)
        do(case, RequestExtension(working_days=4, reason="x"), THEN)
        do(case, DecideExtension(approved=True), THEN)
        assert clock(case, "resolve").due_at(case.calendar) == MONDAY + days(11)

    def test_is_granted_as_often_in_a_cycle_as_the_catalogue_allows(self) -> None:
        case = case_in(State.IN_PROGRESS, process=Process(extensions_allowed=2))
        for _ in range(2):
            do(case, BODIES["request_extension"], THEN)
            do(case, BODIES["decide_extension"], THEN)
        refusal = refused(case, BODIES["request_extension"])
        assert (refusal.code, case.extensions) == ("extension_used", 2)
        assert "granted 2 time(s) in a cycle at most" in refusal.message

    @pytest.mark.parametrize(("notice", "last"), [(2, MONDAY + days(3)), (3, MONDAY + days(2))])
    def test_is_asked_for_as_many_working_days_ahead_as_the_catalogue_says(self, notice: int, last: datetime) -> None:
        """Five working days from Monday 09:00 are over on the next Monday at 09:00."""
        case = case_in(State.IN_PROGRESS, process=Process(extension_notice_days=notice))
        refusal = refused(case, BODIES["request_extension"], at=last + minutes(1))
        assert (refusal.kind, refusal.code) == ("conflict", "extension_too_late")
        assert f"asked for {notice} working day(s) ahead" in refusal.message
        do(case, BODIES["request_extension"], last)
        assert case.extension is not None

    def test_of_a_promise_round_the_clock_goes_by_working_days_too(self) -> None:
        """Ten days end on Thursday; Thursday, Friday and the make-up Sunday are three working days."""
        promise = Promise(name="resolve", calendar="always", budget_seconds=10 * 86_400, starts="registration")
        case = case_in(State.IN_PROGRESS, promises=(promise,))
        do(case, RequestExtension(working_days=3, reason="Parts"), THEN)
        do(case, DecideExtension(approved=True), THEN)
        assert clock(case, "resolve").due_at(case.calendar) == MONDAY + days(14)
