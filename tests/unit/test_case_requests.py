"""Requests to others: to take a case back, to pay, to wait longer, to own it."""

from decimal import Decimal

import pytest

from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.hand_over import HandOver
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.return_ import Return
from domain.case.lifecycle import State
from domain.catalogue.terms import Process, Promise
from domain.shared.actors import Actor, Role
from domain.shared.errors import ANOTHER_SUPERVISOR, Refused
from tests.support.build import (
    ADMIN,
    AGENT,
    BODIES,
    CREW,
    MONDAY,
    OTHER_CREW,
    OWNER,
    SUPERVISOR,
    THEN,
    case_in,
    data_of,
    days,
    do,
    hours,
    minutes,
    one,
    refused,
)


class TestReturn:
    def test_frees_the_case_of_its_assignee(self) -> None:
        case = case_in(State.IN_PROGRESS)
        event = one(do(case, Return(reason="Not ours."), THEN))
        assert (case.state, case.department, case.assignee) == (State.PENDING_REDISPATCH, "repair", None)
        assert data_of(event)["reason"] == "Not ours."

    def test_is_possible_for_two_working_days(self) -> None:
        do(case_in(State.IN_PROGRESS), BODIES["return"], MONDAY + days(2))
        case = case_in(State.IN_PROGRESS)
        case.advance(MONDAY + days(2) + minutes(1))
        refusal = refused(case, BODIES["return"], at=MONDAY + days(2) + minutes(1))
        assert (refusal.kind, refusal.code) == ("conflict", "return_too_late")
        assert "2026-09-09T01:00:00+00:00" in refusal.message
        assert "complete" in refusal.accepted
        assert "return" not in refusal.accepted

    def test_a_rejected_return_gives_no_new_term_but_a_new_dispatch_does(self) -> None:
        again, anew = case_in(State.PENDING_REDISPATCH), case_in(State.PENDING_REDISPATCH)
        do(again, BODIES["reject_return"], MONDAY + days(1))
        do(anew, Dispatch(department="metering"), MONDAY + days(1))
        with pytest.raises(Refused, match="return within 2 working days"):
            do(again, BODIES["return"], MONDAY + days(2) + hours(1))
        do(anew, BODIES["return"], MONDAY + days(2) + hours(1), OTHER_CREW)


class TestRejectReturn:
    def test_the_same_department_keeps_the_case(self) -> None:
        case = case_in(State.PENDING_REDISPATCH)
        event = one(do(case, RejectReturn(reason="It is yours."), THEN))
        assert (case.state, case.department, data_of(event)["department"]) == (State.DISPATCHED, "repair", "repair")


class TestApproval:
    def test_is_asked_for_with_an_amount_and_decided(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, RequestApproval(subject="New pipes", amount=Decimal("1250.50")), THEN)
        asked = case.approval
        assert asked is not None
        assert (asked.subject, asked.amount) == ("New pipes", Decimal("1250.50"))
        assert (asked.requested_by, asked.requested_at) == (CREW.id, THEN)
        do(case, DecideApproval(approved=True), THEN)
        assert (case.state, case.approval, case.flags) == (State.IN_PROGRESS, None, ("approved",))

    def test_may_be_denied(self) -> None:
        case = case_in(State.AWAITING_APPROVAL)
        do(case, DecideApproval(approved=False), THEN)
        assert (case.state, case.flags) == (State.IN_PROGRESS, ("approval_rejected",))


