"""A case that shares one cause with others: it is linked, waits, and is settled with them or keeps what is its own."""

from collections.abc import Callable

import pytest

from domain.case.actions.dispatch import Dispatch
from domain.case.actions.link_incident import (
    KEPT,
    OVER,
    OWN_CAUSE,
    SETTLED,
    LinkIncident,
    OwnMatter,
    Settlement,
    outcome,
    own_matters,
)
from domain.case.case import Case
from domain.case.lifecycle import AT_WORK, BEFORE_REPLY, State
from domain.kit.event import ActionBody
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.errors import ANOTHER_INCIDENT, NO_INCIDENT, OPEN_INCIDENT
from tests.support.build import (
    ADMIN,
    BODIES,
    DISPATCHER,
    INCIDENT,
    MONDAY,
    OTHER_INCIDENT,
    OWNER,
    THEN,
    case_in,
    clock,
    data_of,
    days,
    do,
    hours,
    minutes,
    one,
    prepare,
    refused,
)
from tests.support.linked_cases import LATER, LINK, OVER_NOW, UNLINK, linked, with_incident


def settled(case: Case, settlement: Settlement = OVER_NOW) -> list[str]:
    """The actions that the settlement takes; a second time it takes none and answers the same."""
    events = case.settle(settlement, LATER)
    answer = outcome(case, settlement.incident)
    assert case.settle(settlement, LATER) == ()
    assert outcome(case, settlement.incident) == answer
    return [event.action for event in events if event.action != "escalate"]


WAYS_OUT: dict[str, Callable[[Case], object]] = {
    "kept": lambda case: case.settle(OVER_NOW, LATER),
    "taken out by hand": lambda case: do(case, UNLINK, LATER, DISPATCHER),
    "linked too late": lambda case: case.unlink(INCIDENT, LATER),
    "dismissed": lambda case: do(case, UNLINK, LATER, SYSTEM),
    "kept by the next": lambda case: (
        do(case, LinkIncident(incident=OTHER_INCIDENT), LATER, SYSTEM),
        case.settle(OVER_NOW.model_copy(update={"incident": OTHER_INCIDENT}), LATER),
    ),
}
"""Ways in which a case stops waiting for its incident, and is not replied to with it."""


class TestLinking:
    @pytest.mark.parametrize("state", State)
    def test_is_possible_before_the_reply(self, state: State) -> None:
        case = case_in(state)
        if state not in BEFORE_REPLY:
            assert refused(case, LINK, DISPATCHER).code == "out_of_turn"
            return
        event = one(do(case, LINK, THEN, DISPATCHER))
        assert data_of(event) == {"incident": INCIDENT, "previous_incident": None}
        assert (case.incident, case.state) == (INCIDENT, state)

    @pytest.mark.parametrize("role", [Role.AGENT, Role.CREW, Role.CALLER, Role.MANAGER])
    def test_is_the_dispatcher_s_or_the_owner_s(self, role: Role) -> None:
        somebody = Actor(id="somebody else", role=role)
        assert refused(case_in(State.REGISTERED), LINK, somebody).code in ("wrong_role", "not_the_owner")
        do(case_in(State.REGISTERED), LINK, THEN, OWNER)

    def test_twice_the_same_is_refused_and_another_is_not(self) -> None:
        case = linked()
        refusal = refused(case, LINK, DISPATCHER)
        assert (refusal.kind, refusal.code) == ("invalid", "same_incident")
        assert refusal.accepted == (ANOTHER_INCIDENT, NO_INCIDENT)
        event = one(do(case, LinkIncident(incident=OTHER_INCIDENT), THEN, DISPATCHER))
        assert data_of(event) == {"incident": OTHER_INCIDENT, "previous_incident": INCIDENT}

    def test_a_case_that_is_linked_to_none_cannot_be_taken_out(self) -> None:
        refusal = refused(case_in(State.REGISTERED), UNLINK, DISPATCHER)
        assert (refusal.code, refusal.accepted) == ("same_incident", (OPEN_INCIDENT,))

    def test_whom_a_person_takes_out_has_a_cause_of_his_own(self) -> None:
        by_hand, by_system = linked(), linked()
        do(by_hand, UNLINK, THEN, DISPATCHER)
        do(by_system, UNLINK, THEN, SYSTEM)
        assert (by_hand.incident, by_system.incident) == (None, None)
        assert OWN_CAUSE in by_hand.flags
        assert OWN_CAUSE not in by_system.flags

    def test_a_case_takes_itself_out_of_an_incident_that_had_ended(self) -> None:
        case = linked()
        assert case.unlink(OTHER_INCIDENT, LATER) == case.unlink(None, LATER) == ()
        event = one(case.unlink(INCIDENT, LATER))
        assert (event.action, event.role, case.incident) == ("link_incident", "system", None)
        assert OWN_CAUSE not in case.flags

    def test_a_case_that_was_replied_to_without_it_keeps_what_it_was_linked_to(self) -> None:
        for action in ("reply", "follow_up"):
            case = linked(State.PENDING_REPLY)
            do(case, BODIES["reply"], THEN)
            if action == "follow_up":
                do(case, BODIES[action], THEN)
            assert case.unlink(INCIDENT, LATER) == ()
            assert (case.incident, outcome(case, INCIDENT)) == (INCIDENT, OVER)

    def test_folds_to_the_same_case(self) -> None:
        case, first = with_incident()
        events = [first, *do(case, UNLINK, THEN, DISPATCHER), *do(case, LINK, THEN, OWNER)]
        events += case.settle(OVER_NOW, LATER)
        assert Case.fold(events) == case


