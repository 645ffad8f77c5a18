"""Actions of people on a case: for each one what it does, who may do it, when, and with which words."""

import pytest

from domain.case.actions import TABLE
from domain.case.actions.answer import Answer
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.link_incident import own_matters
from domain.case.actions.refuse import Refuse
from domain.case.actions.sign_for import SignFor
from domain.case.actions.supervise import Supervise
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.actions.withdraw import Withdraw
from domain.case.case import Case
from domain.case.lifecycle import AT_WORK, State
from domain.shared.actors import Actor, Role
from tests.support.build import (
    ACTORS,
    ADMIN,
    AGENT,
    BODIES,
    CREW,
    DISPATCHER,
    MONDAY,
    OTHER_CREW,
    OWNER,
    PREPARED,
    THEN,
    case_in,
    data_of,
    do,
    hours,
    one,
    refused,
    registration,
)


class TestRegister:
    def test_the_agent_who_takes_the_call_owns_the_case(self) -> None:
        start = registration()
        case, events = Case.register(start)
        event = one(events)
        assert (event.seq, event.at, event.actor, event.role) == (1, MONDAY, OWNER.id, Role.AGENT)
        assert (event.action, event.from_state, event.to_state, event.cycle) == ("register", None, "registered", 1)
        assert (case.number, case.owner, case.intake, case.terms) == (
            start.number,
            OWNER.id,
            start.intake,
            start.terms,
        )
        assert (case.version, case.cycle, case.department, case.flags) == (1, 1, None, ())
        assert [clock.name for clock in case.clocks if clock.running_since] == ["resolve", "reply"]
        assert len(case.clocks) == 5

    def test_what_was_known_of_the_caller_is_taken_over(self) -> None:
        known = {"flags": ("repeat_caller", "hardship"), "possible_duplicates": ("2609060000019",)}
        case, events = Case.register(registration().model_copy(update=known))
        assert (case.flags, case.possible_duplicates) == (("hardship", "repeat_caller"), ("2609060000019",))
        assert data_of(one(events)).keys() == {"number", "owner", "intake", "terms", "flags", "possible_duplicates"}
        assert Case.fold(events) == case
        case.add_flags("urged", "hardship")
        assert case.flags == ("hardship", "repeat_caller", "urged")

    def test_of_a_caller_nobody_knows_nothing_is_written(self) -> None:
        """A plain call says nothing of flags and duplicates."""
        start = registration()
        assert data_of(one(Case.register(start)[1])).keys() == {"number", "owner", "intake", "terms"}
        assert start.model_dump(mode="json").keys() == {"number", "at", "actor", "owner", "intake", "terms"}

    def test_another_may_own_it(self) -> None:
        start = registration().model_copy(update={"owner": "Li Mei"})
        assert Case.register(start)[0].owner == "Li Mei"


def is_of_nobody(case: Case, role: Role) -> bool:
    """Return True if no department has the case, and so no crew."""
    return role is Role.CREW and case.department is None


