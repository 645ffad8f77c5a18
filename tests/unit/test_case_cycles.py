"""Follow-ups, rework and reopening: how a case goes round again, and how it ends. Also what its events make of it."""

import pytest

from domain.case.actions.correct import Correct
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.reopen import Reopen
from domain.case.actions.sign_for import SignFor
from domain.case.automatic.internal_updates import Recognised, Undelivered
from domain.case.case import Case, notifications
from domain.case.decide import evolve
from domain.case.intake import Caller, IntakeFlag
from domain.case.lifecycle import Event, State
from domain.case.views import view_case
from domain.catalogue.terms import Process
from domain.kit.event import ActionBody
from domain.shared.actors import Actor
from tests.support.build import (
    AGENT,
    BODIES,
    CALLER,
    CREW,
    FOLLOW_UP,
    MONDAY,
    OTHER_CREW,
    OWNER,
    THEN,
    case_in,
    data_of,
    days,
    do,
    hours,
    minutes,
    one,
    refused,
    registration,
    written,
)

SATISFIED, DISSATISFIED = FollowUp(outcome="satisfied"), FollowUp(outcome="dissatisfied")
UNREACHABLE = FollowUp(outcome="unreachable")
WINDOW = THEN + hours(72)


def again_to_the_follow_up(case: Case) -> None:
    for action in ("sign_for", "complete", "reply"):
        do(case, BODIES[action], THEN)


