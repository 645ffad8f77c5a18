"""Effects of time on a case: which clocks run, pause and stop, and when it wakes."""

from datetime import datetime, timedelta

import pytest

from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.suspend import Suspend
from domain.case.automatic.internal_updates import Undelivered
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.kit.event import ActionBody
from domain.shared.actors import Role
from tests.support.build import (
    BODIES,
    CALENDAR,
    CREW,
    MONDAY,
    OTHER_CREW,
    THEN,
    case_in,
    clock,
    data_of,
    days,
    do,
    escalations,
    hours,
    minutes,
    refused,
)

MICROSECOND = timedelta(microseconds=1)
FROM_HERE = MONDAY + hours(1)


def status(case: Case) -> dict[str, str]:
    return {clock.name: clock.status.value for clock in case.clocks}


class TestStart:
    def test_the_callers_clocks_run_from_the_registration(self) -> None:
        waiting = {"acknowledge": "waiting", "arrive": "waiting", "follow_up": "waiting"}
        assert status(case_in(State.REGISTERED)) == waiting | {"resolve": "running", "reply": "running"}

    def test_the_departments_from_the_dispatch(self) -> None:
        case = case_in(State.REGISTERED)
        do(case, BODIES["dispatch"], THEN)
        assert clock(case, "acknowledge").started_at == clock(case, "arrive").started_at == THEN
        assert clock(case, "resolve").started_at == MONDAY

    def test_the_follow_up_from_the_reply(self) -> None:
        case = case_in(State.PENDING_REPLY)
        do(case, BODIES["reply"], THEN)
        assert clock(case, "follow_up").due_at(CALENDAR) == THEN + days(1)

    def test_only_the_changed_clocks_carry_the_new_version(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, BODIES["sign_for"], THEN)
        assert {clock.name: clock.version for clock in case.clocks} == {
            "acknowledge": 3,
            "arrive": 2,
            "resolve": 1,
            "reply": 1,
            "follow_up": 1,
        }


class TestStop:
    def test_each_promise_is_kept_by_its_action(self) -> None:
        case = case_in(State.DISPATCHED)
        for action, name in (
            ("sign_for", "acknowledge"),
            ("arrive", "arrive"),
            ("complete", "resolve"),
            ("reply", "reply"),
            ("follow_up", "follow_up"),
        ):
            assert clock(case, name).live
            do(case, BODIES[action], THEN)
            assert (clock(case, name).status.value, clock(case, name).stopped_at) == ("met", THEN)
        assert set(status(case).values()) == {"met"}

    def test_work_that_is_done_needs_no_arrival(self) -> None:
        assert status(case_in(State.PENDING_REPLY))["arrive"] == "met"

    def test_work_sent_back_was_never_done_and_its_time_counts(self) -> None:
        case = case_in(State.PENDING_REPLY)
        before = clock(case, "resolve").due_at(CALENDAR)
        do(case, BODIES["send_back"], FROM_HERE)
        assert (clock(case, "resolve").status.value, clock(case, "arrive").status.value) == ("running", "met")
        assert clock(case, "resolve").elapsed(FROM_HERE, CALENDAR) == 3600
        assert clock(case, "resolve").due_at(CALENDAR) == before

    def test_work_sent_back_after_its_time_was_missed_when_it_was_due(self) -> None:
        case = case_in(State.PENDING_REPLY)
        due = clock(case, "resolve").due_at(CALENDAR)
        late = MONDAY + days(7) + hours(1)
        events = do(case, BODIES["send_back"], late) + case.advance(late)
        assert escalations(events)[-3:] == [("resolve", 50), ("resolve", 75), ("resolve", 100)]
        assert clock(case, "resolve").missed_at == due == MONDAY + days(7)


class TestDepartments:
    def test_a_return_pauses_the_departments_clocks_alone(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, BODIES["return"], THEN)
        running_on = {"resolve": "running", "reply": "running", "follow_up": "waiting"}
        assert status(case) == running_on | {"acknowledge": "paused", "arrive": "paused"}

    @pytest.mark.parametrize("body", [RejectReturn(reason="Yours."), Dispatch(department="repair")])
    def test_with_the_same_department_they_go_on(self, body: ActionBody) -> None:
        case = case_in(State.DISPATCHED)
        do(case, BODIES["return"], THEN)
        do(case, body, FROM_HERE)
        assert len(case.clocks) == 5
        assert clock(case, "acknowledge").consumed_seconds == 180
        assert clock(case, "acknowledge").due_at(CALENDAR) == FROM_HERE + minutes(7)

    def test_with_another_they_start_anew_and_the_old_are_kept(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, BODIES["return"], THEN)
        do(case, Dispatch(department="metering"), FROM_HERE)
        assert [(k.name, k.serial, k.status.value) for k in case.clocks if k.name in ("acknowledge", "arrive")] == [
            ("acknowledge", 1, "cancelled"),
            ("arrive", 2, "cancelled"),
            ("acknowledge", 6, "running"),
            ("arrive", 7, "running"),
        ]
        assert clock(case, "acknowledge").due_at(CALENDAR) == FROM_HERE + minutes(10)
        assert clock(case, "resolve").started_at == MONDAY

    def test_what_one_department_missed_stays_missed(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, BODIES["return"], FROM_HERE)
        do(case, Dispatch(department="metering"), FROM_HERE)
        do(case, BODIES["sign_for"], FROM_HERE, OTHER_CREW)
        assert [k.status.value for k in case.clocks if k.name == "acknowledge"] == ["missed", "met"]


