"""Parts of other departments (部门联动): each does its part, and the owner replies when all are done."""

from decimal import Decimal
from typing import Any

import pytest

from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.send_back import SendBack
from domain.case.actions.sign_for import SignFor
from domain.case.case import Case, notifications
from domain.case.clocks import Clock
from domain.case.lifecycle import PartState, State
from domain.catalogue.terms import Approver
from domain.shared.actors import Actor, Role
from tests.support.build import (
    ADMIN,
    AGENT,
    BODIES,
    CREW,
    DISPATCHER,
    MANAGER,
    OTHER_CREW,
    OWNER,
    SUPERVISOR,
    THEN,
    case_in,
    data_of,
    do,
    hours,
    minutes,
    one,
    refused,
)

BILLING = Actor(id="Deng Yan", role=Role.CREW, department="billing")
INVOLVE = BODIES["involve"]
COMPLETE = Complete(result="The valve was lifted.")


def with_parts(state: State = State.IN_PROGRESS, **changes: Any) -> Case:
    """The repair crew has the case, metering a part in it."""
    case = case_in(state, **changes)
    do(case, INVOLVE, THEN, OWNER)
    return case


def of_part(case: Case, name: str, serial: int = 1) -> Clock:
    return next(clock for clock in case.clocks if clock.part == serial and clock.name == name)


def main(case: Case, name: str) -> Clock:
    return [clock for clock in case.clocks if clock.part == 0 and clock.name == name][-1]


class TestInvolve:
    def test_a_further_department_gets_a_part_with_clocks_of_its_own(self) -> None:
        case = with_parts()
        (part,) = case.parts
        assert (part.department, part.task, part.state) == ("metering", "Read the meter.", PartState.DISPATCHED)
        assert (case.state, case.department, case.assignee) == (State.IN_PROGRESS, "repair", CREW.id)
        promised = {clock.name: clock.due_at(case.calendar) for clock in case.clocks if clock.part}
        assert promised["acknowledge"] == THEN + minutes(10)
        assert set(promised) == {"acknowledge", "resolve"}

    def test_neither_the_department_of_the_case_nor_one_at_work_already(self) -> None:
        case = with_parts()
        again = Involve(department="repair", task="x")
        assert refused(case, again, DISPATCHER).code == "already_involved"
        refusal = refused(case, INVOLVE, DISPATCHER)
        assert (refusal.kind, refusal.code) == ("invalid", "already_involved")
        assert "Read the meter." in refusal.message

    def test_another_department_takes_a_part_over(self) -> None:
        case = with_parts()
        do(case, Involve(department="billing", task="Check the bill.", takes_over="metering"), THEN, DISPATCHER)
        assert [part.state for part in case.parts] == [PartState.RELEASED, PartState.DISPATCHED]
        assert of_part(case, "acknowledge").status == "cancelled"
        assert of_part(case, "acknowledge", 2).status == "running"
        nobody = Involve(department="water_quality", task="x", takes_over="metering")
        assert refused(case, nobody, DISPATCHER).accepted == ("billing", ("不接手", "no takeover"))

    def test_a_dispatch_to_a_department_that_has_a_part_makes_the_part_its_case(self) -> None:
        case = with_parts()
        do(case, BODIES["return"], THEN)
        do(case, Dispatch(department="metering"), THEN)
        assert case.unfinished == ()
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        assert (case.state, case.assignee) == (State.IN_PROGRESS, OTHER_CREW.id)


