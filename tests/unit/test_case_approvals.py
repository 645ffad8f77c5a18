"""Money (报批): decided by amount, in turn, by people who did not ask, and in time."""

from decimal import Decimal
from typing import Any

import pytest

from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.link_incident import Settlement
from domain.case.actions.request_approval import RequestApproval
from domain.case.approvers import CREDIT_KIND
from domain.case.case import Case, notifications
from domain.case.lifecycle import Event, State
from domain.catalogue.terms import Approver
from domain.shared.actors import Actor, Role
from tests.support.build import (
    ADMIN,
    BODIES,
    CREW,
    INCIDENT,
    MANAGER,
    OTHER_CREW,
    THEN,
    case_in,
    clock,
    data_of,
    do,
    hours,
    one,
    refused,
)

DIRECTOR = Actor(id="Ma Jun", role=Role.MANAGER)
DEPUTY = Actor(id="Tan Yi", role=Role.MANAGER)
APPROVERS = (
    Approver(
        post="客服经理 customer service manager",
        up_to=Decimal(1000),
        holder=MANAGER.id,
        deputy=DEPUTY.id,
        budget_seconds=3600,
    ),
    Approver(post="总经理 general manager", up_to=Decimal(20000), holder=DIRECTOR.id, budget_seconds=7200),
)
YES, NO = DecideApproval(approved=True, note="Agreed."), DecideApproval(approved=False, note="Not ours.")


def asked(amount: str, by: Actor = CREW, approvers: tuple[Approver, ...] = APPROVERS, **changes: Any) -> Case:
    case = case_in(State.IN_PROGRESS, approvers=approvers, **changes)
    request = RequestApproval(
        subject="New pipes", amount=Decimal(amount), kind="funded_repair", grounds="Public relief."
    )
    do(case, request, THEN, by)
    return case


class TestAmount:
    def test_a_small_one_takes_one_approver(self) -> None:
        case = asked("1000.00")
        event = one(do(case, YES, THEN, MANAGER))
        assert (case.state, case.approval) == (State.IN_PROGRESS, None)
        (decided,) = case.decisions
        assert (decided.amount, decided.approved, decided.decided_by) == (Decimal("1000.00"), True, (MANAGER.id,))
        assert (data_of(event)["amount"], data_of(event)["kind"], data_of(event)["requested_by"]) == (
            "1000.00",
            "funded_repair",
            CREW.id,
        )

    def test_a_large_one_takes_several_in_turn(self) -> None:
        case = asked("1000.01")
        assert refused(case, YES, DIRECTOR).code == "not_the_approver"
        do(case, YES, THEN, MANAGER)
        assert (case.state, case.flags) == (State.AWAITING_APPROVAL, ())
        assert refused(case, YES, MANAGER).code == "decided_already"
        do(case, YES, THEN, DIRECTOR)
        assert (case.state, case.flags) == (State.IN_PROGRESS, ("approved",))
        assert case.decisions[0].decided_by == (MANAGER.id, DIRECTOR.id)

    def test_a_rejection_ends_it_at_any_turn(self) -> None:
        case = asked("5000")
        do(case, YES, THEN, MANAGER)
        do(case, NO, THEN, DIRECTOR)
        assert (case.state, case.flags) == (State.IN_PROGRESS, ("approval_rejected",))
        assert (case.decisions[0].approved, case.decisions[0].decided_by) == (False, (MANAGER.id, DIRECTOR.id))
        assert not any(clock.live for clock in case.clocks if clock.name == "approve")

    def test_the_first_approver_rejects_for_all(self) -> None:
        case = asked("5000")
        do(case, NO, THEN, MANAGER)
        assert (case.state, case.approval, case.flags) == (State.IN_PROGRESS, None, ("approval_rejected",))
        assert (case.decisions[0].approved, case.decisions[0].decided_by) == (False, (MANAGER.id,))

    def test_nobody_may_approve_more_than_the_last_limit(self) -> None:
        case = case_in(State.IN_PROGRESS, approvers=APPROVERS)
        refusal = refused(case, RequestApproval(subject="A new main", amount=Decimal("20000.01")))
        assert (refusal.kind, refusal.code, refusal.accepted) == (
            "invalid",
            "amount_too_high",
            ("0-20000.00",),
        )

    @pytest.mark.parametrize("amount", ["-0.01", "0.001", "1e12", "NaN", "Infinity"])
    def test_no_amount_is_below_zero_or_finer_than_a_fen(self, amount: str) -> None:
        with pytest.raises(ValueError, match="amount"):
            RequestApproval.model_validate({"subject": "x", "amount": amount})

    @pytest.mark.parametrize(
        ("given", "kept"), [("0.1", "0.10"), ("860", "860.00"), ('"1e3"', "1000.00"), ("-0.0", "0.00")]
    )
    def test_an_amount_is_kept_with_two_places_however_it_is_given(self, given: str, kept: str) -> None:
        case = case_in(State.IN_PROGRESS)
        body = RequestApproval.model_validate_json(f'{{"subject": "Pipes", "amount": {given}}}')
        (asked,) = do(case, body, THEN)
        waiting = str(case.approval and case.approval.amount)
        (decided,) = do(case, YES, THEN, MANAGER)
        assert {data_of(asked)["amount"], waiting, data_of(decided)["amount"], str(case.decisions[0].amount)} == {kept}


