"""The ledger of one clock: what it counts, when it is due, when its steps are due."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.case.clocks import Clock, ClockStatus
from domain.catalogue.terms import MISS
from tests.support.build import CALENDAR, LADDER, MONDAY, WORKING_DAY, days, hours, minutes

FRIDAY = datetime(2026, 9, 11, 8, tzinfo=UTC)
"""Friday, 16:00 in Beijing: an hour and a half before the weekend."""
NEXT_MONDAY = datetime(2026, 9, 14, 0, 30, tzinfo=UTC)
"""Monday, 08:30 in Beijing."""


def always(budget: float = 3600) -> Clock:
    return Clock(serial=1, name="resolve", cycle=1, calendar="always", budget_seconds=budget)


def working(budget: float = 2 * WORKING_DAY) -> Clock:
    return Clock(serial=1, name="reply", cycle=1, calendar="working", budget_seconds=budget)


class TestStatus:
    def test_every_status_and_its_due_date(self) -> None:
        waiting = always()
        running = waiting.start(MONDAY)
        paused = running.pause(MONDAY + minutes(10), CALENDAR)
        met = running.stop(MONDAY + minutes(10), CALENDAR)
        missed = running.escalate(MISS, MONDAY + hours(1))
        cancelled = running.cancel(MONDAY + minutes(10), CALENDAR)
        assert [(clock.status, clock.live, clock.paused, clock.due_at(CALENDAR)) for clock in (waiting, paused)] == [
            (ClockStatus.WAITING, True, False, None),
            (ClockStatus.PAUSED, True, True, None),
        ]
        assert (running.status, running.live, running.due_at(CALENDAR)) == ("running", True, MONDAY + hours(1))
        assert (met.status, met.live, met.due_at(CALENDAR)) == ("met", False, MONDAY + hours(1))
        assert (missed.status, missed.live, missed.due_at(CALENDAR)) == ("missed", True, MONDAY + hours(1))
        assert (cancelled.status, cancelled.live, cancelled.due_at(CALENDAR)) == ("cancelled", False, None)

    def test_a_miss_stays_a_miss(self) -> None:
        missed = always().start(MONDAY).escalate(MISS, MONDAY + hours(1))
        for end in (missed.stop(MONDAY + hours(2), CALENDAR), missed.cancel(MONDAY + hours(2), CALENDAR)):
            assert end.status is ClockStatus.MISSED
            assert end.missed_at == end.due_at(CALENDAR) == MONDAY + hours(1)
            assert end.elapsed(MONDAY + days(9), CALENDAR) == 7200

    def test_a_missed_clock_runs_on_until_it_is_stopped(self) -> None:
        missed = always().start(MONDAY).escalate(MISS, MONDAY + hours(1))
        assert missed.elapsed(MONDAY + hours(5), CALENDAR) == 5 * 3600
        assert missed.next_escalation(LADDER, CALENDAR) == (MONDAY + minutes(90), 150)

    def test_what_never_started_was_never_kept(self) -> None:
        assert always().stop(MONDAY, CALENDAR).status is ClockStatus.CANCELLED

    def test_what_has_ended_is_left_alone(self) -> None:
        ended = always().start(MONDAY).stop(MONDAY + minutes(1), CALENDAR)
        later = MONDAY + hours(9)
        for same in (
            ended.start(later),
            ended.pause(later, CALENDAR),
            ended.resume(later),
            ended.stop(later, CALENDAR),
            ended.cancel(later, CALENDAR),
            ended.extend(1, later, CALENDAR),
        ):
            assert same is ended

    def test_starting_twice_or_resuming_what_runs_changes_nothing(self) -> None:
        running = always().start(MONDAY)
        assert running.start(MONDAY + hours(1)) is running
        assert running.resume(MONDAY + hours(1)) is running
        assert always().resume(MONDAY).status is ClockStatus.WAITING
        assert always().pause(MONDAY, CALENDAR).status is ClockStatus.WAITING


class TestPause:
    def test_nothing_counts_while_paused_over_a_weekend(self) -> None:
        paused = working().start(FRIDAY).pause(FRIDAY + hours(1), CALENDAR)
        resumed = paused.resume(NEXT_MONDAY + hours(1))
        assert paused.elapsed(NEXT_MONDAY, CALENDAR) == 3600
        assert resumed.elapsed(NEXT_MONDAY + hours(2), CALENDAR) == 7200
        # 14 hours are owed: one on Friday, Monday but for its first hour, all of Tuesday.
        assert resumed.due_at(CALENDAR) == datetime(2026, 9, 15, 9, 30, tzinfo=UTC)

    def test_a_pause_over_a_weekend_costs_a_round_the_clock_promise_the_weekend(self) -> None:
        clock = always(10 * 3600).start(FRIDAY).pause(FRIDAY + hours(1), CALENDAR).resume(NEXT_MONDAY)
        assert clock.due_at(CALENDAR) == NEXT_MONDAY + hours(9)

    def test_a_pause_within_a_weekend_costs_working_time_nothing(self) -> None:
        saturday = FRIDAY + days(1)
        through = working().start(FRIDAY)
        paused = through.pause(saturday, CALENDAR).resume(saturday + hours(20))
        assert paused.due_at(CALENDAR) == through.due_at(CALENDAR)

    def test_a_pause_over_the_national_holiday(self) -> None:
        evening = datetime(2026, 9, 30, 9, 30, tzinfo=UTC)
        clock = working().start(evening - hours(1)).pause(evening, CALENDAR)
        back = datetime(2026, 10, 8, 0, 30, tzinfo=UTC)
        assert clock.resume(evening).due_at(CALENDAR) == clock.resume(back).due_at(CALENDAR)
        # Thursday and Friday, but for the hour before the holiday.
        assert clock.resume(back).due_at(CALENDAR) == datetime(2026, 10, 9, 8, 30, tzinfo=UTC)

    def test_a_make_up_saturday_counts(self) -> None:
        saturday = datetime(2026, 10, 10, 1, tzinfo=UTC)
        assert working().start(saturday).elapsed(saturday + hours(1), CALENDAR) == 3600
        assert working().start(saturday).elapsed(saturday + days(1), CALENDAR) == WORKING_DAY - 1800


class TestBudget:
    def test_an_extension_adds_to_the_budget_and_keeps_what_was_consumed(self) -> None:
        paused = working().start(FRIDAY).pause(FRIDAY + hours(1), CALENDAR)
        clock = paused.resume(NEXT_MONDAY).extend(1, NEXT_MONDAY, CALENDAR)
        assert (clock.budget_seconds, clock.consumed_seconds) == (3 * WORKING_DAY, 3600)
        assert clock.due_at(CALENDAR) == datetime(2026, 9, 16, 8, 30, tzinfo=UTC)

    def test_a_missed_clock_is_not_extended(self) -> None:
        missed = always().start(MONDAY).escalate(MISS, MONDAY + hours(1))
        assert missed.extend(1, MONDAY, CALENDAR) is missed

    @pytest.mark.parametrize(
        ("due", "extended"),
        [
            (FRIDAY, FRIDAY + days(4)),
            (FRIDAY + hours(6), datetime(2026, 9, 15, 9, 30, tzinfo=UTC)),
            (FRIDAY + days(1), datetime(2026, 9, 15, 9, 30, tzinfo=UTC)),
        ],
    )
    def test_an_extension_round_the_clock_goes_by_working_days(self, due: datetime, extended: datetime) -> None:
        """Two working days after Friday, also in its night, or after Saturday, end on Tuesday, paused or not."""
        clock = always(86_400).start(due - days(1))
        assert clock.extend(2, due - hours(1), CALENDAR).due_at(CALENDAR) == extended
        paused = clock.pause(due - hours(1), CALENDAR).extend(2, due - hours(1), CALENDAR)
        assert paused.resume(due - hours(1)).due_at(CALENDAR) == extended

    def test_a_step_that_was_escalated_is_not_escalated_again_after_an_extension(self) -> None:
        clock = always().start(MONDAY).escalate(50, MONDAY + minutes(30)).extend(1, MONDAY, CALENDAR)
        # A working day after Monday 10:00 is Tuesday 10:00: 25 hours.
        assert clock.next_escalation(LADDER, CALENDAR) == (MONDAY + hours(18.75), 75)

    def test_another_budget_keeps_what_was_consumed(self) -> None:
        clock = always().start(MONDAY)
        at = MONDAY + minutes(20)
        for budget in (600.0, 1800.0, 86_400.0):
            changed = clock.model_copy(update={"budget_seconds": budget})
            assert changed.elapsed(at, CALENDAR) == 1200
            assert changed.due_at(CALENDAR) == MONDAY + timedelta(seconds=budget)

    def test_a_budget_below_what_was_consumed_is_due_where_the_clock_runs_on(self) -> None:
        clock = always().start(MONDAY).pause(MONDAY + minutes(30), CALENDAR)
        short = clock.resume(MONDAY + hours(2)).model_copy(update={"budget_seconds": 600.0})
        assert short.due_at(CALENDAR) == MONDAY + hours(2)


class TestReinstate:
    def test_the_time_since_the_stop_counts(self) -> None:
        stopped = always().start(MONDAY).stop(MONDAY + minutes(20), CALENDAR)
        again = stopped.reinstate()
        assert again.status is ClockStatus.RUNNING
        assert again == always().start(MONDAY).pause(MONDAY + minutes(20), CALENDAR).resume(MONDAY + minutes(20))
        assert again.due_at(CALENDAR) == MONDAY + hours(1)
        assert again.elapsed(MONDAY + minutes(50), CALENDAR) == 3000

    def test_what_was_cancelled_or_runs_is_left_alone(self) -> None:
        running = always().start(MONDAY)
        cancelled = running.cancel(MONDAY + minutes(1), CALENDAR)
        assert running.reinstate() is running
        assert cancelled.reinstate() is cancelled


class TestRungs:
    def test_in_order_each_at_its_instant_and_then_none(self) -> None:
        clock, escalation = always().start(MONDAY), []
        while ring := clock.next_escalation(LADDER, CALENDAR):
            escalation.append((ring[0] - MONDAY, ring[1]))
            clock = clock.escalate(ring[1], ring[0])
        assert escalation == [(minutes(m), p) for m, p in ((30, 50), (45, 75), (60, 100), (90, 150), (120, 200))]
        assert clock.missed_at == MONDAY + hours(1)

    def test_the_miss_escalates_where_the_ladder_does_not_name_it(self) -> None:
        assert always().start(MONDAY).next_escalation((), CALENDAR) == (MONDAY + hours(1), MISS)

    @pytest.mark.parametrize("clock", [always(), always().start(MONDAY).pause(MONDAY + minutes(1), CALENDAR)])
    def test_a_clock_that_does_not_run_escalates_nothing(self, clock: Clock) -> None:
        assert clock.next_escalation(LADDER, CALENDAR) is None
        assert clock.instant_of(50, CALENDAR) is None

    def test_in_working_time(self) -> None:
        assert working().start(FRIDAY).next_escalation(LADDER, CALENDAR) == (datetime(2026, 9, 14, 8, tzinfo=UTC), 50)


budgets = st.integers(1, 40 * 86_400)
clocks = st.builds(lambda kind, budget: kind(budget), st.sampled_from((always, working)), budgets)
spans = st.timedeltas(timedelta(), timedelta(days=30))
starts = st.timedeltas(timedelta(), timedelta(days=60)).map(lambda after: MONDAY + after)
walks = st.lists(st.tuples(st.booleans(), spans), max_size=8)


def walk(clock: Clock, start: datetime, steps: list[tuple[bool, timedelta]]) -> tuple[Clock, datetime, float]:
    """Start, and at each step run or stand still; also the time that should have been used up."""
    at, used = start, 0.0
    clock = clock.start(at)
    for run, span in steps:
        clock = clock.resume(at) if run else clock.pause(at, CALENDAR)
        if run:
            used += span.total_seconds() if clock.calendar == "always" else CALENDAR.between(at, at + span)
        at += span
    return clock, at, used


class TestProperties:
    @given(clocks, starts, walks)
    def test_a_pause_is_as_if_the_clock_did_not_run(
        self, clock: Clock, start: datetime, steps: list[tuple[bool, timedelta]]
    ) -> None:
        ran, at, used = walk(clock, start, [*steps, (True, timedelta())])
        assert ran.elapsed(at, CALENDAR) == pytest.approx(used, abs=1e-5)

    @given(clocks, starts, walks, st.lists(spans, min_size=2, max_size=5))
    def test_elapsed_rises_and_never_faster_than_time(
        self, clock: Clock, start: datetime, steps: list[tuple[bool, timedelta]], looks: list[timedelta]
    ) -> None:
        ran, at, _ = walk(clock, start, steps)
        instants = [at + look for look in sorted(looks)]
        for one, two in pairwise(instants):
            counted = ran.elapsed(two, CALENDAR) - ran.elapsed(one, CALENDAR)
            assert 0 <= counted <= (two - one).total_seconds() + 1e-5

    @given(clocks, starts, walks)
    def test_at_the_due_instant_the_budget_is_used_up(
        self, clock: Clock, start: datetime, steps: list[tuple[bool, timedelta]]
    ) -> None:
        ran, _, _ = walk(clock, start, [*steps, (True, timedelta())])
        due = ran.due_at(CALENDAR)
        assert due is not None
        assert ran.elapsed(due, CALENDAR) == pytest.approx(max(clock.budget_seconds, ran.consumed_seconds), abs=1e-5)

    @given(clocks, starts, walks)
    def test_when_a_missed_clock_had_consumed_so_much_is_known_for_good(
        self, clock: Clock, start: datetime, steps: list[tuple[bool, timedelta]]
    ) -> None:
        at, ran, runs = start, clock.start(start).escalate(MISS, start), list[tuple[datetime, datetime, float]]()
        for run, span in steps:
            ran = ran.resume(at) if run else ran.pause(at, CALENDAR)
            runs += [(at, at + span, ran.elapsed(at + span, CALENDAR))] if run else []
            at += span
        ran = ran.resume(at)
        for _, then, consumed in runs:
            instant = ran.instant_at(consumed, CALENDAR)
            assert instant is not None
            assert instant <= then + timedelta(microseconds=2)
            after = (clock.start(max(since, instant)).elapsed(min(until, then), CALENDAR) for since, until, _ in runs)
            assert sum(after) <= 1e-5

    @given(clocks, starts, spans)
    def test_a_kept_promise_tells_when_it_would_have_been_due(
        self, clock: Clock, start: datetime, span: timedelta
    ) -> None:
        running = clock.start(start)
        due = running.due_at(CALENDAR)
        assert due is not None
        if start + span < due:
            told = running.stop(start + span, CALENDAR).due_at(CALENDAR)
            assert told is not None
            assert abs(told - due) <= timedelta(microseconds=2)

    @given(clocks, starts, spans)
    def test_reinstating_is_as_if_it_had_never_stopped(self, clock: Clock, start: datetime, span: timedelta) -> None:
        running = clock.start(start)
        again = running.stop(start + span, CALENDAR).reinstate()
        later = start + span + days(3)
        assert again.elapsed(later, CALENDAR) == pytest.approx(running.elapsed(later, CALENDAR), abs=1e-5)
