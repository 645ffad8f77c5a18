"""A dispatch is redirected (改派): to another department, or before it is signed for to another person there."""

import pytest

from domain.case.actions.dispatch import REDIRECT, Dispatch
from domain.case.actions.link_incident import LinkIncident
from domain.case.case import Case, notifications
from domain.case.clocks import DEPARTMENT_CLOCKS
from domain.case.lifecycle import PartState, State
from domain.catalogue.terms import Process, Promise, UrgingRules
from domain.shared.actors import Actor
from domain.shared.errors import ANOTHER_DEPARTMENT
from tests.support.build import (
    AGENT,
    BODIES,
    CALENDAR,
    CREW,
    DISPATCHER,
    MONDAY,
    OTHER_CREW,
    OWNER,
    SUPERVISOR,
    THEN,
    case_in,
    clock,
    data_of,
    days,
    do,
    escalations,
    hours,
    minutes,
    one,
    refused,
    registration,
)
from workflows.complaint.details import timeline_line

ELSEWHERE = Dispatch(department="metering")
RETURN, SIGN_FOR = BODIES["return"], BODIES["sign_for"]


def dispatched(assignee: str | None = "Ma Li") -> Case:
    """A case that was dispatched to a person of the repair crew on Monday."""
    case = case_in(State.REGISTERED)
    do(case, Dispatch(department="repair", assignee=assignee), MONDAY)
    return case


class TestToAnotherDepartment:
    def test_it_has_the_case_and_the_former_one_has_not(self) -> None:
        case = dispatched()
        event = one(do(case, ELSEWHERE, THEN, AGENT))
        assert (event.from_state, event.to_state) == (State.DISPATCHED, State.DISPATCHED)
        assert (case.department, case.assignee, case.dispatched_at) == ("metering", None, THEN)
        assert refused(case, SIGN_FOR, CREW).code == "other_department"
        do(case, SIGN_FOR, THEN, OTHER_CREW)

    def test_a_promise_of_the_department_from_the_registration_on_starts_with_it(self) -> None:
        arrive = Promise(name="arrive", calendar="always", budget_seconds=3600, starts="registration")
        case = case_in(State.DISPATCHED, promises=(arrive,))
        do(case, ELSEWHERE, THEN)
        assert [(each.status.value, each.started_at) for each in case.clocks] == [
            ("cancelled", MONDAY),
            ("running", THEN),
        ]

    def test_its_clocks_start_anew_and_the_owners_go_on(self) -> None:
        case = dispatched()
        do(case, ELSEWHERE, THEN)
        old = [(each.status.value, each.consumed_seconds) for each in case.clocks if each.name in DEPARTMENT_CLOCKS][:2]
        assert old == [("cancelled", 180), ("cancelled", 180)]
        assert clock(case, "acknowledge").due_at(CALENDAR) == THEN + minutes(10)
        assert clock(case, "arrive").due_at(CALENDAR) == THEN + minutes(60)
        assert clock(case, "resolve").running_since == clock(case, "reply").running_since == MONDAY

    def test_what_the_former_one_missed_stays_missed(self) -> None:
        case = dispatched()
        do(case, ELSEWHERE, MONDAY + minutes(11))
        assert [each.status.value for each in case.clocks if each.name == "acknowledge"] == ["missed", "running"]

    def test_it_may_return_the_case_for_two_working_days_from_then_on(self) -> None:
        case = dispatched()
        do(case, ELSEWHERE, MONDAY + days(1))
        do(case, RETURN, MONDAY + days(2) + minutes(1), OTHER_CREW)

    def test_both_hear_of_it_and_whom_it_left(self) -> None:
        case = dispatched()
        event = one(do(case, ELSEWHERE, THEN))
        told = notifications(case.number, event)
        assert [notice.recipient for notice in told] == ["department:metering", "department:repair"]
        assert told[1].text_zh == f"工单{case.number}：改派，不再由repair处理，现为待签收"
        assert told[1].text_en == f"Case {case.number}: redirected from repair, by a dispatcher; now dispatched"

    def test_both_hear_of_it_though_the_batch_went_on(self) -> None:
        case = dispatched()
        event = one(do(case, ELSEWHERE, THEN))
        do(case, Dispatch(department="network"), THEN)
        recipients = [notice.recipient for notice in notifications(case.number, event)]
        assert recipients == ["department:metering", "department:repair"]

    def test_the_part_that_it_had_becomes_its_case(self) -> None:
        case = dispatched()
        do(case, BODIES["involve"], THEN, OWNER)
        do(case, ELSEWHERE, THEN)
        assert (case.unfinished, case.parts[0].state) == ((), PartState.RELEASED)
        assert not any(each.live for each in case.clocks if each.part)

    def test_parts_of_others_stay(self) -> None:
        case = dispatched()
        do(case, BODIES["involve"], THEN, OWNER)
        do(case, Dispatch(department="network"), THEN)
        assert [part.department for part in case.unfinished] == ["metering"]

    def test_an_extension_that_the_former_one_asked_for_is_gone(self) -> None:
        case = dispatched()
        do(case, BODIES["request_extension"], THEN)
        do(case, ELSEWHERE, THEN)
        assert case.extension is None
        assert refused(case, BODIES["decide_extension"], SUPERVISOR).code == "out_of_turn"
        do(case, BODIES["request_extension"], THEN, OTHER_CREW)

    def test_while_an_incident_is_waited_for_the_new_clocks_stand_still(self) -> None:
        case = dispatched()
        do(case, BODIES["link_incident"], THEN)
        do(case, ELSEWHERE, THEN + minutes(1))
        assert (clock(case, "acknowledge").status, clock(case, "acknowledge").consumed_seconds) == ("paused", 0)
        assert case.advance(THEN + hours(5)) == ()
        do(case, LinkIncident(incident=None), THEN + hours(5))
        assert clock(case, "acknowledge").due_at(CALENDAR) == THEN + hours(5) + minutes(10)

    def test_urging_and_the_written_notice_go_to_it(self) -> None:
        urging = UrgingRules(notice_seconds=86_400, criticism_days=5)
        case = case_in(State.DISPATCHED, process=Process(urging=urging))
        do(case, ELSEWHERE, THEN)
        urged = one(do(case, BODIES["urge"], THEN))
        assert [told.recipient for told in notifications(case.number, urged)] == ["department:metering"]
        notice = next(event for event in case.advance(MONDAY + days(9)) if event.action == "notice")
        assert [(to["department"], to["assignee"]) for to in data_of(notice)["addressees"]] == [("metering", None)]

    def test_the_events_are_the_case(self) -> None:
        case, events = Case.register(registration())
        for body in (Dispatch(department="repair"), ELSEWHERE, Dispatch(department="metering", assignee="Sun Hao")):
            events += do(case, body, THEN)
        assert Case.fold(events) == case
        assert case.assignee == "Sun Hao"