class TestPauses:
    def test_awaiting_approval_pauses_the_departments_clocks_alone(self) -> None:
        case = case_in(State.AWAITING_APPROVAL)
        assert status(case) == {
            "acknowledge": "met",
            "arrive": "paused",
            "resolve": "running",
            "reply": "running",
            "follow_up": "waiting",
        }
        do(case, BODIES["decide_approval"], FROM_HERE)
        assert clock(case, "arrive").due_at(CALENDAR) == FROM_HERE + hours(1)
        assert clock(case, "resolve").elapsed(FROM_HERE, CALENDAR) == 3600

    def test_a_promise_may_start_with_the_decision(self) -> None:
        promises = tuple(
            promise.model_copy(update={"starts": "decision"}) if promise.name == "reply" else promise
            for promise in case_in(State.REGISTERED).terms.promises
        )
        case = case_in(State.AWAITING_APPROVAL, promises=promises)
        assert status(case)["reply"] == "waiting"
        do(case, DecideApproval(approved=False), FROM_HERE)
        assert clock(case, "reply").started_at == FROM_HERE

    def test_suspended_every_clock_stands_still(self) -> None:
        case = case_in(State.SUSPENDED)
        assert {name: word for name, word in status(case).items() if word == "running"} == {}
        assert (case.sla, case.next_due(), case.next_deadline()) == ("paused", None, None)
        assert case.advance(MONDAY + days(100)) == ()
        do(case, BODIES["resume"], MONDAY + days(7))
        assert clock(case, "resolve").due_at(CALENDAR) == MONDAY + days(13)  # a make-up Sunday
        assert clock(case, "arrive").due_at(CALENDAR) == MONDAY + days(7) + hours(1)


class TestWakeDate:
    WAKE = MONDAY + hours(2)

    def suspended(self) -> Case:
        case = case_in(State.IN_PROGRESS)
        do(case, Suspend(reason="The caller is away.", wake_at=self.WAKE), MONDAY)
        return case

    def test_resumes_by_itself(self) -> None:
        case = self.suspended()
        assert case.next_deadline() == case.wake_at == self.WAKE
        assert case.advance(self.WAKE - MICROSECOND) == ()
        (event,) = case.advance(self.WAKE)
        assert (event.action, event.role, event.actor, event.at) == ("resume", Role.SYSTEM, "system", self.WAKE)
        assert data_of(event) == {"woke": True}
        assert (case.state, case.wake_at) == (State.IN_PROGRESS, None)

    def test_late_it_resumes_at_the_wake_date_and_clocks_count_from_there(self) -> None:
        on_time, late = self.suspended(), self.suspended()
        on_time.advance(self.WAKE)
        on_time.advance(self.WAKE + days(1))
        events = late.advance(self.WAKE + days(1))
        assert (events[0].action, events[0].at) == ("resume", self.WAKE)
        assert escalations(events) == [("arrive", p) for p in (50, 75, 100, 150, 200)]
        assert clock(late, "arrive").missed_at == self.WAKE + hours(1)
        assert late == on_time

    def test_a_command_after_the_wake_date_finds_the_case_resumed(self) -> None:
        case = self.suspended()
        assert "complete" in case.available_actions(CREW, self.WAKE)
        refusal = refused(case, BODIES["resume"], at=self.WAKE)
        assert (refusal.code, "complete" in refusal.accepted) == ("out_of_turn", True)
        assert [event.action for event in do(case, BODIES["complete"], self.WAKE)] == ["resume", "complete"]

    def test_a_case_that_is_flagged_after_the_wake_date_was_resumed_before(self) -> None:
        events = self.suspended().undelivered(
            Undelivered(key="n", channel="sms", error="HTTP 503"), self.WAKE + minutes(1)
        )
        assert [event.action for event in events] == ["resume", "undelivered"]

    def test_resumed_by_hand_it_does_not_wake_again(self) -> None:
        case = self.suspended()
        do(case, BODIES["resume"], THEN)
        assert [event.action for event in case.advance(MONDAY + hours(2)) if event.action == "resume"] == []

    @pytest.mark.parametrize("wake_at", [MONDAY - hours(1), THEN])
    def test_in_the_past_is_refused(self, wake_at: datetime) -> None:
        refusal = refused(case_in(State.IN_PROGRESS), Suspend(reason="x", wake_at=wake_at))
        assert (refusal.kind, refusal.code) == ("invalid", "wake_at_past")
        assert wake_at.isoformat() in refusal.message

    @pytest.mark.parametrize(
        "wake_at", [THEN + days(366) + MICROSECOND, THEN.replace(year=2028), THEN.replace(year=2206)]
    )
    def test_more_than_366_days_ahead_is_refused(self, wake_at: datetime) -> None:
        refusal = refused(case_in(State.IN_PROGRESS), Suspend(reason="x", wake_at=wake_at))
        assert (refusal.kind, refusal.code) == ("invalid", "wake_at_too_far")
        assert f"wake_at {wake_at.isoformat()} is more than 366 days ahead" in refusal.message

    def test_366_days_ahead_is_accepted(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Suspend(reason="x", wake_at=THEN + days(366)), THEN)
        assert (case.state, case.wake_at) == (State.SUSPENDED, THEN + days(366))

    def test_with_any_offset_is_kept_in_utc_and_wakes(self) -> None:
        case = case_in(State.IN_PROGRESS)
        body = Suspend.model_validate({"reason": "x", "wake_at": "2026-09-07T11:00:00+08:00"})
        do(case, body, MONDAY)
        assert case.wake_at is not None
        assert case.wake_at.isoformat() == "2026-09-07T03:00:00+00:00"
        assert escalations(case.advance(MONDAY + days(3)))[-1] == ("resolve", 50)
