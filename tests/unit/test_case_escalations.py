"""The ladder on a case: every step once, in order, at its instant, whoever looks and however late."""

from datetime import datetime, timedelta

import pytest

from domain.case.actions.comment import Comment
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.request_extension import RequestExtension
from domain.case.lifecycle import State
from domain.case.state import ProjectionBatch
from domain.case.views import view_case
from domain.shared.actors import Role
from tests.support.build import (
    BODIES,
    CALENDAR,
    MONDAY,
    OWNER,
    PROMISES,
    THEN,
    WORKING_DAY,
    case_in,
    clock,
    data_of,
    days,
    do,
    escalations,
    hours,
    minutes,
)
from workflows.complaint.messages import search_attributes
from workflows.kit.search_attributes import NEXT_DUE_AT

MICROSECOND = timedelta(microseconds=1)


class TestEscalations:
    def test_everything_in_the_order_in_which_it_fell_due(self) -> None:
        case = case_in(State.DISPATCHED)
        assert escalations(case.advance(MONDAY + minutes(30))) == [
            *(("acknowledge", percent) for percent in (50, 75, 100, 150, 200)),
            ("arrive", 50),
        ]

    def test_clocks_escalate_in_turn_where_their_steps_fall_in_turn(self) -> None:
        quick = tuple(
            promise.model_copy(update={"budget_seconds": 900}) for promise in PROMISES if promise.name == "arrive"
        )
        case = case_in(State.DISPATCHED, promises=(PROMISES[0], *quick))
        assert escalations(case.advance(MONDAY + minutes(12))) == [
            ("acknowledge", 50),
            ("acknowledge", 75),
            ("arrive", 50),
            ("acknowledge", 100),
            ("arrive", 75),
        ]

    def test_an_escalation_says_who_is_told_and_when_it_fell_due(self) -> None:
        event = case_in(State.DISPATCHED).advance(MONDAY + minutes(6))[0]
        assert (event.actor, event.role, event.at) == ("system", Role.SYSTEM, MONDAY + minutes(6))
        assert data_of(event) == {
            "clock": "acknowledge",
            "serial": 1,
            "percent": 50,
            "fell_at": "2026-09-07T01:05:00Z",
            "notify": ["assignee"],
        }

    def test_at_every_microsecond_around_the_instant_each_escalates_once(self) -> None:
        case = case_in(State.DISPATCHED)
        instant = MONDAY + minutes(5)
        heard = [case.advance(instant + n * MICROSECOND) for n in range(-3, 4)]
        assert [len(events) for events in heard] == [0, 0, 0, 1, 0, 0, 0]

    @pytest.mark.parametrize("late", [MICROSECOND, hours(1), days(30)])
    def test_late_or_twice_each_escalates_once_at_the_instant_at_which_it_fell_due(self, late: timedelta) -> None:
        case = case_in(State.DISPATCHED)
        at = MONDAY + minutes(10) + late
        heard = escalations(case.advance(at))
        assert [heard.count(("acknowledge", p)) for p in (50, 75, 100)] == [1, 1, 1]
        assert clock(case, "acknowledge").missed_at == MONDAY + minutes(10)
        assert case.advance(at) == ()

    def test_a_command_escalates_first_what_fell_due_before(self) -> None:
        events = do(case_in(State.DISPATCHED), BODIES["sign_for"], MONDAY + minutes(11))
        assert [event.action for event in events] == ["escalate", "escalate", "escalate", "sign_for"]
        assert [event.seq for event in events] == [3, 4, 5, 6]

    def test_kept_at_the_very_instant_is_missed_and_a_microsecond_before_is_kept(self) -> None:
        for early, word in ((timedelta(), "missed"), (MICROSECOND, "met")):
            case = case_in(State.DISPATCHED)
            do(case, BODIES["sign_for"], MONDAY + minutes(10) - early)
            assert clock(case, "acknowledge").status.value == word

    def test_next_deadline_is_where_the_next_rings(self) -> None:
        case = case_in(State.DISPATCHED)
        seen: list[datetime] = []
        while len(seen) < 30 and (deadline := case.next_deadline()):
            assert case.advance(deadline - MICROSECOND) == ()
            assert case.advance(deadline)
            seen.append(deadline)
        assert seen == sorted(set(seen))
        assert case.next_deadline() is None

    def test_a_comment_resets_no_clock(self) -> None:
        case = case_in(State.IN_PROGRESS)
        before = case.clocks
        do(case, Comment(note="Still waiting."), THEN, OWNER)
        assert case.clocks == before