class TestWords:
    """Words of a request with a kind, which is money by the catalogue: it takes amount and grounds, and a reason."""

    @pytest.mark.parametrize(
        ("words", "accepted"),
        [
            ({"grounds": "Public relief."}, ("amount",)),
            ({"amount": Decimal(10)}, ("grounds",)),
            ({}, ("amount", "grounds")),
        ],
    )
    def test_of_a_request(self, words: dict[str, Any], accepted: tuple[str, ...]) -> None:
        case = case_in(State.IN_PROGRESS, approvers=APPROVERS)
        refusal = refused(case, RequestApproval(subject="Waive the bill", kind="waiver", **words))
        assert (refusal.kind, refusal.code) == ("invalid", "request_incomplete")
        assert refusal.accepted == accepted

    @pytest.mark.parametrize("approved", [True, False])
    def test_of_a_decision(self, approved: bool) -> None:
        case = asked("10")
        refusal = refused(case, DecideApproval(approved=approved))
        assert (refusal.kind, refusal.code) == ("invalid", "reason_needed")
        do(case, DecideApproval(approved=approved, reason="She lives on relief."), THEN)
        (decided,) = case.decisions
        assert (decided.reason, decided.grounds) == ("She lives on relief.", "Public relief.")

    def test_a_note_is_reason_enough(self) -> None:
        case = asked("10")
        do(case, YES, THEN, MANAGER)
        assert case.decisions[0].reason == "Agreed."

    @pytest.mark.parametrize("approved", [True, False])
    def test_without_a_kind_it_takes_the_bare_word(self, approved: bool) -> None:
        case = case_in(State.IN_PROGRESS, approvers=APPROVERS)
        do(case, RequestApproval(subject="New pipes", amount=Decimal(10)), THEN)
        do(case, DecideApproval(approved=approved), THEN)
        assert (case.decisions[0].approved, case.decisions[0].reason) == (approved, None)