class TestClocks:
    def test_of_the_department_stand_still_while_linked_and_run_on_after(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, LINK, MONDAY + minutes(4), DISPATCHER)
        assert clock(case, "acknowledge").status == clock(case, "arrive").status == "paused"
        assert case.advance(MONDAY + hours(5)) == ()
        do(case, UNLINK, MONDAY + hours(5), DISPATCHER)
        assert clock(case, "acknowledge").due_at(case.calendar) == MONDAY + hours(5) + minutes(6)
        assert clock(case, "arrive").due_at(case.calendar) == MONDAY + hours(5) + minutes(56)

    @pytest.mark.parametrize("state", [State.SUSPENDED, State.AWAITING_APPROVAL, State.PENDING_REDISPATCH])
    def test_of_the_department_stay_where_they_stood_for_another_reason(self, state: State) -> None:
        case = linked(state)
        do(case, UNLINK, LATER, DISPATCHER)
        assert not clock(case, "arrive").running_since

    def test_of_the_department_stand_still_whatever_happens_to_the_case_meanwhile(self) -> None:
        dispatched, resumed, decided = (
            linked(State.REGISTERED),
            linked(State.SUSPENDED),
            linked(State.AWAITING_APPROVAL),
        )
        do(dispatched, BODIES["dispatch"], THEN)
        do(resumed, BODIES["resume"], THEN)
        do(decided, BODIES["decide_approval"], THEN)
        for case in (dispatched, resumed, decided):
            assert clock(case, "arrive").status == "paused"
            do(case, UNLINK, LATER, DISPATCHER)
            assert clock(case, "arrive").status == "running"

    @pytest.mark.parametrize("way", WAYS_OUT)
    @pytest.mark.parametrize("state", sorted(BEFORE_REPLY))
    def test_never_stand_still_once_the_case_is_at_work_and_waits_for_no_incident(self, state: State, way: str) -> None:
        case = linked(state)
        if state is not State.AWAITING_APPROVAL:
            case.terms = case.terms.model_copy(update={"needs_approval": True})  # so that it is kept
        WAYS_OUT[way](case)
        for action in ("decide_approval", "resume", "dispatch", "reject_return"):
            if case.state not in AT_WORK and action in case.available_actions(ADMIN, LATER):
                do(case, BODIES[action], LATER, ADMIN)
        assert not any(each.paused for each in case.clocks)
        running = {each.name for each in case.clocks if each.running_since}
        at_work = case.state in (State.DISPATCHED, State.IN_PROGRESS)
        assert ({"acknowledge", "arrive"} & running != set()) == at_work

    def test_of_a_kept_case_run_on_from_the_end_of_its_incident(self) -> None:
        case = linked(State.DISPATCHED)
        do(case, BODIES["sign_for"], THEN)
        do(case, BODIES["involve"], THEN, OWNER)
        case.settle(OVER_NOW, LATER)
        assert outcome(case, INCIDENT) == KEPT
        assert clock(case, "arrive").due_at(case.calendar) == LATER + minutes(57)

    @pytest.mark.parametrize(
        ("state", "on"), [(State.AWAITING_APPROVAL, "decide_approval"), (State.SUSPENDED, "resume")]
    )
    def test_of_a_kept_case_that_stands_still_run_on_when_that_ends(self, state: State, on: str) -> None:
        case = linked(state)
        case.terms = case.terms.model_copy(update={"needs_approval": True})
        assert settled(case) == ["comment"]
        assert clock(case, "arrive").status == "paused"
        do(case, BODIES[on], LATER + hours(1))
        assert clock(case, "arrive").due_at(case.calendar) == LATER + hours(2)

    def test_to_the_caller_run_on_and_are_met_by_the_settlement(self) -> None:
        case = linked(State.DISPATCHED)
        assert clock(case, "resolve").status == clock(case, "reply").status == "running"
        settled(case)
        assert (clock(case, "resolve").status, clock(case, "reply").status) == ("met", "met")
        assert clock(case, "reply").stopped_at == LATER
        assert clock(case, "follow_up").status == "running"

    def test_to_the_caller_are_missed_where_the_settlement_comes_late(self) -> None:
        case = linked(State.DISPATCHED)
        events = case.settle(OVER_NOW, MONDAY + days(20))
        escalation = [
            data_of(event)["clock"]
            for event in events
            if event.action == "escalate" and data_of(event)["percent"] == 100
        ]
        assert escalation == ["resolve", "reply"]
        assert clock(case, "reply").missed_at
        assert clock(case, "reply").missed_at != MONDAY + days(20)
        assert case.sla == "missed"

    def test_of_a_case_that_was_replied_to_by_itself_run_when_it_is_reopened(self) -> None:
        case = linked(State.PENDING_REPLY)
        for action in ("reply", "follow_up", "reopen"):
            do(case, BODIES[action], THEN)
        assert (case.incident, case.cycle, clock(case, "acknowledge").status) == (INCIDENT, 2, "running")
        assert settled(case) == []
        assert (case.state, outcome(case, INCIDENT)) == (State.DISPATCHED, OVER)

    def test_of_a_reopened_case_run_although_its_incident_is_known(self) -> None:
        case = linked()
        settled(case, OVER_NOW.model_copy(update={"follow_up": False}))
        do(case, BODIES["reopen"], LATER + hours(1))
        assert (case.incident, case.cycle, clock(case, "acknowledge").status) == (INCIDENT, 2, "running")