class TestToAnotherPerson:
    @pytest.mark.parametrize("assignee", ["Lu Ping", None])
    def test_what_runs_for_the_department_goes_on(self, assignee: str | None) -> None:
        case = dispatched()
        do(case, BODIES["request_extension"], THEN)
        clocks, asked = case.clocks, case.extension
        event = one(do(case, Dispatch(department="repair", assignee=assignee), THEN))
        assert (case.department, case.assignee, case.dispatched_at) == ("repair", assignee, MONDAY)
        assert (case.clocks, case.extension) == (clocks, asked)
        assert [told.recipient for told in notifications(case.number, event)] == ["department:repair"]

    def test_there_is_no_new_time_to_return_the_case(self) -> None:
        case = dispatched()
        do(case, Dispatch(department="repair", assignee="Lu Ping"), MONDAY + days(1))
        assert refused(case, RETURN, CREW, MONDAY + days(2) + minutes(1)).code == "return_too_late"

    def test_while_an_incident_is_waited_for_the_clocks_stay_where_they_stood(self) -> None:
        case = dispatched()
        do(case, BODIES["link_incident"], THEN)
        do(case, Dispatch(department="repair"), THEN + hours(1))
        assert (clock(case, "acknowledge").status, clock(case, "acknowledge").consumed_seconds) == ("paused", 180)


@pytest.mark.parametrize("assignee", ["Ma Li", None])
def test_to_the_same_department_and_person_it_is_refused(assignee: str | None) -> None:
    case = dispatched(assignee)
    refusal = refused(case, Dispatch(department="repair", assignee=assignee))
    assert (refusal.kind, refusal.code) == ("invalid", "same_department")
    assert refusal.accepted == (ANOTHER_DEPARTMENT, ("其他经办人", "another assignee"))
    assert "repair" in refusal.message