class TestSum:
    """Parts of a sum are decided on as the sum."""

    def ask(self, case: Case, amount: str) -> Event:
        return one(do(case, RequestApproval(subject="New pipes", amount=Decimal(amount)), THEN))

    def test_what_was_approved_before_counts_towards_the_limit(self) -> None:
        case = asked("600")
        do(case, YES, THEN, MANAGER)
        assert data_of(self.ask(case, "400"))["approvers"][-1]["holder"] == MANAGER.id
        do(case, YES, THEN, MANAGER)
        event = self.ask(case, "0.01")
        assert [who["holder"] for who in data_of(event)["approvers"]] == [MANAGER.id, DIRECTOR.id]
        assert data_of(event)["approved_before"] == "1000.00"

    def test_what_was_rejected_does_not(self) -> None:
        case = asked("600")
        do(case, NO, THEN, MANAGER)
        event = self.ask(case, "1000")
        assert len(data_of(event)["approvers"]) == 1
        assert "approved_before" not in data_of(event)

    def test_what_was_decided_is_in_the_currency_of_the_catalogue(self) -> None:
        case = asked("600", currency="GBP")
        do(case, YES, THEN, MANAGER)
        assert case.decisions[-1].currency == "GBP"
        assert data_of(self.ask(case, "401"))["approved_before"] == "600.00"

    def test_neither_does_what_was_owed_or_another_currency(self) -> None:
        case = asked("1000")
        do(case, YES, THEN, MANAGER)
        (decided,) = case.decisions
        others = {"kind": CREDIT_KIND}, {"currency": "GBP"}
        case.decisions = tuple(decided.model_copy(update=other) for other in others)
        assert len(data_of(self.ask(case, "1000"))["approvers"]) == 1

    def test_together_they_stay_below_the_last_limit(self) -> None:
        case = asked("19000")
        do(case, YES, THEN, MANAGER)
        do(case, YES, THEN, DIRECTOR)
        refusal = refused(case, RequestApproval(subject="More", amount=Decimal("1000.01")))
        assert (refusal.code, refusal.accepted) == ("amount_too_high", ("0-1000.00",))
        assert "on top of 19000.00 CNY approved before" in refusal.message


class TestBefore:
    """A written decision comes before money moves, where the service says so."""

    def test_nothing_is_completed_on_which_management_has_not_decided(self) -> None:
        case = case_in(State.IN_PROGRESS, needs_approval=True)
        refusal = refused(case, BODIES["complete"])
        assert (refusal.kind, refusal.code) == ("conflict", "not_approved")
        assert "request_approval" in refusal.accepted
        assert "complete" not in case.available_actions(CREW, THEN)

    @pytest.mark.parametrize("approved", [True, False])
    def test_it_may_be_then_for_a_rejection_is_an_answer_too(self, approved: bool) -> None:
        case = case_in(State.AWAITING_APPROVAL, needs_approval=True)
        do(case, DecideApproval(approved=approved), THEN)
        do(case, BODIES["complete"], THEN)
        assert case.state is State.PENDING_REPLY

    def test_each_cycle_has_its_own_decision(self) -> None:
        case = case_in(State.AWAITING_APPROVAL, needs_approval=True)
        for body in (YES, BODIES["complete"], BODIES["reply"], FollowUp(outcome="dissatisfied")):
            do(case, body, THEN)
        do(case, BODIES["sign_for"], THEN)
        assert refused(case, BODIES["complete"]).code == "not_approved"

    def test_the_part_of_another_department_waits_for_none(self) -> None:
        case = case_in(State.IN_PROGRESS, needs_approval=True)
        do(case, BODIES["involve"], THEN)
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        do(case, BODIES["complete"], THEN, OTHER_CREW)
        assert case.state is State.IN_PROGRESS

    def test_no_incident_completes_it_either(self) -> None:
        case = case_in(State.IN_PROGRESS, needs_approval=True)
        do(case, BODIES["link_incident"], THEN)
        events = case.settle(Settlement(incident=INCIDENT, result="x", message="x"), THEN)
        assert [event.action for event in events] == ["comment"]


class TestFlags:
    @pytest.mark.parametrize(("words", "flags"), [((YES, NO), ("approval_rejected",)), ((NO, YES), ("approved",))])
    def test_the_last_word_holds(self, words: tuple[DecideApproval, ...], flags: tuple[str, ...]) -> None:
        case = case_in(State.IN_PROGRESS)
        for word in words:
            do(case, BODIES["request_approval"], THEN)
            do(case, word, THEN)
        assert case.flags == flags