class TestSettling:
    @pytest.mark.parametrize(
        ("state", "road"),
        [
            (State.REGISTERED, ["complete", "reply"]),
            (State.DISPATCHED, ["complete", "reply"]),
            (State.PENDING_REDISPATCH, ["complete", "reply"]),
            (State.IN_PROGRESS, ["complete", "reply"]),
            (State.SUSPENDED, ["resume", "complete", "reply"]),
        ],
    )
    def test_completes_and_replies_from_wherever_the_case_stands(self, state: State, road: list[str]) -> None:
        case = linked(state)
        assert settled(case) == road
        assert (case.state, outcome(case, INCIDENT)) == (State.PENDING_FOLLOW_UP, SETTLED)
        assert not any(each.paused for each in case.clocks if each.live)

    def test_says_what_was_done_and_what_the_caller_is_told(self) -> None:
        case = linked()
        complete, reply = case.settle(OVER_NOW, LATER)
        assert data_of(complete) == {"incident": INCIDENT, "result": "The main was replaced."}
        assert (data_of(reply)["message"], reply.actor, reply.role) == ("Water is back.", "system", "system")

    def test_closes_a_case_that_is_not_of_the_sample_until_its_reopen_window_ends(self) -> None:
        case = linked()
        assert settled(case, OVER_NOW.model_copy(update={"follow_up": False})) == ["complete", "reply"]
        assert (case.state, outcome(case, INCIDENT)) == (State.CLOSED, SETTLED)
        assert clock(case, "follow_up").status == "cancelled"
        assert case.is_active(LATER)
        assert not case.is_active(case.reopen_ends_at or LATER)

    def test_keeps_a_case_that_waits_for_an_approval(self) -> None:
        case = linked(State.AWAITING_APPROVAL)
        assert settled(case) == ["comment"]
        assert (case.state, outcome(case, INCIDENT)) == (State.AWAITING_APPROVAL, KEPT)
        do(case, BODIES["decide_approval"], LATER)
        assert outcome(case, INCIDENT) == KEPT

    def test_keeps_a_case_in_which_a_further_department_is_at_work(self) -> None:
        case = linked(State.IN_PROGRESS)
        do(case, BODIES["involve"], THEN, OWNER)
        assert settled(case) == ["comment"]
        assert (case.state, outcome(case, INCIDENT)) == (State.IN_PROGRESS, KEPT)

    @pytest.mark.parametrize("state", [State.PENDING_FOLLOW_UP, State.CLOSED, State.WITHDRAWN, State.REFUSED])
    def test_comes_too_late_for_a_case_that_was_replied_to_or_has_ended(self, state: State) -> None:
        case, _ = with_incident()
        for body in {
            State.PENDING_FOLLOW_UP: ("dispatch", "sign_for", "complete", "reply"),
            State.CLOSED: ("dispatch", "sign_for", "complete", "reply", "follow_up"),
            State.WITHDRAWN: ("withdraw",),
            State.REFUSED: ("refuse",),
        }[state]:
            do(case, BODIES[body], THEN)
        assert settled(case) == []
        assert (case.state, outcome(case, INCIDENT)) == (state, OVER)

    def test_of_another_incident_does_nothing(self) -> None:
        for case in (linked(), case_in(State.REGISTERED)):
            other = OVER_NOW.model_copy(update={"incident": OTHER_INCIDENT})
            assert settled(case, other) == []
            assert outcome(case, OTHER_INCIDENT) == OVER
            assert case.state is State.REGISTERED

    def test_by_the_next_incident_is_possible_for_a_case_that_was_kept(self) -> None:
        case = linked(State.IN_PROGRESS)
        case.terms = case.terms.model_copy(update={"needs_approval": True})
        settled(case)
        case.terms = case.terms.model_copy(update={"needs_approval": False})
        do(case, LinkIncident(incident=OTHER_INCIDENT), LATER, DISPATCHER)
        assert settled(case, OVER_NOW.model_copy(update={"incident": OTHER_INCIDENT})) == ["complete", "reply"]