class TestTable:
    """Every action, in every state, by every role."""

    @pytest.mark.parametrize("action", BODIES)
    def test_the_wrong_role_is_forbidden_and_told_who_may(self, action: str) -> None:
        row = TABLE[action]
        for state in State:
            case = case_in(state)
            for role in set(Role) - row.roles - {Role.ADMIN}:
                if role is Role.OWNER or (role is Role.SYSTEM and Role.SYSTEM in row.roles):
                    continue
                refusal = refused(case, BODIES[action], ACTORS[role])
                assert (refusal.kind, refusal.code) == ("forbidden", "wrong_role")
                assert set(refusal.accepted) == row.roles - {Role.SYSTEM}
                assert all(str(role) in refusal.message for role in refusal.accepted)

    @pytest.mark.parametrize("action", BODIES)
    def test_out_of_turn_is_a_conflict_and_told_what_is_possible(self, action: str) -> None:
        row = TABLE[action]
        for state in set(State) - row.sources - row.changeable:
            case = case_in(state)
            for role in row.roles:
                actor = ACTORS[role]
                refusal = refused(case, BODIES[action], actor)
                if is_of_nobody(case, role):
                    assert (refusal.kind, refusal.code) == ("forbidden", "other_department")
                    continue
                assert (refusal.kind, refusal.code) == ("conflict", "out_of_turn")
                assert refusal.accepted == case.available_actions(actor, THEN)
                assert case.number in refusal.message
                assert state in refusal.message
                assert all(str(name) in refusal.message for name in refusal.accepted)

    @pytest.mark.parametrize("action", [action for action in BODIES if action not in PREPARED])
    def test_every_role_of_the_row_and_the_administrator_may_from_every_source(self, action: str) -> None:
        row = TABLE[action]
        shadowed = {Role.OWNER} if Role.AGENT in row.roles else set[Role]()  # the owner here is an agent
        for state in row.sources:
            for role in (*row.roles - shadowed, Role.ADMIN):
                case = case_in(state)
                again = action == "dispatch" and state in AT_WORK
                signed = again and state is State.IN_PROGRESS
                by_itself = action == "link_incident" and role is Role.SYSTEM and own_matters(case)
                if is_of_nobody(case, role) or (signed and role is Role.AGENT) or by_itself:
                    continue
                body = Dispatch(department="metering") if again else BODIES[action]
                event = one(do(case, body, THEN, ACTORS[role]))
                assert (event.role, event.actor) == (role, ACTORS[role].id)
                assert (event.from_state, event.to_state) == (state, case.state)
                assert case.state in (row.targets or (state,))
                assert (event.action, event.seq, event.at) == (action, case.version, THEN)

    def test_the_owner_acts_as_owner_only_where_the_own_role_does_not_do(self) -> None:
        assert one(do(case_in(State.PENDING_REPLY), BODIES["reply"], THEN, OWNER)).role is Role.OWNER
        assert one(do(case_in(State.REGISTERED), BODIES["urge"], THEN, OWNER)).role is Role.AGENT

    def test_the_note_is_kept(self) -> None:
        event = one(do(case_in(State.DISPATCHED), SignFor(note="on the way"), THEN))
        assert data_of(event)["note"] == "on the way"

    def test_a_null_that_was_sent_is_not_recorded(self) -> None:
        event = one(do(case_in(State.REGISTERED), Dispatch(department="repair", assignee=None, note=None), THEN))
        assert data_of(event) == {"department": "repair"}


class TestAnswer:
    def test_closes(self) -> None:
        case = case_in(State.REGISTERED)
        do(case, Answer(message="Half past eight."), THEN)
        assert (case.state, case.closed_at, case.reopen_ends_at) == (State.CLOSED, THEN, THEN + hours(72))
        assert {clock.name: clock.status.value for clock in case.clocks} == {
            "acknowledge": "cancelled",
            "arrive": "cancelled",
            "resolve": "met",
            "reply": "met",
            "follow_up": "cancelled",
        }

    def test_is_followed_up_where_the_service_says_so(self) -> None:
        case = case_in(State.REGISTERED, answer_needs_follow_up=True)
        do(case, Answer(message="Half past eight."), THEN)
        assert (case.state, case.closed_at) == (State.PENDING_FOLLOW_UP, None)
        assert [clock.name for clock in case.clocks if clock.live] == ["follow_up"]
        do(case, FollowUp(outcome="dissatisfied"), THEN + hours(1))
        assert (case.state, case.department) == (State.DISPATCHED, "repair")


class TestDispatch:
    def test_to_a_department_and_a_person(self) -> None:
        case = case_in(State.REGISTERED)
        do(case, Dispatch(department="metering", assignee="Sun Hao"), THEN, AGENT)
        assert (case.department, case.assignee, case.dispatched_at) == ("metering", "Sun Hao", THEN)

    def test_to_another_after_a_return(self) -> None:
        case = case_in(State.PENDING_REDISPATCH)
        do(case, Dispatch(department="metering"), THEN)
        assert (case.state, case.department, case.assignee) == (State.DISPATCHED, "metering", None)