class TestWork:
    def test_each_department_signs_for_and_completes_its_own(self) -> None:
        case = with_parts(State.DISPATCHED)
        signed = one(do(case, BODIES["sign_for"], THEN, OTHER_CREW))
        assert (data_of(signed)["part"], data_of(signed)["department"]) == (1, "metering")
        assert (case.state, case.assignee) == (State.DISPATCHED, None)
        assert (case.parts[0].state, case.parts[0].assignee) == (PartState.IN_PROGRESS, OTHER_CREW.id)
        assert of_part(case, "acknowledge").status == "met"
        assert main(case, "acknowledge").status == "running"

    def test_the_reply_waits_for_all_whoever_comes_last(self) -> None:
        for first, last in ((CREW, OTHER_CREW), (OTHER_CREW, CREW)):
            case = with_parts()
            do(case, BODIES["sign_for"], THEN, OTHER_CREW)
            do(case, COMPLETE, THEN + minutes(5), first)
            assert case.state is State.IN_PROGRESS
            assert main(case, "resolve").status == "running"
            assert refused(case, COMPLETE, first).code in ("out_of_turn", "other_department")
            do(case, COMPLETE, THEN + minutes(9), last)
            assert (case.state, case.parts[0].result) == (State.PENDING_REPLY, "The valve was lifted.")
            assert main(case, "resolve").stopped_at == THEN + minutes(9)
            assert of_part(case, "resolve").status == "met"

    @pytest.mark.parametrize("action", ["suspend", "resume", "request_extension"])
    def test_the_whole_case_stands_still_and_gets_time_for_its_own_department_alone(self, action: str) -> None:
        case = with_parts()
        if action == "resume":
            do(case, BODIES["suspend"], THEN)
        assert action not in case.available_actions(OTHER_CREW, THEN)
        assert refused(case, BODIES[action], OTHER_CREW).code == "other_department"

    def test_an_arrival_on_a_part_keeps_no_promise(self) -> None:
        case = with_parts()
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        before = case.clocks
        event = one(do(case, BODIES["arrive"], THEN, OTHER_CREW))
        assert (data_of(event)["part"], case.clocks, case.arrived_at) == (1, before, None)

    @pytest.mark.parametrize("action", ["return", "arrive", "complete"])
    def test_once_completed_the_department_only_waits_for_the_others(self, action: str) -> None:
        case = with_parts()
        do(case, COMPLETE, THEN)
        refusal = refused(case, BODIES[action], CREW)
        assert refusal.code == "out_of_turn"
        assert "repair has completed it, it waits for metering" in refusal.message

    def test_the_first_of_two_parts_that_are_waited_for_ends_no_wait(self) -> None:
        case = with_parts()
        do(case, Involve(department="billing", task="Find the arrears."), THEN, DISPATCHER)
        do(case, COMPLETE, THEN)
        states = []
        for crew in (OTHER_CREW, BILLING):
            do(case, BODIES["sign_for"], THEN, crew)
            do(case, COMPLETE, THEN, crew)
            states.append(case.state)
        assert states == [State.IN_PROGRESS, State.PENDING_REPLY]

    def test_a_crew_that_is_not_involved_is_kept_out_and_one_that_is_may_comment(self) -> None:
        case = with_parts()
        comment = BODIES["comment"]
        assert refused(case, comment, BILLING).code == "other_department"
        do(case, comment, THEN, OTHER_CREW)
        offered = case.available_actions(OTHER_CREW, THEN)
        assert offered == ("sign_for", "return", "request_approval", "comment", "assign")

    @pytest.mark.parametrize("done", ["return", "complete"])
    def test_a_crew_whose_part_is_done_or_returned_has_no_say_any_more(self, done: str) -> None:
        case = with_parts()
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        do(case, BODIES[done], THEN, OTHER_CREW)
        for body in (BODIES["comment"], BODIES["request_approval"]):
            assert refused(case, body, OTHER_CREW).code == "other_department"

    def test_an_extension_gives_a_part_no_more_time(self) -> None:
        case = with_parts()
        part, whole = of_part(case, "resolve").budget_seconds, main(case, "resolve").budget_seconds
        do(case, BODIES["request_extension"], THEN)
        do(case, BODIES["decide_extension"], THEN)
        assert main(case, "resolve").budget_seconds > whole
        assert of_part(case, "resolve").budget_seconds == part

    def test_the_administrator_says_whose_part_it_is(self) -> None:
        case = with_parts()
        do(case, SignFor(department="metering", assignee="Sun Hao"), THEN, ADMIN)
        assert case.parts[0].assignee == "Sun Hao"
        refusal = refused(case, Complete(department="billing", result="x"), ADMIN)
        assert (refusal.code, refusal.accepted) == ("no_such_part", ("metering",))
        assert refused(case, Complete(department="metering", result="x"), CREW).code == "other_department"

    def test_an_approval_asked_for_by_an_involved_department_holds_up_the_last_part(self) -> None:
        case = with_parts()
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        do(case, COMPLETE, THEN)
        do(case, RequestApproval(subject="Waive the bill", amount=Decimal("126.80")), THEN, OTHER_CREW)
        assert refused(case, COMPLETE, OTHER_CREW).code == "out_of_turn"
        do(case, BODIES["decide_approval"], THEN, MANAGER)
        do(case, COMPLETE, THEN, OTHER_CREW)
        assert case.state is State.PENDING_REPLY