OWN: dict[str, tuple[tuple[str, ...], set[OwnMatter]]] = {
    "a call": ((), set()),
    "dispatched": (("dispatch",), set()),
    "returned": (("dispatch", "return"), set()),
    "dispatched again": (("dispatch", "sign_for", "return", "dispatch"), {OwnMatter.SIGNED_FOR}),
    "redirected unsigned": (("dispatch", "redirect"), set()),
    "redirected after a visit": (("dispatch", "sign_for", "arrive", "redirect"), {OwnMatter.SIGNED_FOR}),
    "returned once signed for": (("dispatch", "sign_for", "return"), {OwnMatter.SIGNED_FOR}),
    "signed for": (("dispatch", "sign_for"), {OwnMatter.SIGNED_FOR}),
    "suspended": (("dispatch", "sign_for", "suspend"), {OwnMatter.SIGNED_FOR}),
    "visited": (("dispatch", "sign_for", "arrive"), {OwnMatter.SIGNED_FOR, OwnMatter.WORK_DONE}),
    "visited and returned": (("dispatch", "sign_for", "arrive", "return"), {OwnMatter.SIGNED_FOR, OwnMatter.WORK_DONE}),
    "mended": (("dispatch", "sign_for", "complete"), {OwnMatter.SIGNED_FOR, OwnMatter.WORK_DONE}),
    "sent back": (("dispatch", "sign_for", "complete", "send_back"), {OwnMatter.SIGNED_FOR, OwnMatter.WORK_DONE}),
    "with a part": (("dispatch", "involve"), {OwnMatter.PART}),
    "asked for": (("dispatch", "sign_for", "request_approval"), {OwnMatter.SIGNED_FOR, OwnMatter.APPROVAL}),
    "decided on": (
        ("dispatch", "sign_for", "request_approval", "decide_approval"),
        {OwnMatter.SIGNED_FOR, OwnMatter.APPROVAL},
    ),
    "a rework": (
        ("dispatch", "sign_for", "complete", "reply", "follow_up", "reopen"),
        {OwnMatter.REWORK, OwnMatter.WORK_DONE},
    ),
    "taken out": (("link_incident", "unlink"), {OwnMatter.OWN_CAUSE}),
}
"""Roads of a case, and the reasons why an incident does not take it by itself."""
STEPS: dict[str, ActionBody] = {**BODIES, "unlink": UNLINK, "redirect": Dispatch(department="metering")}