class TestSignFor:
    @pytest.mark.parametrize("expected", [None, "Ma Li"])
    def test_the_signer_is_the_assignee_whoever_was_named_at_dispatch(self, expected: str | None) -> None:
        case = case_in(State.REGISTERED)
        do(case, Dispatch(department="repair", assignee=expected), THEN)
        do(case, BODIES["involve"], THEN)
        event = one(do(case, SignFor(), THEN))
        do(case, SignFor(), THEN, OTHER_CREW)
        assert case.assignee == data_of(event)["assignee"] == CREW.id
        assert case.parts[0].assignee == OTHER_CREW.id

    def test_unless_the_signer_names_another(self) -> None:
        case = case_in(State.DISPATCHED)
        do(case, BODIES["involve"], THEN)
        do(case, SignFor(assignee="Ma Li"), THEN)
        do(case, SignFor(assignee="Lu Ping"), THEN, OTHER_CREW)
        assert (case.assignee, case.parts[0].assignee) == ("Ma Li", "Lu Ping")


class TestCrew:
    def test_of_another_department_is_forbidden(self) -> None:
        refusal = refused(case_in(State.DISPATCHED), SignFor(), OTHER_CREW)
        assert (refusal.kind, refusal.code, refusal.accepted) == ("forbidden", "other_department", ("repair",))
        assert case_in(State.DISPATCHED).available_actions(OTHER_CREW, THEN) == ()

    def test_without_a_department_acts_everywhere(self) -> None:
        do(case_in(State.DISPATCHED), SignFor(), THEN, Actor(id="Ma Li", role=Role.CREW))

    def test_who_owns_the_case_has_no_rights_of_an_owner(self) -> None:
        """The directory may have moved an owner to a crew since."""
        case = case_in(State.IN_PROGRESS)
        do(case, HandOver(owner=OTHER_CREW.id), THEN)
        assert refused(case, Suspend(reason="We wait."), OTHER_CREW).code == "other_department"
        assert case.available_actions(OTHER_CREW, THEN) == ()


class TestFlags:
    def test_each_once_and_in_order(self) -> None:
        case = case_in(State.DISPATCHED)
        for body in (Urge(), Supervise(), Urge()):
            do(case, body, THEN)
        assert case.flags == ("supervised", "urged")
        assert (case.version, case.state) == (5, State.DISPATCHED)


class TestComment:
    @pytest.mark.parametrize("state", sorted(TABLE["comment"].sources))
    def test_changes_nothing_but_the_version(self, state: State) -> None:
        case = case_in(state)
        before = case.model_dump(exclude={"version"})
        do(case, Comment(note="The caller rang again."), MONDAY, AGENT)
        assert case.model_dump(exclude={"version"}) == before


class TestWithdrawAndRefuse:
    @pytest.mark.parametrize("state", sorted(TABLE["withdraw"].sources))
    def test_withdrawn_from_anywhere_it_waits_for_the_end_of_the_window(self, state: State) -> None:
        case = case_in(state)
        do(case, Withdraw(reason="Mended."), THEN)
        assert (case.state, case.closed_at, case.wake_at, case.approval) == (State.WITHDRAWN, THEN, None, None)
        assert not any(clock.live for clock in case.clocks)
        assert case.next_deadline() == case.reopen_ends_at == (over := THEN + hours(72))
        assert case.available_actions(ADMIN, THEN) == ("reinstate",)
        assert (case.is_over(over), case.available_actions(ADMIN, over)) == (True, ())

    def test_refused_it_is_over_and_cannot_be_reopened(self) -> None:
        case = case_in(State.REGISTERED)
        do(case, Refuse(reason="Not water."), THEN, DISPATCHER)
        assert (case.state, not case.is_active(THEN), case.reopen_ends_at) == (State.REFUSED, True, None)