class TestSla:
    def test_on_time_at_risk_missed(self) -> None:
        case = case_in(State.DISPATCHED)
        words = []
        for count in (7, 8, 11):
            case.advance(MONDAY + minutes(count))
            words.append((case.sla, case.overdue))
        assert words == [("on_time", False), ("at_risk", False), ("missed", True)]
        do(case, BODIES["sign_for"], MONDAY + minutes(12))
        assert (case.sla, case.overdue) == ("missed", False)

    def test_what_is_due_next_is_what_was_missed_until_it_is_kept(self) -> None:
        case = case_in(State.DISPATCHED, promises=PROMISES[:2])
        dues = []
        for count in (9, 11, 61):
            case.advance(MONDAY + minutes(count))
            dues.append(case.next_due())
        assert dues == [MONDAY + minutes(10)] * 3
        do(case, BODIES["sign_for"], MONDAY + minutes(62))
        assert case.next_due() == MONDAY + minutes(60)
        do(case, BODIES["arrive"], MONDAY + minutes(63))
        assert case.next_due() is None

    def test_the_timer_keeps_the_next_deadline(self) -> None:
        case = case_in(State.DISPATCHED, promises=PROMISES[:2], ladder=())
        case.advance(MONDAY + minutes(11))
        assert (case.next_due(), case.next_deadline()) == (MONDAY + minutes(10), MONDAY + minutes(60))

    def test_lists_of_the_api_and_the_ui_have_one_due_time(self) -> None:
        case = case_in(State.DISPATCHED)
        events = case.advance(MONDAY + minutes(11))
        batch = ProjectionBatch.of(case, events, MONDAY + minutes(11))
        shown = search_attributes(case, MONDAY + minutes(11))[NEXT_DUE_AT]
        assert batch.next_due_at == view_case(case, MONDAY + minutes(11)).next_due_at == shown == MONDAY + minutes(10)

    def test_a_late_case_is_due_since_then_while_it_is_suspended(self) -> None:
        case = case_in(State.IN_PROGRESS)
        case.advance(MONDAY + minutes(61))
        do(case, BODIES["suspend"], MONDAY + minutes(62))
        assert case.next_due() == MONDAY + minutes(60)

    def test_a_promise_kept_at_the_last_moment_is_no_risk_any_more(self) -> None:
        case = case_in(State.DISPATCHED)
        case.advance(MONDAY + minutes(8))
        assert case.sla == "at_risk"
        do(case, BODIES["sign_for"], MONDAY + minutes(8))
        assert (clock(case, "acknowledge").rung, case.sla) == (75, "on_time")

    def test_a_case_that_has_missed_a_promise_is_so_while_it_is_suspended(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["suspend"], MONDAY + hours(1))
        assert (case.state, case.sla, case.overdue) == (State.SUSPENDED, "missed", True)

    def test_is_that_of_the_current_cycle_whatever_was_missed_before(self) -> None:
        case = case_in(State.DISPATCHED)
        for action in ("sign_for", "complete", "reply"):
            do(case, BODIES[action], MONDAY + minutes(10))
        assert (clock(case, "acknowledge").status.value, case.sla) == ("missed", "missed")
        again = MONDAY + minutes(11)
        do(case, FollowUp(outcome="dissatisfied"), again)
        assert (case.cycle, case.sla, case.overdue) == (2, "on_time", False)
        case.advance(again + minutes(7.5))
        assert case.sla == "at_risk"

    def test_an_extension_moves_the_due_date_by_working_days(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, RequestExtension(working_days=3, reason="Parts"), THEN)
        do(case, BODIES["decide_extension"], THEN)
        assert clock(case, "resolve").budget_seconds == 8 * WORKING_DAY
        assert clock(case, "resolve").due_at(CALENDAR) == MONDAY + days(10)