class TestWaiting:
    """One department waits for management or for the caller; the others do what they can."""

    def test_an_approval_pauses_the_clocks_of_every_department_and_not_the_callers(self) -> None:
        case = with_parts()
        do(case, RequestApproval(subject="New pipes"), THEN + minutes(4), CREW)
        later = THEN + minutes(30)
        assert case.advance(later) == ()
        assert {of_part(case, name).status for name in ("acknowledge", "resolve")} == {"paused"}
        assert (main(case, "arrive").status, main(case, "resolve").status) == ("paused", "running")
        do(case, BODIES["decide_approval"], later, MANAGER)
        assert of_part(case, "acknowledge").due_at(case.calendar) == later + minutes(6)
        assert of_part(case, "resolve").status == "running"

    def test_the_turn_of_the_next_approver_resumes_nothing(self) -> None:
        two = (("lead", "10.00"), ("manager", "1000.00"))
        approvers = tuple(Approver(post=post, up_to=Decimal(most), budget_seconds=3600) for post, most in two)
        case = with_parts(approvers=approvers)
        do(case, RequestApproval(subject="New pipes", amount=Decimal(500)), THEN, CREW)
        do(case, BODIES["decide_approval"], THEN, MANAGER)
        assert (case.state, of_part(case, "resolve").status) == (State.AWAITING_APPROVAL, "paused")

    def test_what_a_department_does_meanwhile_stops_its_clock_where_it_stood(self) -> None:
        case = with_parts()
        do(case, RequestApproval(subject="New pipes"), THEN + minutes(4), CREW)
        do(case, BODIES["sign_for"], THEN + hours(1), OTHER_CREW)
        signed = of_part(case, "acknowledge")
        assert (signed.status, signed.consumed_seconds) == ("met", 240)

    def test_a_part_is_signed_for_and_completed_while_the_case_waits_for_its_caller(self) -> None:
        case = with_parts()
        do(case, BODIES["suspend"], THEN + minutes(4))
        assert {of_part(case, name).status for name in ("acknowledge", "resolve")} == {"paused"}
        assert "sign_for" in case.available_actions(OTHER_CREW, THEN + minutes(5))
        do(case, BODIES["sign_for"], THEN + hours(1), OTHER_CREW)
        do(case, COMPLETE, THEN + hours(2), OTHER_CREW)
        assert (case.state, case.parts[0].state) == (State.SUSPENDED, PartState.COMPLETED)
        assert (of_part(case, "resolve").status, main(case, "resolve").status) == ("met", "paused")
        do(case, BODIES["resume"], THEN + hours(3))
        do(case, COMPLETE, THEN + hours(4))
        assert case.state is State.PENDING_REPLY

    def test_the_clocks_of_a_part_run_on_when_the_case_is_taken_up_again(self) -> None:
        case = with_parts()
        do(case, BODIES["suspend"], THEN + minutes(4))
        do(case, BODIES["resume"], THEN + hours(3))
        assert of_part(case, "acknowledge").due_at(case.calendar) == THEN + hours(3) + minutes(6)
        assert of_part(case, "resolve").status == "running"

    def test_a_part_is_signed_for_and_completed_while_the_case_is_returned(self) -> None:
        case = with_parts()
        do(case, BODIES["return"], THEN)
        for body in (BODIES["sign_for"], COMPLETE):
            do(case, body, THEN + minutes(5), OTHER_CREW)
        assert (case.state, case.parts[0].state) == (State.PENDING_REDISPATCH, PartState.COMPLETED)
        assert of_part(case, "acknowledge").status == of_part(case, "resolve").status == "met"

    def test_the_last_part_before_the_reply_ends_when_the_case_is_taken_up_again(self) -> None:
        case = with_parts()
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        do(case, COMPLETE, THEN)
        do(case, BODIES["suspend"], THEN, OWNER)
        assert "in_progress again" in refused(case, COMPLETE, OTHER_CREW).message
        do(case, BODIES["resume"], THEN, AGENT)
        do(case, COMPLETE, THEN, OTHER_CREW)
        assert case.state is State.PENDING_REPLY