class TestSatisfied:
    def test_closes_with_a_window_to_reopen(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        event = one(do(case, FollowUp(outcome="satisfied"), THEN))
        facts = {"outcome": "satisfied", "department": "repair", "attempt": 1, "reopen_ends_at": written(WINDOW)}
        assert data_of(event) == facts
        assert (case.state, case.closed_at, case.reopen_ends_at, case.flags) == (State.CLOSED, THEN, WINDOW, ())
        assert not any(clock.live for clock in case.clocks)


class TestChangedAnswer:
    """The caller may change the answer, until somebody acts on it and within the window."""

    def test_satisfied_after_all_ends_the_rework_that_nobody_has_begun(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, DISSATISFIED, THEN)
        event = one(do(case, SATISFIED, THEN + minutes(1), CALLER))
        assert (data_of(event)["changes"], {*event.recipients}) == (1, {f"owner:{case.owner}", "department:repair"})
        assert (case.state, case.cycle, case.dissatisfactions, case.flags) == (State.CLOSED, 2, 0, ())
        assert (case.answered_cycles, case.answer and case.answer.outcome) == ((1,), "satisfied")
        assert not any(clock.live for clock in case.clocks)

    def test_another_degree_leaves_the_case_and_its_window_as_they_are(self) -> None:
        for first, state in ((SATISFIED, State.CLOSED), (DISSATISFIED, State.DISPATCHED)):
            case = case_in(State.PENDING_FOLLOW_UP)
            do(case, first, THEN)
            before = case.model_copy()
            do(case, first, THEN + minutes(1), CALLER)
            kept = {"state", "cycle", "clocks", "closed_at", "reopen_ends_at", "dissatisfactions", "flags", "handed"}
            assert case.state is state
            assert {name: getattr(case, name) for name in kept} == {name: getattr(before, name) for name in kept}
            assert case.answer
            assert case.answer.answered_at == THEN + minutes(1)

    def test_dissatisfied_after_all_begins_the_rework(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, SATISFIED, THEN)
        do(case, DISSATISFIED, THEN + hours(71), CALLER)
        assert (case.state, case.cycle, case.dissatisfactions) == (State.DISPATCHED, 2, 1)
        assert (case.flags, case.closed_at, case.reopen_ends_at) == (("reworked",), None, None)

    def test_nobody_changes_it_once_somebody_has_acted_or_the_window_is_over(self) -> None:
        closed, signed, involved, reopened = (case_in(State.PENDING_FOLLOW_UP) for _ in range(4))
        unasked = case_in(State.PENDING_FOLLOW_UP, process=Process(follow_up_attempts=1))
        do(closed, SATISFIED, THEN)
        assert refused(closed, DISSATISFIED, FOLLOW_UP).code == "out_of_turn"
        assert refused(closed, UNREACHABLE, CALLER).code == "out_of_turn"
        do(reopened, SATISFIED, THEN)
        do(reopened, Reopen(reason="又漏了"), THEN + hours(1))
        for case, action in ((signed, "sign_for"), (involved, "involve")):
            do(case, DISSATISFIED, THEN)
            do(case, BODIES[action], THEN + hours(1))
        do(unasked, UNREACHABLE, THEN)
        assert "follow_up" in closed.available_actions(CALLER, WINDOW - hours(1))
        assert "follow_up" not in closed.available_actions(CALLER, WINDOW)
        for case in (signed, involved, reopened, unasked):
            assert "follow_up" not in case.available_actions(CALLER, THEN + hours(2))


class TestDissatisfied:
    def test_is_done_again_by_the_same_department_under_new_clocks(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        old = {clock.serial: clock.status for clock in case.clocks}
        event = one(do(case, DISSATISFIED, THEN))
        assert (event.cycle, data_of(event)["department"]) == (2, "repair")
        assert (case.state, case.cycle, case.department, case.assignee) == (State.DISPATCHED, 2, "repair", None)
        assert (case.follow_up_attempts, case.dissatisfactions, case.flags) == (0, 1, ("reworked",))
        assert {clock.serial: clock.status for clock in case.clocks if clock.cycle == 1} == old | {5: "met"}
        new = [clock for clock in case.clocks if clock.cycle == 2]
        assert [clock.serial for clock in new] == [6, 7, 8, 9, 10]
        assert {clock.name: clock.started_at for clock in new} == {
            "acknowledge": THEN,
            "arrive": THEN,
            "resolve": THEN,
            "reply": THEN,
            "follow_up": None,
        }

    def test_is_supervised_the_second_time(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, DISSATISFIED, THEN)
        assert "supervised" not in case.flags
        again_to_the_follow_up(case)
        do(case, DISSATISFIED, THEN)
        assert (case.cycle, case.dissatisfactions, case.flags) == (3, 2, ("reworked", "supervised"))

    def test_or_as_the_catalogue_says(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, process=Process(supervise_after=1))
        do(case, DISSATISFIED, THEN)
        assert case.flags == ("reworked", "supervised")

    def test_a_reopened_case_is_not_supervised_for_it(self) -> None:
        case = case_in(State.CLOSED)
        do(case, BODIES["reopen"], THEN)
        again_to_the_follow_up(case)
        do(case, DISSATISFIED, THEN)
        assert (case.cycle, case.flags) == (3, ("reopened", "reworked"))

    def test_an_extension_may_be_asked_for_in_every_cycle(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["request_extension"], THEN)
        do(case, BODIES["decide_extension"], THEN)
        for action in ("complete", "reply"):
            do(case, BODIES[action], THEN)
        do(case, DISSATISFIED, THEN)
        do(case, BODIES["request_extension"], THEN)

    def test_work_sent_back_in_the_new_cycle_leaves_the_clocks_of_the_old_alone(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, DISSATISFIED, THEN)
        old = case.clocks[:5]
        for action in ("sign_for", "complete", "send_back"):
            do(case, BODIES[action], THEN)
        assert case.clocks[:5] == old
        assert [clock.name for clock in case.clocks if clock.running_since] == ["resolve", "reply"]


class TestAnsweredCycles:
    def test_the_case_knows_in_which_cycles_the_caller_said_how_it_went(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, process=Process(follow_up_attempts=2))
        do(case, UNREACHABLE, THEN)
        assert [*case.answered_cycles] == []
        do(case, DISSATISFIED, THEN)
        assert [*case.answered_cycles] == [1]
        again_to_the_follow_up(case)
        for day in range(2):
            do(case, UNREACHABLE, THEN + days(day))
        assert (case.state, [*case.answered_cycles]) == (State.CLOSED, [1])
        do(case, Reopen(reason="It drips."), THEN + days(1), AGENT)
        again_to_the_follow_up(case)
        do(case, FollowUp(outcome="satisfied"), THEN)
        assert [*case.answered_cycles] == [1, 3]

    def test_every_cycle_has_its_own_attempts(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        for body in (UNREACHABLE, UNREACHABLE, DISSATISFIED):
            do(case, body, THEN)
        again_to_the_follow_up(case)
        do(case, UNREACHABLE, THEN)
        assert (case.state, case.follow_up_attempts) == (State.PENDING_FOLLOW_UP, 1)


class TestReopen:
    @pytest.mark.parametrize("actor", [AGENT, CALLER])
    def test_within_the_window_is_the_next_cycle(self, actor: Actor) -> None:
        case = case_in(State.CLOSED)
        event = one(do(case, Reopen(reason="It drips."), THEN, actor))
        assert (event.cycle, case.cycle, case.state, case.department) == (2, 2, State.DISPATCHED, "repair")
        assert (case.closed_at, case.reopen_ends_at, case.flags) == (None, None, ("reopened",))
        assert case.dispatched_at == THEN

    @pytest.mark.parametrize("again", [(DISSATISFIED,), (BODIES["follow_up"], BODIES["reopen"])])
    def test_rework_goes_to_the_department_that_had_the_case_not_the_service_s(
        self, again: tuple[ActionBody, ...]
    ) -> None:
        case = case_in(State.REGISTERED)
        do(case, Dispatch(department="metering"), MONDAY)
        for action in ("sign_for", "complete"):
            do(case, BODIES[action], MONDAY, OTHER_CREW)
        do(case, BODIES["reply"], MONDAY)
        event = [one(do(case, body, THEN)) for body in again][-1]
        assert (case.terms.department, case.department, data_of(event)["department"]) == (
            "repair",
            "metering",
            "metering",
        )
        assert (case.state, case.cycle) == (State.DISPATCHED, 2)

    def test_of_an_answered_case_goes_to_the_department_of_the_service(self) -> None:
        case = case_in(State.REGISTERED)
        do(case, BODIES["answer"], THEN)
        do(case, BODIES["reopen"], THEN)
        assert case.department == "repair"

    def test_links_are_revoked_though_the_telephone_is_gone(self) -> None:
        """A link that was sent to it before opens the case all the same."""
        case = case_in(State.IN_PROGRESS)
        do(case, Correct(reason="Not hers.", caller=Caller(phone=None)), THEN, AGENT)
        assert "revoke_links" in case.available_actions(AGENT, THEN)
        assert "send_link" not in case.available_actions(AGENT, THEN)
        do(case, BODIES["revoke_links"], THEN)
        assert case.links_revoked_at == THEN

    def test_the_window_ends_and_with_it_the_case(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, FollowUp(outcome="satisfied"), THEN)
        last = WINDOW - hours(1)
        assert case.next_deadline() == WINDOW
        assert case.is_active(last)
        assert case.available_actions(AGENT, last) == ("reopen", "comment", "send_link", "revoke_links")
        assert not case.is_active(WINDOW)
        assert case.available_actions(AGENT, WINDOW) == ()
        for action in ("reopen", "comment", "send_link", "revoke_links"):
            refusal = refused(case, BODIES[action], at=WINDOW)
            assert (refusal.kind, refusal.code, refusal.accepted) == ("conflict", "out_of_turn", ())


class TestFinished:
    @pytest.mark.parametrize("state", State)
    def test_only_what_has_ended(self, state: State) -> None:
        case = case_in(state)
        assert case.is_active(MONDAY) != (state is State.REFUSED)
        assert case.is_active(MONDAY + days(4)) != (state in (State.REFUSED, State.WITHDRAWN, State.CLOSED))


class TestUndelivered:
    def test_flags_the_case_once_for_each_channel_and_recipient(self) -> None:
        case = case_in(State.DISPATCHED)
        first = Undelivered(key="2609070000017-2-owner:Chen Jing", channel="sms", error="HTTP 503")
        event = one(case.undelivered(first, THEN))
        assert (event.action, data_of(event)) == ("undelivered", first.model_dump())
        assert (case.flags, case.state) == (("undelivered",), State.DISPATCHED)
        again = first.model_copy(update={"key": "2609070000017-5-owner:Chen Jing"})
        assert case.undelivered(again, THEN) == ()
        others = (
            again.model_copy(update={"channel": "mail"}),
            first.model_copy(update={"key": "2609070000017-2-lead"}),
        )
        assert all(one(case.undelivered(other, THEN)) for other in others)
        assert [(each.channel, each.recipient) for each in case.failed_deliveries] == [
            ("sms", "owner:Chen Jing"),
            ("mail", "owner:Chen Jing"),
            ("sms", "lead"),
        ]


class TestRecognise:
    KNOWN = Recognised(
        flags=(IntakeFlag.HARDSHIP, IntakeFlag.POSSIBLE_DUPLICATE), possible_duplicates=("2609070000025",)
    )

    def test_flags_the_case_once_and_tells_who_works_on_it(self) -> None:
        case = case_in(State.IN_PROGRESS)
        event = one(case.recognise(self.KNOWN, THEN))
        assert (event.action, data_of(event)["possible_duplicates"]) == ("recognise", ["2609070000025"])
        assert (case.flags, case.state) == (("hardship", "possible_duplicate"), State.IN_PROGRESS)
        told = [notice.recipient for notice in notifications(case.number, event)]
        assert told == [f"assignee:{CREW.id}", f"owner:{OWNER.id}"]
        assert case.recognise(self.KNOWN, THEN) == ()

    def test_of_a_corrected_caller_takes_the_place_of_what_was_known_of_the_other(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["urge"], THEN)
        first = Recognised(flags=(IntakeFlag.HARDSHIP,), customer_class="business")
        case.recognise(first, THEN)
        do(case, Correct(reason="x", caller=Caller(account_no="A-18")), THEN, AGENT)
        other = Recognised(flags=(IntakeFlag.REPEAT_CALLER,), caller_version=case.version)
        one(case.recognise(other, THEN))
        assert (case.flags, case.customer_class) == (("repeat_caller", "urged"), "household")
        assert case.recognise(other, THEN) == ()
        assert case.recognise(first, THEN) == ()  # of the other caller, and too late
        same = other.model_copy(update={"possible_duplicates": ("2609070000025",)})
        one(case.recognise(same, THEN))
        assert case.recognise(same, THEN) == ()

    @pytest.mark.parametrize("before", [(), ("2609060000019",)])
    @pytest.mark.parametrize("after", [(), ("2609070000025",)])
    def test_possible_duplicates_are_those_of_the_corrected_facts(
        self, before: tuple[str, ...], after: tuple[str, ...]
    ) -> None:
        """The flag agrees with the list, in the case, in its view and in the fold of its events."""

        def known(cases: tuple[str, ...], version: int) -> Recognised:
            flags = (IntakeFlag.POSSIBLE_DUPLICATE,) if cases else ()
            return Recognised(flags=flags, possible_duplicates=cases, caller_version=version)

        case, events = Case.register(registration())
        events += case.recognise(known(before, 1), THEN)
        events += do(case, Correct(reason="x", caller=Caller(account_no="A-18")), THEN, AGENT)
        events += case.recognise(known(after, case.version), THEN)
        view = view_case(case, THEN)
        assert (view.possible_duplicates, "possible_duplicate" in view.flags) == (after, bool(after))
        assert Case.fold(events) == case

    def test_one_flag_that_is_known_does_not_hide_another(self) -> None:
        case = case_in(State.IN_PROGRESS)
        case.recognise(Recognised(flags=(IntakeFlag.HARDSHIP,)), THEN)
        one(case.recognise(self.KNOWN, THEN))
        assert case.flags == ("hardship", "possible_duplicate")

    def test_what_a_case_is_flagged_with_already_stays(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["urge"], THEN)
        case.recognise(self.KNOWN, THEN)
        assert case.flags == ("hardship", "possible_duplicate", "urged")

    def test_a_case_that_is_over_needs_to_know_nothing(self) -> None:
        assert case_in(State.REFUSED).recognise(self.KNOWN, THEN) == ()


class TestFold:
    def test_events_make_the_very_case(self) -> None:
        case, events = Case.register(registration())
        for body in (BODIES["dispatch"], SignFor(), BODIES["complete"], BODIES["reply"], DISSATISFIED):
            events += do(case, body, THEN)
        events += case.advance(MONDAY + days(20))
        assert Case.fold(events) == case
        read = [type(event).model_validate_json(event.model_dump_json()) for event in events]
        assert Case.fold(read) == case
        assert Case.model_validate_json(case.model_dump_json()) == case

    def test_a_gap_a_false_start_and_nothing_are_refused(self) -> None:
        case, events = Case.register(registration())
        (dispatched,) = do(case, BODIES["dispatch"], THEN)
        (signed,) = do(case, SignFor(), THEN)
        with pytest.raises(ValueError, match="event 3 cannot follow version 1"):
            Case.fold([*events, signed])
        with pytest.raises(ValueError, match="not with dispatch"):
            Case.fold([dispatched])
        with pytest.raises(ValueError, match="there is no event"):
            Case.fold([])
        with pytest.raises(ValueError, match="event 3 cannot follow version 3"):
            evolve(case, signed)

    def test_an_unknown_kind_of_event_is_refused_with_those_there_are(self) -> None:
        _, (registered,) = Case.register(registration())
        with pytest.raises(ValueError, match=r"there is no kind of event 'sing'; accepted: .*reply"):
            Event.model_validate(registered.model_dump() | {"action": "sing"})
