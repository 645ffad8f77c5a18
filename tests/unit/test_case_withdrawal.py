"""Withdrawal (撤销) by the owner, a supervisor, or an agent who names the call of the caller; and its reinstatement."""

from datetime import date, datetime
from typing import Any

import pytest

from domain.calls.call import Call, CallMismatch, mismatch_of
from domain.case.actions import TABLE
from domain.case.actions.link_incident import OVER, LinkIncident, Settlement
from domain.case.actions.reinstate import Reinstate
from domain.case.actions.suspend import Suspend
from domain.case.actions.withdraw import Withdraw
from domain.case.case import Case
from domain.case.clocks import ClockStatus
from domain.case.lifecycle import PartState, State
from domain.catalogue.terms import Promise
from domain.shared.actors import Actor
from domain.shared.errors import CALL_OF_CALLER
from tests.support.build import (
    AGENT,
    BODIES,
    CALENDAR,
    CREW,
    DISPATCHER,
    MONDAY,
    OWNER,
    PROMISES,
    SUPERVISOR,
    THEN,
    case_in,
    clock,
    data_of,
    do,
    escalations,
    hours,
    minutes,
    one,
    refused,
    written,
)
from tests.support.new_terms import new

NUMBER = "2609070000017"
BY_CALL = Withdraw(reason="Water is back.", call_id="1785729600.118")
WITHOUT = Withdraw(reason="Water is back.")
BACK = Reinstate(reason="Another case was meant.")


class TestRight:
    @pytest.mark.parametrize("who", [OWNER, SUPERVISOR])
    @pytest.mark.parametrize("body", [WITHOUT, BY_CALL])
    def test_owner_and_supervisor_need_no_call(self, who: Actor, body: Withdraw) -> None:
        event = one(do(case_in(State.IN_PROGRESS), body, THEN, who))
        assert event.to_state is State.WITHDRAWN
        assert data_of(event) == body.model_dump(mode="json") | {"reopen_ends_at": written(THEN + hours(72))}

    def test_another_agent_without_a_call_is_told_what_is_accepted(self) -> None:
        case = case_in(State.IN_PROGRESS)
        why = refused(case, WITHOUT, AGENT)
        assert (why.kind, why.code) == ("forbidden", "call_needed")
        assert why.accepted == (CALL_OF_CALLER, ("责任人", "its owner"), "supervisor")
        assert case.state is State.IN_PROGRESS

    def test_another_agent_withdraws_by_a_call(self) -> None:
        event = one(do(case_in(State.IN_PROGRESS), BY_CALL, THEN, AGENT))
        window = {"reopen_ends_at": written(THEN + hours(72))}
        assert data_of(event) == {"reason": "Water is back.", "call_id": "1785729600.118", "by_call": True} | window

    @pytest.mark.parametrize("who", [DISPATCHER, CREW])
    def test_nobody_else_withdraws(self, who: Actor) -> None:
        assert refused(case_in(State.IN_PROGRESS), BY_CALL, who).code == "wrong_role"


def call(**known: Any) -> Call:
    return Call("1785729600.118", MONDAY, **known)


class TestCall:
    """Call as it is reported, compared with the agent and the telephone."""

    @pytest.mark.parametrize(
        ("reported", "same_telephone", "found"),
        [
            (None, False, CallMismatch.UNKNOWN),
            (call(agent="lin", caller_phone="076088237777"), True, None),
            (call(agent="lin", caller_phone="076012345678"), False, CallMismatch.TELEPHONE),
            (call(agent="lin", caller_phone="076012345678", complaint=NUMBER), False, None),
            (call(agent="lin", complaint=NUMBER), False, None),
            (call(agent="mo", caller_phone="076088237777"), True, CallMismatch.AGENT),
            (call(caller_phone="076088237777"), True, CallMismatch.UNKNOWN),
            (call(agent="lin"), False, CallMismatch.UNKNOWN),
            (call(agent="SIP/1001", agent_known=False, caller_phone="076088237777"), True, CallMismatch.UNKNOWN),
        ],
    )
    def test_it_is_the_agents_and_of_the_telephone(
        self, reported: Call | None, found: CallMismatch | None, *, same_telephone: bool
    ) -> None:
        assert mismatch_of(reported, "lin", NUMBER, MONDAY, same_telephone=same_telephone) is found

    @pytest.mark.parametrize(
        ("ended_at", "registered_at", "found"),
        [
            (MONDAY + minutes(3), MONDAY + minutes(3), None),
            (MONDAY + minutes(3), MONDAY + minutes(4), None),  # The clocks may differ.
            (MONDAY + minutes(3), MONDAY + minutes(5), CallMismatch.EARLIER),
            (None, MONDAY + hours(2), None),
            (None, MONDAY + hours(3), CallMismatch.EARLIER),
        ],
    )
    def test_it_was_not_over_before_the_registration(
        self, ended_at: datetime | None, registered_at: datetime, found: CallMismatch | None
    ) -> None:
        reported = call(agent="lin", ended_at=ended_at, complaint=NUMBER)
        assert mismatch_of(reported, "lin", NUMBER, registered_at, same_telephone=True) is found


