"""Anybody does anything at any time, and what must hold of a case holds after every step."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.case.actions import ACTION_OF, TABLE
from domain.case.actions.correct import Correction
from domain.case.actions.link_incident import SETTLED, Settlement, outcome
from domain.case.automatic.internal_updates import NewTerms, Recognised, Undelivered
from domain.case.case import Case, addressed
from domain.case.clocks import DEPARTMENT_CLOCKS, Clock
from domain.case.decide import evolve
from domain.case.intake import IntakeFlag
from domain.case.lifecycle import BEFORE_REPLY, ENDED, PART_AT_WORK, Event, State
from domain.case.progress import LIMIT_REACHED
from domain.case.state import CREDIT_WAITS, EXTENSION_WAITS
from domain.case.views import view_case
from domain.catalogue.terms import MISS, Edition
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from tests.support import offers
from tests.support.build import ACTORS, BODIES, CALENDAR, PART_TABLE, PROMISES, USUAL, command, data_of, registration
from tests.support.case_strategies import ZERO, actors, bodies, changes, incidents, spans, starts

BY_ITSELF = {
    "escalate",
    "notice",
    "criticise",
    "undelivered",
    "recognise",
    "credit",
    "catalogue_change",
    "cancellation_requested",
}
TOLERANCE = 1e-3
"""Seconds. The ledger keeps fractions, instants are whole microseconds."""
ENOUGH = 400
"""Events after which a case is only looked at."""

ASIDE = {"refuse", "withdraw", "reinstate", "comment", "correct", "urge", "supervise", "hand_over", "assign"}
"""Actions that lead nowhere: left to those who try anything."""


def accepted(case: Case, sent: Command[Any], at: datetime) -> bool:
    try:
        case.check(sent, at)
    except Refused:
        return False
    return True


def rung_of(event: Event) -> tuple[int, int, str]:
    return data_of(event)["serial"], data_of(event)["percent"], data_of(event)["fell_at"]


class CaseMachine(RuleBasedStateMachine):
    """One case among its people."""

    @initialize(data=st.data(), at=starts, terms=changes, incident=incidents, lead=st.integers(0, 16))
    def register(
        self, data: st.DataObject, at: datetime, terms: dict[str, Any], incident: str | None, lead: int
    ) -> None:
        """Register it, and lead it some way along, so that the random walk begins anywhere in the table."""
        self.now = at
        self.case, events = Case.register(registration(at, **terms).model_copy(update={"incident": incident}))
        self.events = list(events)
        self.then = Case.fold(events)
        self.elapsed: dict[tuple[int, str, datetime | None], float] = {}
        self.shrunk: set[int] = set()
        self.converted: set[int] = set()
        self.passed: dict[int, int] = {}
        for _ in range(lead):
            self.now += data.draw(spans)
            self.do_what_may_be_done(data)

    @rule(span=spans)
    def wait(self, span: timedelta) -> None:
        self.now += span

    @rule(ahead=st.sampled_from([ZERO, timedelta(microseconds=-1), timedelta(microseconds=1)]))
    def wait_for_the_deadline(self, ahead: timedelta) -> None:
        if deadline := self.case.next_deadline():
            self.now = max(self.now, deadline + ahead)

    @rule()
    def ring(self) -> None:
        events = self.case.advance(self.now)
        self.take(events)
        for event in events:
            if event.action == "escalate":
                clock, threshold = self.threshold(data_of(event)["serial"], data_of(event)["percent"])
                fell_at = datetime.fromisoformat(data_of(event)["fell_at"])
                assert fell_at <= self.now
                assert clock.elapsed(fell_at, CALENDAR) >= threshold - TOLERANCE
        assert self.case.advance(self.now) == ()
        deadline = self.case.next_deadline()
        assert deadline is None or deadline > self.now or not self.case.is_active(self.now)
        self.nothing_was_missed_in_silence()

    @precondition(lambda self: len(self.events) < ENOUGH)
    @rule(data=st.data(), actor=actors, action=st.sampled_from(list(BODIES)))
    def try_anything(self, data: st.DataObject, actor: Actor, action: str) -> None:
        self.act(command(data.draw(bodies(action, self.now)), actor))

    @precondition(lambda self: len(self.events) < ENOUGH)
    @rule(data=st.data())
    def do_what_may_be_done(self, data: st.DataObject) -> None:
        may = [action for action, actor in USUAL.items() if action in self.case.available_actions(actor, self.now)]
        onward = [action for action in may if action not in ASIDE]
        if choice := onward or may:
            action = data.draw(st.sampled_from(choice))
            self.act(command(data.draw(bodies(action, self.now)), USUAL[action]))

    @rule(actor=actors)
    def what_is_offered_is_what_is_accepted(self, actor: Actor) -> None:
        then = self.case.model_copy()
        then.advance(self.now)  # a credit that falls due at this very moment may be decided on, too
        may = {
            ACTION_OF[type(body)].name
            for body in offers.bodies(then)
            if accepted(self.case, command(body, actor), self.now)
        }
        assert sorted(self.case.available_actions(actor, self.now)) == sorted(may)

    @rule(cuts=st.lists(st.one_of(spans, st.none()), min_size=2, max_size=12))
    def many_small_steps_are_one_big_one(self, cuts: list[timedelta | None]) -> None:
        """Some of the steps lead to the next deadline."""
        small, big, at = self.case.model_copy(), self.case.model_copy(), self.now
        stepped: list[Event] = []
        for cut in cuts:
            at = max(at, small.next_deadline() or at) if cut is None else at + cut
            stepped += small.advance(at)
        jumped = list(big.advance(at))
        if any(event.action == "notice" for event in stepped):
            # What a notice leads to is counted from when it went out: the two differ in that, and in nothing else.
            assert [event.action for event in jumped].count("notice") == 1
            papers = ("notice", "criticise")
            stepped, jumped = ([each for each in all_of if each.action not in papers] for all_of in (stepped, jumped))
        else:
            assert small == big
        assert [event.action for event in stepped] == [event.action for event in jumped]
        ringing = [rung_of(event) for event in stepped if event.action == "escalate"]
        assert ringing == [rung_of(event) for event in jumped if event.action == "escalate"]

    @rule(reason=st.sampled_from(["", "A slip."]))
    def somebody_asks_to_cancel_the_workflow(self, reason: str) -> None:
        self.take(self.case.note_cancellation(reason, self.now))

    @rule()
    def a_notification_is_given_up(self) -> None:
        self.take(self.case.undelivered(Undelivered(key="key", channel="sms", error="HTTP 503"), self.now))

    @rule()
    def its_caller_is_recognised_late(self) -> None:
        self.take(self.case.recognise(Recognised(flags=(IntakeFlag.HARDSHIP,)), self.now))

    @rule(incident=incidents.filter(bool), follow_up=st.booleans())
    def an_incident_is_over(self, incident: str, follow_up: bool) -> None:
        settlement = Settlement(incident=incident, result="x", message="x", follow_up=follow_up)
        self.take(self.case.settle(settlement, self.now))
        came_out = outcome(self.case, incident)
        self.take(self.case.advance(self.now))  # a clock that runs on may be due at once, where its budget has shrunk
        assert self.case.settle(settlement, self.now) == ()
        if came_out == SETTLED:
            assert self.case.state not in BEFORE_REPLY or self.case.cycle > 1

    @rule(incident=incidents)
    def an_incident_had_ended_before_it_was_told(self, incident: str | None) -> None:
        self.take(self.case.unlink(incident, self.now))

    @precondition(lambda self: len(self.events) < ENOUGH)
    @rule(times=st.sampled_from([0.25, 1, 4]), left_out=st.sets(st.sampled_from([each.name for each in PROMISES])))
    def another_catalogue_is_put_in_force(self, times: float, left_out: set[str]) -> None:
        """Budgets change, promises come and go; each that stays is measured as before."""
        now = {promise.name: promise for promise in self.case.terms.promises}
        made = tuple(
            now.get(each.name, each).model_copy(update={"budget_seconds": max(1, int(each.budget_seconds * times))})
            for each in PROMISES
            if each.name not in left_out
        )
        edition = Edition(digest="0" * 12, name="New", name_zh="新")
        new = NewTerms(terms=self.case.terms.model_copy(update={"promises": made}), edition=edition)
        before = {clock.serial: clock for clock in self.case.clocks}
        events = self.case.change_catalogue(new, self.now)
        self.take(events)
        if events:
            assert events[-1].action == "catalogue_change"
            self.shrunk |= {clock.serial for clock in self.case.clocks if clock.paused}
            for moved in data_of(events[-1])["moved"]:
                clock = before.get(moved["serial"])
                assert clock is None or (clock.live and not clock.missed_at)
        assert self.case.change_catalogue(new, self.now) == ()

    def act(self, sent: Command[Any]) -> None:
        note(f"{self.now} {self.case.state} {sent.actor.role} {sent.body!r}")
        before, calendars = self.case.model_dump_json(), {clock.serial: clock.calendar for clock in self.case.clocks}
        may = accepted(self.case, sent, self.now)
        assert self.case.model_dump_json() == before
        if may:
            events = self.case.apply(sent, self.now)
            assert events[-1].action == ACTION_OF[type(sent.body)].name
            self.take(events)
            if isinstance(sent.body, Correction):
                clocks = self.case.clocks
                self.passed |= {clock.serial: clock.rung for clock in clocks}
                self.shrunk |= {clock.serial for clock in clocks if not clock.running_since}
                self.converted |= {
                    each.serial for each in clocks if calendars.get(each.serial, each.calendar) != each.calendar
                }
            return
        with pytest.raises(Refused):
            self.case.apply(sent, self.now)
        assert self.case.model_dump_json() == before

    def take(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self.follows_the_table(event, self.events[-1])
            self.events.append(event)
            evolve(self.then, event)
            assert event == addressed(event, self.then), "told to whoever had the case when it happened"

    def follows_the_table(self, event: Event, before: Event) -> None:
        assert (event.seq, event.from_state) == (before.seq + 1, before.to_state)
        assert before.at <= event.at <= self.now
        again = event.action in ("follow_up", "reopen") and event.to_state is State.DISPATCHED
        assert event.cycle == before.cycle + again
        if event.action in BY_ITSELF:
            assert (event.from_state, event.role) == (event.to_state, Role.SYSTEM)
            return
        if event.role is Role.SYSTEM and "incident" in data_of(event):
            # It may take itself out at any time: it had ended before it was told that the case belongs to it.
            assert event.from_state in BEFORE_REPLY or event.action == "link_incident"
            assert event.to_state not in (State.REGISTERED, State.WITHDRAWN) or event.to_state == event.from_state
            return
        row = TABLE[event.action]
        if event.action in PART_TABLE and "part" in data_of(event):
            sent_back = event.action == "send_back"
            stays = State.IN_PROGRESS if sent_back else event.from_state
            assert event.to_state in (stays, State.PENDING_REPLY)
        else:
            assert event.from_state in row.sources | row.changeable
            assert event.to_state in (row.targets or (event.from_state,))
        assert event.role in row.roles | {Role.ADMIN}

    def threshold(self, serial: int, percent: int) -> tuple[Clock, float]:
        clock = next(clock for clock in self.case.clocks if clock.serial == serial)
        return clock, clock.budget_seconds * percent / 100

    def nothing_was_missed_in_silence(self) -> None:
        rang = {rung_of(event)[:2] for event in self.events if event.action == "escalate"}
        for clock in self.case.clocks:
            # A budget that shrinks while the clock stands still rings nothing until it runs on, if it ever does.
            if clock.serial in self.shrunk and not clock.running_since:
                continue
            elapsed = clock.elapsed(self.now, CALENDAR)
            for percent in {MISS, *(step.percent for step in self.case.terms.ladder)}:
                # A step of another ladder that comes before one which was taken is not taken any more.
                is_ahead = percent > self.passed.get(clock.serial, 0)
                if is_ahead and elapsed > clock.budget_seconds * percent / 100 + TOLERANCE:
                    assert (clock.serial, percent) in rang
            assert (clock.missed_at is not None) == ((clock.serial, MISS) in rang)

    @invariant()
    def the_events_are_the_case(self) -> None:
        assert [event.seq for event in self.events] == list(range(1, self.case.version + 1))
        assert Case.fold(self.events) == self.case
        assert Case.model_validate_json(self.case.model_dump_json(exclude_unset=True)) == self.case

    @invariant()
    def every_step_happens_once(self) -> None:
        rang = [rung_of(event)[:2] for event in self.events if event.action == "escalate"]
        assert len(rang) == len(set(rang))

    @invariant()
    def a_notice_and_then_a_criticism_go_out_once_a_cycle(self) -> None:
        gone_out = [(event.cycle, event.action) for event in self.events if event.action in ("notice", "criticise")]
        assert len(gone_out) == len(set(gone_out))
        for cycle, action in gone_out:
            if action == "criticise":
                assert gone_out.index((cycle, "notice")) < gone_out.index((cycle, "criticise"))

    @invariant()
    def a_notice_leaves_the_time_that_it_names(self) -> None:
        issued = {event.seq: event for event in self.events if event.action == "notice"}
        for event in self.events:
            if event.action == "criticise":
                assert event.at >= datetime.fromisoformat(data_of(issued[data_of(event)["notice"]])["deadline_at"])

    @invariant()
    def nobody_is_urged_who_waits_or_is_done(self) -> None:
        countdown = self.case.urging and self.case.urging.countdown
        if countdown and countdown.running_since:
            clock = next(clock for clock in self.case.clocks if clock.serial == countdown.serial)
            assert clock.missed_at
            assert clock.running_since

    @invariant()
    def every_credit_is_raised_once_for_a_miss_and_within_its_most(self) -> None:
        raised = [(owed.name, owed.clock_serial or owed.found, owed.period) for owed in self.case.credits]
        assert len(raised) == len(set(raised))
        clocks = {clock.serial: clock for clock in self.case.clocks}
        assert all(clocks[owed.clock_serial].missed_at for owed in self.case.credits if owed.clock_serial)
        for credit in self.case.terms.credits:
            mine = [owed for owed in self.case.credits if owed.name == credit.name]
            total = sum(owed.amount for owed in mine if owed.approved is not False or owed.ground == LIMIT_REACHED)
            assert credit.at_most is None or total <= credit.at_most
        assert (EXTENSION_WAITS in self.case.flags) == bool(self.case.extension)
        assert (CREDIT_WAITS in self.case.flags) == bool(self.case.undecided_credits)
        for owed in self.case.credits:
            assert owed.fell_at <= owed.asked_at <= self.now
            since = clocks[owed.clock_serial].missed_at if owed.clock_serial else None
            assert since is None or owed.fell_at >= since

    @invariant()
    def what_needs_a_decision_is_not_completed_without_one(self) -> None:
        assert not (self.case.completed and self.case.needs_decision)

    @invariant()
    def money_is_decided_on_in_writing_and_never_by_whoever_asked(self) -> None:
        for decided in self.case.decisions:
            if decided.of_credit:
                continue
            assert decided.kind is None or (decided.amount is not None and decided.grounds and decided.reason)
            assert decided.requested_by not in decided.decided_by or decided.requested_by == ACTORS[Role.ADMIN].id
        assert {"approved", "approval_rejected"} - {*self.case.flags}

    @invariant()
    def clocks_count_what_has_passed_and_no_more(self) -> None:
        for clock in self.case.clocks:
            elapsed = clock.elapsed(self.now, CALENDAR)
            measure = (clock.serial, clock.calendar, clock.started_at)
            assert elapsed >= self.elapsed.get(measure, 0) - TOLERANCE
            self.elapsed[measure] = elapsed
            started = clock.started_at or self.now
            passed = (self.now - started).total_seconds()
            most = CALENDAR.between(started, self.now) if clock.calendar == "working" else passed
            # On another calendar, a clock has the share of its budget that was used up.
            assert clock.serial in self.converted or elapsed <= most + TOLERANCE
            if clock.running_since is None:
                assert elapsed == clock.consumed_seconds

    @invariant()
    def clocks_stand_where_the_state_says(self) -> None:
        live = [clock for clock in self.case.clocks if clock.live]
        assert all(clock.cycle == self.case.cycle for clock in live)
        assert not (live and self.case.state in ENDED)
        if self.case.state is State.SUSPENDED:
            assert not any(clock.running_since for clock in live)
        elif self.case.state not in (State.AWAITING_APPROVAL, State.PENDING_REDISPATCH):
            linked = self.case.incident and not self.case.settled
            waits = DEPARTMENT_CLOCKS if linked else ()
            assert not any(clock.paused and (clock.part or clock.name not in waits) for clock in live)
        assert (self.case.wake_at is None) or self.case.state is State.SUSPENDED

    @invariant()
    def the_dispatch_of_an_incident_stands_for_the_case_s_own(self) -> None:
        mine = [clock for clock in self.case.clocks if clock.name in DEPARTMENT_CLOCKS and clock.part == 0]
        assert not (self.case.incident and not self.case.settled and any(clock.running_since for clock in mine))

    @invariant()
    def a_reply_waits_for_every_part(self) -> None:
        open_parts = self.case.unfinished
        if self.case.state in ENDED | {State.PENDING_REPLY, State.PENDING_FOLLOW_UP}:
            assert open_parts == ()
        if self.case.state is State.IN_PROGRESS and self.case.completed:
            assert open_parts or data_of(self.events[-1]).get("department")
        at_work = {part.serial for part in self.case.parts if part.state in PART_AT_WORK}
        assert all(clock.part in {0, *at_work} for clock in self.case.clocks if clock.live)
        assert len({part.department for part in open_parts}) == len(open_parts)
        assert self.case.department not in {part.department for part in open_parts}

    @invariant()
    def the_view_agrees(self) -> None:
        view = view_case(self.case, self.now)
        assert not view.overdue or view.sla == "missed"
        for clock in view.clocks:
            assert clock.remaining_seconds == pytest.approx(clock.budget_seconds - clock.elapsed_seconds)
        assert type(view).model_validate_json(view.model_dump_json(exclude_unset=True)) == view


class TestCaseMachine(CaseMachine.TestCase):  # type: ignore[valid-type,misc]  # made by hypothesis
    settings = settings(max_examples=6)


@pytest.mark.night
class TestCaseMachineAtLength(CaseMachine.TestCase):  # type: ignore[valid-type,misc]  # as above
    pass