def test_after_a_return_the_same_department_may_have_it_again() -> None:
    case = dispatched(None)
    do(case, RETURN, THEN)
    event = one(do(case, Dispatch(department="repair"), MONDAY + days(1)))
    assert case.dispatched_at == MONDAY + days(1)
    assert "previous_department" not in data_of(event)


def test_a_dispatch_after_a_return_is_worded_as_a_redirect() -> None:
    case = dispatched()
    do(case, RETURN, THEN, CREW)
    event = one(do(case, ELSEWHERE, THEN))
    assert event.action == "dispatch"
    assert f"**{REDIRECT[0]}** `dispatch`" in timeline_line(event, case)
    assert {each.text_en for each in notifications(case.number, event)} == {
        f"Case {case.number}: redirect, by a dispatcher; now dispatched"
    }


def test_the_rework_of_a_reopened_case_may_be_redirected() -> None:
    case = case_in(State.CLOSED)
    do(case, BODIES["reopen"], THEN)
    do(case, ELSEWHERE, THEN)
    assert (case.cycle, case.department, case.dispatched_at) == (2, "metering", THEN)


class TestOnceSignedFor:
    """A dispatcher or supervisor takes the case from a department that has signed for it."""

    @pytest.mark.parametrize("who", [DISPATCHER, SUPERVISOR])
    def test_the_other_department_signs_for_it_anew(self, who: Actor) -> None:
        case = case_in(State.IN_PROGRESS)
        event = one(do(case, ELSEWHERE, THEN, who))
        assert (event.from_state, event.to_state, event.role) == (State.IN_PROGRESS, State.DISPATCHED, who.role)
        assert (case.department, case.assignee, case.dispatched_at) == ("metering", None, THEN)
        assert event.recipients == ("department:metering", "department:repair")
        do(case, SIGN_FOR, THEN, OTHER_CREW)

    def test_an_agent_is_told_who_may(self) -> None:
        for agent in (AGENT, OWNER):
            why = refused(case_in(State.IN_PROGRESS), ELSEWHERE, agent)
            assert (why.code, why.accepted) == ("wrong_role", ("dispatcher", "supervisor"))
            assert "dispatch" not in case_in(State.IN_PROGRESS).available_actions(agent, THEN)

    def test_what_is_late_by_then_is_missed_and_the_rest_is_cancelled(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, SIGN_FOR, MONDAY + minutes(11), CREW)
        events = do(case, ELSEWHERE, MONDAY + minutes(30))
        assert [event.action for event in events] == ["escalate", "dispatch"]
        found = [(each.name, each.status.value) for each in case.clocks if each.name in DEPARTMENT_CLOCKS]
        former, new = found[:2], found[2:]
        assert former == [("acknowledge", "missed"), ("arrive", "cancelled")]
        assert new == [("acknowledge", "running"), ("arrive", "running")]
        assert clock(case, "arrive").due_at(CALENDAR) == MONDAY + minutes(30) + hours(1)

    def test_a_late_arrival_is_the_first_departments(self) -> None:
        case = case_in(State.IN_PROGRESS)
        events = do(case, ELSEWHERE, MONDAY + minutes(61))
        assert ("arrive", 100) in escalations(events)
        assert [each.status.value for each in case.clocks if each.name == "arrive"] == ["missed", "running"]
        assert not case.overdue

    def test_the_department_that_has_it_is_refused(self) -> None:
        why = refused(case_in(State.IN_PROGRESS), Dispatch(department="repair", assignee="Lu Ping"), DISPATCHER)
        assert (why.code, why.accepted[0]) == ("same_department", ANOTHER_DEPARTMENT)

    def test_completed_work_is_not_taken_away(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["involve"], THEN, OWNER)
        do(case, BODIES["complete"], THEN, CREW)
        assert refused(case, Dispatch(department="network"), DISPATCHER).code == "out_of_turn"


@pytest.mark.parametrize("state", [State.SUSPENDED, State.AWAITING_APPROVAL, State.PENDING_REPLY])
def test_in_other_states_it_is_returned_first(state: State) -> None:
    assert refused(case_in(state), ELSEWHERE).code == "out_of_turn"