def on_road(road: tuple[str, ...]) -> Case:
    """A case after these actions."""
    case = case_in(State.REGISTERED)
    for action in road:
        do(case, STEPS[action], THEN, ADMIN)
    return case


class TestOwnMatters:
    @pytest.mark.parametrize("name", OWN)
    def test_are_why_an_incident_does_not_take_a_case_by_itself(self, name: str) -> None:
        road, reasons = OWN[name]
        case = on_road(road)
        assert set(own_matters(case)) == reasons
        if reasons:
            refusal = refused(case, LINK, SYSTEM)
            assert (refusal.code, case.incident) == ("out_of_turn", None)
        do(case, LINK, THEN, DISPATCHER if reasons else SYSTEM)
        assert case.incident == INCIDENT
        # Somebody has named it: it goes where its incident goes.
        do(case, LinkIncident(incident=OTHER_INCIDENT), THEN, SYSTEM)
        assert case.incident == OTHER_INCIDENT

    def test_are_credits_too(self) -> None:
        case = case_in(State.DISPATCHED)
        prepare(case, "decide_credit")
        assert own_matters(case) == (OwnMatter.CREDIT,)
        do(case, BODIES["decide_credit"], THEN)
        assert own_matters(case) == (OwnMatter.CREDIT,)

    @pytest.mark.parametrize("name", OWN)
    def test_the_end_of_an_incident_leaves_all_work_that_somebody_did(self, name: str) -> None:
        road, reasons = OWN[name]
        case = on_road(road)
        do(case, LINK, THEN, DISPATCHER)
        before = case.model_copy()
        goes_on = reasons & {OwnMatter.REWORK, OwnMatter.WORK_DONE, OwnMatter.PART, OwnMatter.APPROVAL}
        done = settled(case)
        if goes_on:
            assert (done, outcome(case, INCIDENT)) == (["comment"], KEPT)
            assert (case.state, case.result, case.reply) == (before.state, before.result, before.reply)
        else:
            assert (done[-2:], outcome(case, INCIDENT)) == (["complete", "reply"], SETTLED)
        assert case.arrived_at == before.arrived_at

    @pytest.mark.parametrize("state", [State.REGISTERED, State.DISPATCHED, State.IN_PROGRESS])
    def test_the_end_of_an_incident_is_no_visit(self, state: State) -> None:
        case = linked(state)
        settled(case)
        assert clock(case, "arrive").status == "cancelled"
        assert clock(case, "acknowledge").status == ("met" if state is State.IN_PROGRESS else "cancelled")
