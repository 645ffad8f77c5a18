"""Another catalogue is put in force: what was consumed is kept, and the event says why each due time moved."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.reopen import Reopen
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.resume import Resume
from domain.case.actions.suspend import Suspend
from domain.case.automatic.internal_updates import is_change
from domain.case.case import Case
from domain.case.clocks import ClockStatus
from domain.case.lifecycle import Event, State
from domain.catalogue.terms import Approver, Process, UrgingRules
from domain.shared.actors import Role
from tests.support.build import (
    BODIES,
    CALENDAR,
    LADDER,
    MONDAY,
    PROMISES,
    ROAD,
    WORKING_DAY,
    case_in,
    clock,
    data_of,
    days,
    do,
    escalations,
    hours,
    minutes,
    one,
    registration,
    walked,
    written,
)
from tests.support.new_terms import EDITION, new, promised, without

DAY = 24 * 3600


def moved(event: Event) -> dict[str, dict[str, Any]]:
    return {entry["clock"]: entry for entry in data_of(event)["moved"]}


class TestTheEvent:
    def test_says_which_catalogue_what_differs_and_why_the_due_time_moved(self) -> None:
        case = case_in(State.DISPATCHED)
        event = one(case.change_catalogue(new(promises=promised("arrive", budget_seconds=7200)), MONDAY + minutes(2)))
        assert (event.action, event.actor, event.role) == ("catalogue_change", "system", Role.SYSTEM)
        assert (event.from_state, event.to_state) == (State.DISPATCHED, State.DISPATCHED)
        assert data_of(event)["catalogue"] == EDITION.model_dump()
        assert data_of(event)["changed"] == ["promises"]
        assert data_of(event)["moved"] == [
            {
                "clock": "arrive",
                "serial": 2,
                "due_before": written(MONDAY + minutes(60)),
                "due_after": written(MONDAY + minutes(120)),
                "why": ["budget"],
                "budget_before": 3600,
                "budget_after": 7200,
            }
        ]
        assert case.catalogue_change is not None
        assert (case.catalogue_change.seq, case.catalogue_change.catalogue) == (event.seq, EDITION)

    def test_there_is_none_where_nothing_changes(self) -> None:
        case = case_in(State.IN_PROGRESS)
        before = case.model_copy()
        assert case.change_catalogue(new(), MONDAY + hours(1)) == ()
        assert case == before
        assert not is_change(case, new(), MONDAY + hours(1))

    def test_there_is_one_for_rules_that_move_no_due_time(self) -> None:
        case = case_in(State.IN_PROGRESS)
        event = one(case.change_catalogue(new(ladder=LADDER[:3]), MONDAY + minutes(1)))
        assert (data_of(event)["changed"], data_of(event)["moved"]) == (["ladder"], [])

    def test_comes_after_what_fell_due_under_the_terms_of_before(self) -> None:
        case = case_in(State.DISPATCHED)
        events = case.change_catalogue(new(promises=promised("acknowledge", budget_seconds=6000)), MONDAY + minutes(6))
        assert [event.action for event in events] == ["escalate", "catalogue_change"]
        assert escalations(events) == [("acknowledge", 50)]

    def test_a_second_time_changes_nothing(self) -> None:
        case = case_in(State.DISPATCHED)
        there = new(promises=promised("arrive", budget_seconds=7200))
        case.change_catalogue(there, MONDAY)
        assert case.change_catalogue(there, MONDAY + minutes(1)) == ()

    @pytest.mark.parametrize("state", State)
    def test_folds_to_the_same_case_in_every_state(self, state: State) -> None:
        case, events = folded(state)
        events += case.change_catalogue(new(promises=without("acknowledge"), ladder=LADDER[:3]), MONDAY + minutes(9))
        assert Case.fold(events) == case


def folded(state: State) -> tuple[Case, tuple[Event, ...]]:
    """A case and all its events."""
    case, events = Case.register(registration())
    for action in ROAD[state]:
        events += do(case, BODIES[action], MONDAY)
    return case, events


class TestClocks:
    def test_a_running_one_keeps_what_was_consumed(self) -> None:
        case = case_in(State.DISPATCHED)
        case.change_catalogue(new(promises=promised("arrive", budget_seconds=1800)), MONDAY + minutes(20))
        arrive = clock(case, "arrive")
        assert arrive.elapsed(MONDAY + minutes(20), CALENDAR) == 1200
        assert arrive.due_at(CALENDAR) == MONDAY + minutes(30)

    def test_a_waiting_one_gets_the_new_budget_and_waits(self) -> None:
        case = case_in(State.REGISTERED)
        event = one(case.change_catalogue(new(promises=promised("arrive", budget_seconds=1800)), MONDAY + minutes(20)))
        assert clock(case, "arrive").status is ClockStatus.WAITING
        assert clock(case, "arrive").budget_seconds == 1800
        assert (moved(event)["arrive"]["due_after"], moved(event)["arrive"]["why"]) == (None, ["budget"])

    def test_a_paused_one_stays_paused(self) -> None:
        case = case_in(State.SUSPENDED)
        case.change_catalogue(new(promises=promised("arrive", budget_seconds=1800)), MONDAY + days(3))
        assert clock(case, "arrive").paused
        do(case, Resume(), MONDAY + days(3))
        assert clock(case, "arrive").due_at(CALENDAR) == MONDAY + days(3) + minutes(30)

    def test_what_was_kept_or_missed_stays_as_it_is(self) -> None:
        case = case_in(State.IN_PROGRESS)
        case.advance(MONDAY + minutes(61))
        kept, missed = clock(case, "acknowledge"), clock(case, "arrive")
        shorter = tuple(each.model_copy(update={"budget_seconds": 60}) for each in PROMISES)
        case.change_catalogue(new(promises=shorter), MONDAY + minutes(62))
        assert (clock(case, "acknowledge"), clock(case, "arrive")) == (kept, missed)

    def test_another_calendar_keeps_the_share_that_was_used_up(self) -> None:
        """Half of an hour round the clock is half of a working day, not half an hour of it."""
        case = case_in(State.DISPATCHED)
        there = promised("arrive", calendar="working", budget_seconds=WORKING_DAY)
        event = case.change_catalogue(new(promises=there), MONDAY + minutes(30) - minutes(1))[-1]
        assert clock(case, "arrive").consumed_seconds == pytest.approx(WORKING_DAY * 29 / 60)
        assert moved(event)["arrive"]["why"] == ["budget", "calendar"]

    def test_a_new_holiday_moves_what_is_due_after_it(self) -> None:
        case = case_in(State.IN_PROGRESS)
        holiday = CALENDAR.model_copy(update={"off": (date(2026, 9, 9), *CALENDAR.off)})
        event = case.change_catalogue(new(calendar=holiday), MONDAY + hours(3))[-1]
        assert data_of(event)["changed"] == ["calendar"]
        resolve = moved(event)["resolve"]
        assert resolve["why"] == ["calendar"]
        before, after = (datetime.fromisoformat(resolve[name]) for name in ("due_before", "due_after"))
        assert (before.date(), after.date()) == (date(2026, 9, 14), date(2026, 9, 15))

    def test_an_extension_that_was_granted_is_kept(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, RequestExtension(working_days=3, reason="Parts."), MONDAY)
        do(case, DecideExtension(approved=True), MONDAY)
        case.change_catalogue(new(promises=promised("resolve", budget_seconds=2 * WORKING_DAY)), MONDAY)
        assert clock(case, "resolve").budget_seconds == 5 * WORKING_DAY

    @pytest.mark.parametrize(
        ("before", "after", "due"),
        [
            (("working", 5 * WORKING_DAY), ("always", 4 * DAY), 9),
            (("always", 10 * DAY), ("working", 2 * WORKING_DAY), 7),
            (("always", 10 * DAY), ("always", 4 * DAY), 9),
        ],
    )
    def test_an_extension_is_as_many_working_days_after_the_new_budget(
        self, before: tuple[str, int], after: tuple[str, int], due: int
    ) -> None:
        """Three working days after Friday are Wednesday, round the clock as well; after Wednesday, Monday."""
        old, there = (
            promised("resolve", calendar=calendar, budget_seconds=seconds) for calendar, seconds in (before, after)
        )
        case = case_in(State.IN_PROGRESS, promises=old)
        do(case, RequestExtension(working_days=3, reason="Parts."), MONDAY)
        do(case, DecideExtension(approved=True), MONDAY)
        event = one(case.change_catalogue(new(promises=there), MONDAY))
        assert clock(case, "resolve").calendar == after[0]
        assert moved(event)["resolve"]["due_after"] == written(MONDAY + days(due))

    def test_an_extended_promise_is_what_it_was_after_another_calendar_and_back(self) -> None:
        there, back = (
            promised("resolve", calendar=calendar, budget_seconds=seconds)
            for calendar, seconds in (("working", 2 * WORKING_DAY), ("always", 4 * DAY))
        )
        case = case_in(State.IN_PROGRESS, promises=back)
        do(case, RequestExtension(working_days=3, reason="Parts."), MONDAY)
        do(case, DecideExtension(approved=True), MONDAY)
        for promises in (there, back):
            case.change_catalogue(new(promises=promises), MONDAY + hours(1))
        assert clock(case, "resolve").due_at(CALENDAR) == MONDAY + days(9)

    def test_an_extension_follows_a_new_holiday_round_the_clock_too(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=promised("resolve", calendar="always", budget_seconds=DAY))
        do(case, RequestExtension(working_days=2, reason="Parts."), MONDAY - minutes(5))
        do(case, DecideExtension(approved=True), MONDAY)
        holiday = CALENDAR.model_copy(update={"off": (date(2026, 9, 9), *CALENDAR.off)})
        promises = promised("resolve", calendar="always", budget_seconds=DAY)
        case.change_catalogue(new(promises=promises, calendar=holiday), MONDAY + hours(1))
        assert clock(case, "resolve").due_at(holiday) == MONDAY + days(4)

    @pytest.mark.parametrize("calendar", ["always", "working"])
    def test_an_extension_counts_from_now_if_the_budget_was_cut_below_what_was_used_up(self, calendar: str) -> None:
        """Suspended on Wednesday with two days used, cut to one hour, and extended by one day: due on Thursday."""
        case = case_in(State.IN_PROGRESS, promises=promised("resolve", calendar=calendar, budget_seconds=10 * DAY))
        do(case, RequestExtension(working_days=1, reason="Parts."), MONDAY)
        at = MONDAY + days(2)
        do(case, BODIES["suspend"], at)
        case.change_catalogue(new(promises=promised("resolve", calendar=calendar, budget_seconds=3600)), at)
        do(case, DecideExtension(approved=True), at)
        do(case, Resume(), at)
        assert clock(case, "resolve").due_at(CALENDAR) == at + days(1)

    def test_the_share_that_was_used_up_is_that_of_the_budget_without_the_extension(self) -> None:
        """Four of five working days are 3.2 of four days; three working days after Saturday begin on Monday."""
        case = case_in(State.IN_PROGRESS)
        do(case, RequestExtension(working_days=3, reason="Parts."), MONDAY)
        do(case, DecideExtension(approved=True), MONDAY)
        at = MONDAY + days(4)
        case.change_catalogue(new(promises=promised("resolve", calendar="always", budget_seconds=4 * DAY)), at)
        assert clock(case, "resolve").elapsed(at, CALENDAR) == pytest.approx(3.2 * DAY)
        assert clock(case, "resolve").due_at(CALENDAR) == datetime(2026, 9, 16, 9, 30, tzinfo=UTC)


class TestPromises:
    def test_one_that_is_dropped_is_cancelled(self) -> None:
        case = case_in(State.DISPATCHED)
        event = one(case.change_catalogue(new(promises=without("arrive")), MONDAY + minutes(1)))
        assert clock(case, "arrive").status is ClockStatus.CANCELLED
        entry = moved(event)["arrive"]
        assert (entry["why"], entry["due_after"], entry["budget_after"]) == (["dropped"], None, None)

    def test_a_new_one_counts_from_when_it_would_have_begun(self) -> None:
        case = case_in(State.DISPATCHED, promises=without("arrive"))
        event = one(case.change_catalogue(new(), MONDAY + minutes(4)))
        assert clock(case, "arrive").due_at(CALENDAR) == MONDAY + minutes(60)
        assert moved(event)["arrive"]["why"] == ["promised"]
        assert moved(event)["arrive"]["due_before"] is None

    def test_a_new_one_whose_moment_is_still_to_come_waits_for_it(self) -> None:
        case = case_in(State.REGISTERED, promises=without("arrive"))
        case.change_catalogue(new(), MONDAY + minutes(4))
        assert clock(case, "arrive").status is ClockStatus.WAITING
        do(case, Dispatch(department="repair"), MONDAY + minutes(5))
        assert clock(case, "arrive").due_at(CALENDAR) == MONDAY + minutes(65)

    def test_none_is_made_for_what_lies_behind(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, promises=without("acknowledge", "arrive", "resolve", "reply"))
        case.change_catalogue(new(), MONDAY + minutes(4))
        assert [each.name for each in case.clocks] == ["follow_up"]

    def test_a_new_one_stands_still_while_the_case_waits_for_its_caller(self) -> None:
        case = case_in(State.SUSPENDED, promises=without("reply"))
        case.change_catalogue(new(), MONDAY + days(7))
        assert clock(case, "reply").paused
        # resolve started at the same moment on the same calendar, and has stood still since.
        assert clock(case, "reply").consumed_seconds == 0

    @pytest.mark.parametrize("withdrawn", [False, True])
    def test_a_promise_urged_from_now_on_counts_nothing_while_the_caller_is_waited_for(self, withdrawn: bool) -> None:
        hasty = promised("reply", calendar="always", budget_seconds=3600)
        urging = UrgingRules(notice_seconds=DAY, calendar="always")
        case = case_in(State.IN_PROGRESS, promises=hasty, process=Process(urging=urging))
        case.advance(MONDAY + hours(2))
        do(case, Suspend(reason="The caller buys a valve."), MONDAY + hours(2))
        without_resolve = tuple(each for each in hasty if each.name != "resolve")
        if withdrawn:
            do(case, BODIES["withdraw"], MONDAY + hours(2))
        case.change_catalogue(new(promises=without_resolve, process=case.terms.process), MONDAY + hours(3))
        if withdrawn:
            do(case, BODIES["reinstate"], MONDAY + hours(9))
        assert case.advance(MONDAY + days(20)) == ()
        do(case, Resume(), MONDAY + days(20))
        notices = [event.at for event in walked(case, MONDAY + days(22)) if event.action == "notice"]
        assert notices == [MONDAY + days(21)]

    def test_a_new_follow_up_counts_from_the_reply(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, promises=without("follow_up"))
        case.change_catalogue(new(), MONDAY + hours(2))
        assert clock(case, "follow_up").due_at(CALENDAR) == MONDAY + days(1)

    def test_in_a_second_cycle_it_counts_from_the_beginning_of_that_cycle(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, promises=without("resolve"))
        do(case, FollowUp(outcome="dissatisfied"), MONDAY + hours(2))
        at = MONDAY + hours(2) + minutes(1)
        case.change_catalogue(new(promises=promised("resolve", calendar="always", budget_seconds=3600)), at)
        assert clock(case, "resolve").due_at(CALENDAR) == MONDAY + hours(3)

    def test_one_that_starts_earlier_now_starts(self) -> None:
        case = case_in(State.DISPATCHED, promises=promised("reply", starts="decision"))
        event = one(case.change_catalogue(new(), MONDAY + minutes(1)))
        assert clock(case, "reply").started_at == MONDAY
        assert moved(event)["reply"]["why"] == ["started"]

    def test_the_clocks_of_a_further_department_follow(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Involve(department="metering", task="Read the meter."), MONDAY)
        event = one(
            case.change_catalogue(new(promises=promised("acknowledge", budget_seconds=1200)), MONDAY + minutes(1))
        )
        (entry,) = data_of(event)["moved"]
        assert (entry["clock"], entry["part"], entry["due_after"]) == (
            "acknowledge",
            1,
            written(MONDAY + minutes(20)),
        )


class TestRungs:
    def test_what_was_escalated_is_not_escalated_again(self) -> None:
        case = case_in(State.DISPATCHED)
        assert escalations(case.advance(MONDAY + minutes(6))) == [("acknowledge", 50)]
        case.change_catalogue(new(promises=promised("acknowledge", budget_seconds=1200)), MONDAY + minutes(6))
        assert escalations(case.advance(MONDAY + minutes(16))) == [("acknowledge", 75)]

    def test_what_is_past_under_the_new_terms_escalates_once_and_now(self) -> None:
        case = case_in(State.DISPATCHED)
        at = MONDAY + minutes(4)
        case.change_catalogue(new(promises=promised("acknowledge", budget_seconds=120)), at)
        rang = case.advance(at)
        assert escalations(rang) == [("acknowledge", percent) for percent in (50, 75, 100, 150, 200)]
        assert {data_of(event)["fell_at"] for event in rang} == {written(at)}
        assert clock(case, "acknowledge").missed_at == at
        assert case.advance(at + minutes(1)) == ()


class TestTheRest:
    def test_a_priority_given_by_hand_stays(self) -> None:
        case = case_in(State.DISPATCHED, priority="P1", priority_by_hand=True)
        case.change_catalogue(new(priority="P3", ladder=LADDER[:3]), MONDAY)
        assert (case.terms.priority, case.terms.priority_by_hand) == ("P1", True)
        assert not is_change(case, new(priority="P4", ladder=LADDER[:3]), MONDAY)

    def test_a_priority_of_the_catalogue_follows_it(self) -> None:
        case = case_in(State.DISPATCHED)
        case.change_catalogue(new(priority="P3"), MONDAY)
        assert case.terms.priority == "P3"

    def test_an_approval_under_way_keeps_its_approvers(self) -> None:
        manager = Approver(post="manager", up_to=Decimal(1000), budget_seconds=3600)
        case = case_in(State.AWAITING_APPROVAL, approvers=(manager,))
        asked = case.approval
        case.change_catalogue(new(approvers=(manager.model_copy(update={"post": "director"}),)), MONDAY + minutes(1))
        assert case.approval == asked
        assert clock(case, "approve").running_since == MONDAY

    def test_a_closed_case_may_be_reopened_under_the_new_terms(self) -> None:
        case = case_in(State.CLOSED)
        event = one(case.change_catalogue(new(promises=promised("arrive", budget_seconds=1800)), MONDAY + hours(1)))
        assert data_of(event)["moved"] == []
        do(case, Reopen(reason="It drips again."), MONDAY + hours(2))
        assert clock(case, "arrive").budget_seconds == 1800

    def test_a_case_that_is_over_is_left_alone(self) -> None:
        late = datetime(2027, 1, 1, tzinfo=UTC)
        assert case_in(State.CLOSED).change_catalogue(new(ladder=LADDER[:3]), late) == ()
        assert case_in(State.REFUSED).change_catalogue(new(ladder=LADDER[:3]), MONDAY) == ()