class TestWho:
    def test_nobody_decides_on_money_that_he_asked_for(self) -> None:
        asker = Actor(id=MANAGER.id, role=Role.CREW, department="repair")
        case = asked("10", asker)
        refusal = refused(case, YES, MANAGER)
        assert (refusal.kind, refusal.code) == ("forbidden", "own_request")
        assert "decide_approval" not in case.available_actions(MANAGER, THEN)

    def test_the_administrator_may_in_an_emergency_and_is_on_record(self) -> None:
        case = asked("10", ADMIN)
        assert one(do(case, YES, THEN, ADMIN)).role is Role.ADMIN

    def test_where_nobody_is_named_any_other_manager_may(self) -> None:
        anybody = Approver(post="any", up_to=Decimal(10), budget_seconds=60)
        case = asked("10", approvers=(anybody,))
        do(case, YES, THEN, DEPUTY)
        assert case.state is State.IN_PROGRESS

    def test_the_deputy_may_once_the_time_has_lapsed(self) -> None:
        case = asked("10")
        assert refused(case, YES, DEPUTY).accepted == (MANAGER.id,)
        late = THEN + hours(2)
        case.advance(late)
        assert "decide_approval" in case.available_actions(DEPUTY, late)
        do(case, YES, late, DEPUTY)
        assert case.decisions[0].decided_by == (DEPUTY.id,)

    def test_the_approver_may_still_when_the_deputy_may_as_well(self) -> None:
        case = asked("10")
        late = THEN + hours(2)
        case.advance(late)
        do(case, YES, late, MANAGER)
        assert case.decisions[0].decided_by == (MANAGER.id,)

    def test_a_lapse_of_one_turn_is_none_of_the_next(self) -> None:
        first, last = APPROVERS
        case = asked("5000", approvers=(first, last.model_copy(update={"deputy": DEPUTY.id})))
        late = THEN + hours(2)
        case.advance(late)
        do(case, YES, late, MANAGER)
        assert refused(case, YES, DEPUTY, late).accepted == (DIRECTOR.id,)
        # Two hours of working time later, over the lunch break.
        assert clock(case, "approve").due_at(case.calendar) == late + hours(4)
        case.advance(late + hours(4))
        do(case, YES, late + hours(4), DEPUTY)
        assert case.decisions[0].decided_by == (MANAGER.id, DEPUTY.id)

    @pytest.mark.parametrize("amount", [None, Decimal(10)])
    @pytest.mark.parametrize("approvers", [(), APPROVERS])
    def test_nor_on_a_request_of_any_other_kind(self, amount: Decimal | None, approvers: tuple[Approver, ...]) -> None:
        case = case_in(State.IN_PROGRESS, approvers=approvers)
        asker = Actor(id=MANAGER.id, role=Role.CREW, department="repair")
        do(case, RequestApproval(subject="New pipes", amount=amount), THEN, asker)
        assert refused(case, YES, MANAGER).code == "own_request"


class TestTime:
    def test_each_turn_has_a_clock_of_its_own_in_working_time(self) -> None:
        case = asked("5000")
        do(case, YES, THEN + hours(0.5), MANAGER)
        first, second = (clock for clock in case.clocks if clock.name == "approve")
        assert (first.status, first.calendar, first.budget_seconds) == ("met", "working", 3600)
        assert (second.status, second.started_at, second.budget_seconds) == ("running", THEN + hours(0.5), 7200)

    def test_a_lapse_is_told_to_approver_and_deputy(self) -> None:
        case = asked("10")
        told = [
            notice.recipient
            for event in case.advance(THEN + hours(1.01))
            if event.action == "escalate" and data_of(event)["clock"] == "approve" and data_of(event)["percent"] == 100
            for notice in notifications(case.number, event)
        ]
        assert told == [f"manager:{MANAGER.id}", "owner:Chen Jing", "supervisor", f"manager:{DEPUTY.id}"]

    def test_before_the_lapse_the_deputy_is_told_nothing(self) -> None:
        escalations = [event for event in asked("10").advance(THEN + hours(3)) if data_of(event)["clock"] == "approve"]
        deputy = f"manager:{DEPUTY.id}"
        told = {data_of(event)["percent"]: deputy in event.recipients for event in escalations}
        assert told == {50: False, 75: False, 100: True, 150: True, 200: True}

    def test_a_request_is_told_to_whose_turn_it_is(self) -> None:
        case = asked("5000")
        event = one(do(case, YES, THEN, MANAGER))
        assert [notice.recipient for notice in notifications(case.number, event)] == [f"manager:{DIRECTOR.id}"]