class TestBack:
    def test_a_part_is_returned_with_a_reason_and_the_case_goes_on(self) -> None:
        case = with_parts()
        do(case, BODIES["return"], THEN, OTHER_CREW)
        assert (case.state, case.parts[0].state) == (State.IN_PROGRESS, PartState.RETURNED)
        assert not any(clock.live for clock in case.clocks if clock.part)
        do(case, COMPLETE, THEN)
        assert case.state is State.IN_PROGRESS
        do(case, BODIES["release"], THEN, OWNER)
        assert (case.state, case.unfinished) == (State.PENDING_REPLY, ())
        assert main(case, "resolve").status == "met"

    def test_a_returned_part_is_nobodys(self) -> None:
        case = with_parts()
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        do(case, BODIES["return"], THEN, OTHER_CREW)
        assert (case.parts[0].state, case.parts[0].assignee) == (PartState.RETURNED, None)

    def test_a_returned_part_may_be_given_to_the_same_department_again(self) -> None:
        case = with_parts()
        do(case, BODIES["return"], THEN, OTHER_CREW)
        do(case, INVOLVE, THEN, DISPATCHER)
        assert [part.state for part in case.parts] == [PartState.RELEASED, PartState.DISPATCHED]

    def test_who_takes_over_anothers_part_has_his_own_returned_one_taken_off_him(self) -> None:
        case = with_parts()
        do(case, Involve(department="billing", task="Find the arrears."), THEN, DISPATCHER)
        do(case, BODIES["return"], THEN, OTHER_CREW)
        do(case, Involve(department="metering", task="Both", takes_over="billing"), THEN, DISPATCHER)
        assert [(part.department, part.state) for part in case.parts] == [
            ("metering", PartState.RELEASED),
            ("billing", PartState.RELEASED),
            ("metering", PartState.DISPATCHED),
        ]
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        for crew in (OTHER_CREW, CREW):
            do(case, COMPLETE, THEN, crew)
        assert case.state is State.PENDING_REPLY

    def test_a_supervisor_sends_back_one_part_or_the_case(self) -> None:
        case = with_parts()
        for body, actor in ((BODIES["sign_for"], OTHER_CREW), (COMPLETE, OTHER_CREW), (COMPLETE, CREW)):
            do(case, body, THEN, actor)
        done = case.parts[0].result
        do(case, SendBack(department="metering", reason="Which meter?"), THEN + hours(1), SUPERVISOR)
        assert (done, case.parts[0].result) == ("The valve was lifted.", None)
        assert (case.state, case.completed, case.parts[0].state) == (
            State.IN_PROGRESS,
            True,
            PartState.IN_PROGRESS,
        )
        assert of_part(case, "resolve").status == main(case, "resolve").status == "running"
        do(case, COMPLETE, THEN + hours(2), OTHER_CREW)
        do(case, BODIES["send_back"], THEN + hours(3), SUPERVISOR)
        assert (case.state, case.completed, case.unfinished) == (State.IN_PROGRESS, False, ())
        assert of_part(case, "resolve").status == "met"

    def test_a_part_of_an_earlier_cycle_cannot_be_sent_back(self) -> None:
        case = with_parts()
        for crew, body in ((OTHER_CREW, BODIES["sign_for"]), (OTHER_CREW, COMPLETE), (CREW, COMPLETE)):
            do(case, body, THEN, crew)
        do(case, BODIES["reply"], THEN)
        do(case, FollowUp(outcome="dissatisfied"), THEN)
        for body in (BODIES["sign_for"], COMPLETE):
            do(case, body, THEN)
        refusal = refused(case, SendBack(department="metering", reason="Which meter?"), SUPERVISOR)
        assert (refusal.kind, refusal.code) == ("invalid", "no_such_part")

    def test_a_withdrawal_ends_every_part(self) -> None:
        case = with_parts()
        do(case, BODIES["withdraw"], THEN)
        assert case.parts[0].state is PartState.RELEASED
        assert not any(clock.live for clock in case.clocks)


class TestTold:
    def test_a_late_part_is_told_to_its_own_department(self) -> None:
        case = with_parts()
        events = case.advance(THEN + minutes(11))
        told = {
            notice.recipient
            for event in events
            if event.action == "escalate" and data_of(event).get("part")
            for notice in notifications(case.number, event)
        }
        assert {"department:metering", "lead:metering", f"owner:{OWNER.id}", "supervisor"} == told
        assert case.sla == "missed"