class TestExtension:
    def test_is_asked_for_and_granted_once(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, RequestExtension(working_days=3, reason="Parts"), THEN)
        asked = case.extension
        assert asked is not None
        assert (asked.working_days, asked.requested_by) == (3, CREW.id)
        assert refused(case, BODIES["request_extension"]).code == "out_of_turn"
        before = {clock.name: clock.budget_seconds for clock in case.clocks}
        event = one(do(case, DecideExtension(approved=True), THEN))
        assert (data_of(event)["working_days"], case.extension, case.flags) == (3, None, ("extended",))
        gained = {clock.name: clock.budget_seconds - before[clock.name] for clock in case.clocks}
        assert gained == {"acknowledge": 0, "arrive": 0, "resolve": 75_600, "reply": 75_600, "follow_up": 0}
        refusal = refused(case, BODIES["request_extension"])
        assert (refusal.kind, refusal.code) == ("conflict", "extension_used")
        assert "granted 1 time(s) in a cycle at most" in refusal.message

    def test_denied_it_changes_no_clock_and_may_be_asked_again(self) -> None:
        case = case_in(State.IN_PROGRESS)
        clocks = case.clocks
        do(case, BODIES["request_extension"], THEN)
        do(case, DecideExtension(approved=False), THEN)
        assert (case.clocks, case.extension, case.flags) == (clocks, None, ())
        do(case, BODIES["request_extension"], THEN)

    def test_once_the_promise_has_expired_it_can_only_be_rejected(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["request_extension"], THEN)
        expired = MONDAY + days(7)
        refusal = refused(case, BODIES["decide_extension"], at=expired)
        assert (refusal.kind, refusal.code) == ("conflict", "extension_expired")
        assert f"resolve expired at {expired.isoformat()}" in refusal.message
        assert "decide_extension" in refusal.accepted
        do(case, DecideExtension(approved=False), expired)
        assert (case.extension, case.extensions) == (None, 0)

    def test_nobody_decides_on_his_own(self) -> None:
        case = case_in(State.IN_PROGRESS)
        asker, same = (Actor(id="Wu Gang", role=role, department="repair") for role in (Role.CREW, Role.SUPERVISOR))
        do(case, BODIES["request_extension"], THEN, asker)
        refusal = refused(case, BODIES["decide_extension"], same)
        assert (refusal.kind, refusal.code, refusal.accepted) == ("forbidden", "own_request", (ANOTHER_SUPERVISOR,))
        assert "decide_extension" not in case.available_actions(same, THEN)
        do(case, BODIES["decide_extension"], THEN, ADMIN)

    def test_a_promise_round_the_clock_takes_a_working_day_ahead_too(self) -> None:
        """So one of 24 hours is hardly ever extended; the refusal says why."""
        whole_day = Promise(name="resolve", calendar="always", budget_seconds=86_400, starts="registration")
        refusal = refused(case_in(State.IN_PROGRESS, promises=(whole_day,)), BODIES["request_extension"])
        assert refusal.code == "extension_too_late"
        assert "1 working day(s) ahead of the expiry of resolve, of one that runs round the clock as well" in (
            refusal.message
        )

    def test_there_must_be_something_to_decide(self) -> None:
        case = case_in(State.IN_PROGRESS)
        assert refused(case, BODIES["decide_extension"]).code == "out_of_turn"
        assert "decide_extension" not in case.available_actions(SUPERVISOR, THEN)

    def test_ten_days_at_most(self) -> None:
        refusal = refused(case_in(State.DISPATCHED), RequestExtension(working_days=11, reason="Parts"))
        assert (refusal.kind, refusal.code) == ("invalid", "extension_too_long")
        assert refusal.accepted == ("1-10",)
        assert "10 working days at most; 11 were asked for" in refusal.message

    def test_one_working_day_ahead_at_least(self) -> None:
        # Five working days from Monday 09:00 are over on the next Monday at 09:00.
        do(case_in(State.IN_PROGRESS), BODIES["request_extension"], MONDAY + days(4))
        refusal = refused(case_in(State.IN_PROGRESS), BODIES["request_extension"], at=MONDAY + days(4) + minutes(1))
        assert (refusal.kind, refusal.code) == ("conflict", "extension_too_late")
        assert "1 working day(s) ahead" in refusal.message
        assert "2026-09-14T01:00:00+00:00" in refusal.message

    @pytest.mark.parametrize("rules", [Process(extensions_allowed=0), Process(extension_max_days=0)])
    def test_there_may_be_none(self, rules: Process) -> None:
        assert refused(case_in(State.IN_PROGRESS, process=rules), BODIES["request_extension"]).code == "extension_used"

    def test_without_a_promise_there_is_nothing_to_extend(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=())
        assert refused(case, BODIES["request_extension"]).code == "extension_too_late"

    @pytest.mark.parametrize("action", ["complete", "return", "withdraw"])
    def test_a_request_ends_with_what_it_was_for(self, action: str) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["request_extension"], THEN)
        do(case, BODIES[action], THEN)
        assert case.extension is None


class TestHandOver:
    def test_is_recorded_and_the_new_owner_owns(self) -> None:
        case = case_in(State.PENDING_REPLY)
        event = one(do(case, HandOver(owner=AGENT.id), THEN))
        assert (case.owner, data_of(event)["previous_owner"]) == (AGENT.id, OWNER.id)
        assert refused(case, BODIES["reply"], OWNER).code == "wrong_role"
        do(case, BODIES["reply"], THEN, AGENT)

    def test_to_the_owner_is_none(self) -> None:
        refusal = refused(case_in(State.DISPATCHED), HandOver(owner=OWNER.id))
        assert (refusal.kind, refusal.code) == ("invalid", "same_owner")

    def test_from_another_owner_than_is_meant_is_refused(self) -> None:
        case = case_in(State.DISPATCHED)
        refusal = refused(case, HandOver(owner="li", previous_owner=AGENT.id))
        assert (refusal.kind, refusal.code) == ("conflict", "owner_changed")
        assert refusal.message == f"It belongs to {OWNER.id} now."
        do(case, HandOver(owner="li", previous_owner=OWNER.id), THEN)
        assert case.owner == "li"