LATER = THEN + hours(24)
"""Instant of the reinstatement, a day later."""
MISSED = MONDAY + minutes(90)


def away(case: Case, at: datetime = THEN) -> Case:
    """Withdraw the case, and take that back a day later."""
    do(case, WITHOUT, at)
    do(case, BACK, at + hours(24))
    return case


class TestReinstatement:
    """Within the window the withdrawal is taken back, and the time since then does not count."""

    @pytest.mark.parametrize("state", sorted(TABLE["withdraw"].sources))
    def test_the_case_is_as_it_was_and_no_clock_has_counted(self, state: State) -> None:
        case, before = case_in(state), case_in(state)
        away(case)
        changed = {"version", "clocks", "parts", "standstills", "away"}
        assert case.model_dump(exclude=changed) == before.model_dump(exclude=changed)
        for each, former in zip(case.clocks, before.clocks, strict=True):
            assert each.status is former.status
            assert each.elapsed(LATER, CALENDAR) == former.elapsed(THEN, CALENDAR)
            assert bool(each.running_since) == bool(former.running_since)

    def test_a_missed_promise_stays_missed_and_is_late_by_as_much(self) -> None:
        case, former = case_in(State.IN_PROGRESS), case_in(State.IN_PROGRESS)
        former.advance(MISSED)
        away(case, MISSED)
        missed, then = clock(case, "arrive"), clock(former, "arrive")
        assert (missed.status, missed.live) == (ClockStatus.MISSED, True)
        assert missed.missed_at == then.missed_at
        assert missed.elapsed(MISSED + hours(24), CALENDAR) == then.elapsed(MISSED, CALENDAR)

    def test_each_step_escalates_once(self) -> None:
        case = case_in(State.IN_PROGRESS)
        before = case.advance(MISSED)
        away(case, MISSED)
        assert not {*escalations(before)} & {*escalations(case.advance(MISSED + hours(200)))}

    def test_the_countdown_to_the_notice_does_not_count_the_time_away(self) -> None:
        at = MONDAY + hours(4)
        resolve = Promise(name="resolve", calendar="always", budget_seconds=3600, starts="registration")
        case, former = (case_in(State.IN_PROGRESS, promises=(resolve,)) for _ in range(2))
        former.advance(at)
        away(case, at)
        assert former.urging is not None
        assert case.urging is not None
        assert former.urging.countdown is not None
        assert case.urging.countdown is not None
        assert case.urging.countdown.elapsed(at + hours(24), CALENDAR) == former.urging.countdown.elapsed(at, CALENDAR)
        assert case.urging.countdown.running_since == at + hours(24)

    def test_parts_approval_and_extension_come_back(self) -> None:
        case = case_in(State.IN_PROGRESS)
        for action in ("involve", "request_extension", "request_approval"):
            do(case, BODIES[action], MONDAY)
        before = case.model_copy()
        away(case)
        assert (case.approval, case.extension, case.state) == (before.approval, before.extension, before.state)
        assert [(part.department, part.state) for part in case.parts] == [("metering", PartState.DISPATCHED)]

    def test_a_wake_date_that_has_passed_comes_at_once(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Suspend(reason="A valve.", wake_at=THEN + hours(1)), MONDAY)
        away(case)
        (woken,) = case.advance(LATER)
        assert (woken.action, woken.at, case.state) == ("resume", LATER, State.IN_PROGRESS)

    def test_it_is_out_of_the_incident_it_waited_for_and_can_be_linked_again(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, LinkIncident(incident="i26080347119"), MONDAY)
        away(case)
        assert (case.incident, case.settled) == (None, None)
        assert clock(case, "arrive").running_since == LATER
        assert case.settle(Settlement(incident="i26080347119", result="x", message="x"), LATER) == ()
        do(case, LinkIncident(incident="i26080347119"), LATER, DISPATCHER)
        assert clock(case, "arrive").paused

    def test_it_stays_with_the_incident_that_ended_for_it_before(self) -> None:
        case = case_in(State.PENDING_REPLY)
        do(case, LinkIncident(incident="i26080347119"), MONDAY)
        do(case, BODIES["reply"], MONDAY)
        away(case)
        assert (case.incident, case.settled) == ("i26080347119", OVER)

    def test_everybody_at_work_is_told_of_both(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["involve"], MONDAY)
        told = ("department:repair", "department:metering", f"owner:{OWNER.id}")
        assert one(do(case, WITHOUT, THEN)).recipients == one(do(case, BACK, LATER)).recipients == told

    def test_the_approver_is_told_again(self) -> None:
        case = case_in(State.AWAITING_APPROVAL)
        do(case, WITHOUT, THEN)
        assert "manager" in one(do(case, BACK, LATER)).recipients

    def test_only_owner_and_supervisor_and_only_within_the_window(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, WITHOUT, THEN)
        for who in (OWNER, SUPERVISOR):
            assert case.available_actions(who, LATER) == ("reinstate",)
        assert refused(case, BACK, AGENT, LATER).code == "wrong_role"
        assert refused(case, BACK, OWNER, THEN + hours(72)).code == "out_of_turn"
        assert case.is_over(THEN + hours(72))

    @pytest.mark.parametrize("state", [State.DISPATCHED, State.IN_PROGRESS, State.SUSPENDED, State.AWAITING_APPROVAL])
    def test_a_catalogue_of_meanwhile_counts_as_one_of_afterwards(self, state: State) -> None:
        longer = tuple(each.model_copy(update={"budget_seconds": each.budget_seconds * 2}) for each in PROMISES)
        there = new(promises=longer)
        case, other = case_in(state), away(case_in(state))
        do(case, WITHOUT, THEN)
        assert [event.action for event in case.change_catalogue(there, THEN + hours(1))] == ["catalogue_change"]
        do(case, BACK, LATER)
        other.change_catalogue(there, LATER)
        found, wanted = (
            [(each.name, each.due_at(CALENDAR), each.status) for each in of.clocks] for of in (case, other)
        )
        assert found == wanted

    def test_a_calendar_of_meanwhile_leaves_what_was_consumed_before(self) -> None:
        """Tuesday, which has counted, is a holiday of the catalogue that comes on Wednesday."""
        at, back = MONDAY + hours(48), MONDAY + hours(72)
        later = CALENDAR.model_copy(update={"off": (date(2026, 9, 8), *CALENDAR.off)})
        case = case_in(State.IN_PROGRESS)
        do(case, WITHOUT, at)
        case.change_catalogue(new(calendar=later), at + hours(1))
        do(case, BACK, back)
        assert clock(case, "resolve").elapsed(back, later) == CALENDAR.between(MONDAY, at)

    def test_the_time_away_does_not_count_for_the_limit_of_a_return(self) -> None:
        case = case_in(State.DISPATCHED)
        last = case.calendar.add(MONDAY, 2 * case.calendar.day_seconds)
        do(case, WITHOUT, THEN)
        back = THEN + hours(71)
        do(case, BACK, back)
        assert back > last
        limit = case.calendar.add(back, case.calendar.between(THEN, last))
        assert refused(case, BODIES["return"], CREW, limit + minutes(1)).code == "return_too_late"
        do(case, BODIES["return"], limit, CREW)
        assert case.state is State.PENDING_REDISPATCH

    def test_it_can_be_withdrawn_again(self) -> None:
        case = away(case_in(State.IN_PROGRESS))
        do(case, WITHOUT, LATER)
        assert (case.state, case.closed_at) == (State.WITHDRAWN, LATER)
