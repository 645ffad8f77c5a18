"""Offers are exactly what is accepted: `available_actions` against `apply`, for everybody in every state."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from domain.case.actions import ACTION_OF, TABLE
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.send_back import SendBack
from domain.case.actions.sign_for import SignFor
from domain.case.case import Case
from domain.case.lifecycle import UNFINISHED, PartState, State
from domain.kit.event import ActionBody
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from tests.support.build import (
    BODIES,
    CREW,
    DISPATCHER,
    MONDAY,
    OTHER_CREW,
    OWED,
    OWNER,
    PART_TABLE,
    ROAD,
    THEN,
    case_in,
    command,
    days,
    do,
    hours,
    minutes,
    refused,
)
from tests.support.offers import DEPARTMENTS, PEOPLE, STRANGER, bodies

INVOLVE, SIGN_FOR, COMPLETE, RETURN = (BODIES[action] for action in ("involve", "sign_for", "complete", "return"))
PART_ROAD: dict[PartState, tuple[tuple[ActionBody, Actor], ...]] = {
    PartState.DISPATCHED: (),
    PartState.IN_PROGRESS: ((SIGN_FOR, OTHER_CREW),),
    PartState.COMPLETED: ((SIGN_FOR, OTHER_CREW), (COMPLETE, OTHER_CREW)),
    PartState.RETURNED: ((RETURN, OTHER_CREW),),
    PartState.RELEASED: ((BODIES["release"], OWNER),),
}
"""Actions that bring metering's part to each state."""
DISPATCHED = [state for state, road in ROAD.items() if "dispatch" in road]


def with_part(state: State, part: PartState) -> Case:
    """A case of repair's on the way to this state, in which metering has a part; an unfinished part holds it up."""
    case = case_in(State.DISPATCHED)
    for body, actor in ((INVOLVE, OWNER), *PART_ROAD[part]):
        do(case, body, MONDAY, actor)
    for action in ROAD[state][1:]:
        if case.completed and part in UNFINISHED:
            break
        do(case, BODIES[action], MONDAY)
    return case


def out_of_the_ordinary() -> Iterator[tuple[str, Case]]:
    """Cases that are not told by their state and the state of one part."""
    for before in (State.IN_PROGRESS, State.DISPATCHED):
        asked = case_in(before)
        do(asked, BODIES["request_extension"], MONDAY)
        yield f"extension asked for while {before}", asked
    owing = case_in(State.CLOSED)
    owing.credits = (OWED,)
    yield "a credit waits", owing
    linked = with_part(State.IN_PROGRESS, PartState.DISPATCHED)
    do(linked, BODIES["link_incident"], MONDAY)
    yield "an incident is waited for", linked
    for part in (PartState.DISPATCHED, PartState.COMPLETED):
        moved = with_part(State.PENDING_REDISPATCH, part)
        do(moved, Dispatch(department="metering"), MONDAY)
        yield f"metering, whose part was {part}, has the case", moved
    reworked = with_part(State.CLOSED, PartState.COMPLETED)
    do(reworked, BODIES["reopen"], MONDAY)
    yield "a part of the cycle before", reworked
    two = with_part(State.IN_PROGRESS, PartState.IN_PROGRESS)
    do(two, Involve(department="billing", task="Find the arrears."), MONDAY, DISPATCHER)
    yield "two parts", two
    suspended = with_part(State.IN_PROGRESS, PartState.IN_PROGRESS)
    do(suspended, COMPLETE, MONDAY)
    do(suspended, BODIES["suspend"], MONDAY)
    yield "the last part is waited for while the case is suspended", suspended


CASES = {
    **{state.value: case_in(state) for state in State},
    **{f"{state}, part {part}": with_part(state, part) for state in DISPATCHED for part in PartState},
    **dict(out_of_the_ordinary()),
}

NAMES = [name if name in [*State] else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
"""Every state at once, and all else in the slow part: each takes every body of every action, by everybody."""


def accepted(case: Case, body: ActionBody, actor: Actor, at: datetime) -> bool:
    try:
        case.model_copy().apply(command(body, actor), at)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("at", [THEN, MONDAY + days(2) + hours(1)], ids=["at once", "too late to return it"])
@pytest.mark.parametrize("name", NAMES)
def test_an_action_is_offered_if_and_only_if_some_body_of_it_is_accepted(name: str, at: datetime) -> None:
    case = CASES[name].model_copy()
    case.advance(at)
    for actor in PEOPLE:
        may = {ACTION_OF[type(body)].name for body in bodies(case) if accepted(case, body, actor, at)}
        assert set(case.available_actions(actor, at)) == may, actor


class TestOfAnotherDepartment:
    @pytest.mark.parametrize("part", [None, *PartState])
    @pytest.mark.parametrize("crew", [CREW, OTHER_CREW, STRANGER], ids=lambda crew: crew.department)
    def test_a_crew_that_names_another_department_is_kept_out(self, crew: Actor, part: PartState | None) -> None:
        for state in DISPATCHED:
            case = with_part(state, part) if part else case_in(state)
            for action in {*PART_TABLE} - {"send_back", "release"}:
                for other in {*DEPARTMENTS, "network"} - {crew.department}:
                    body = BODIES[action].model_copy(update={"department": other})
                    refusal = refused(case, body, crew)
                    assert (refusal.kind, refusal.code) == ("forbidden", "other_department")
                    assert refusal.accepted == (other,)
                    assert other in refusal.message

    @pytest.mark.parametrize(
        "action", [each for each in TABLE if Role.CREW in TABLE[each].roles and each not in PART_TABLE]
    )
    def test_a_crew_with_a_part_does_to_the_case_only_what_is_shared(self, action: str) -> None:
        for state in TABLE[action].sources & {*DISPATCHED}:
            case = with_part(state, PartState.IN_PROGRESS)
            if TABLE[action].shared_with_parts:
                do(case, BODIES[action], THEN, OTHER_CREW)
            else:
                assert refused(case, BODIES[action], OTHER_CREW).code == "other_department"

    def test_one_without_a_part_that_names_itself_is_told_who_has_the_case(self) -> None:
        refusal = refused(case_in(State.DISPATCHED), SignFor(department="billing"), STRANGER)
        assert (refusal.code, refusal.accepted) == ("other_department", ("repair",))

    def test_one_that_names_its_own_finished_part_is_told_so(self) -> None:
        case = with_part(State.IN_PROGRESS, PartState.COMPLETED)
        refusal = refused(case, Complete(department="metering", result="x"), OTHER_CREW)
        assert (refusal.code, refusal.accepted) == ("out_of_turn", ())


class TestOwner:
    """Owner of the case, who is of no crew."""

    def test_releases_a_part(self) -> None:
        case = with_part(State.IN_PROGRESS, PartState.IN_PROGRESS)
        (event,) = do(case, BODIES["release"], THEN, OWNER)
        assert (event.role, case.parts[0].state) == (Role.OWNER, PartState.RELEASED)

    def test_sends_back_a_part(self) -> None:
        case = with_part(State.PENDING_REPLY, PartState.COMPLETED)
        (event,) = do(case, SendBack(department="metering", reason="Which?"), THEN, OWNER)
        assert (event.role, case.parts[0].state) == (Role.OWNER, PartState.IN_PROGRESS)

    def test_of_a_crew_acts_for_its_department_alone(self) -> None:
        stranger, crew = (Actor(id=OWNER.id, role=Role.CREW, department=each.department) for each in (STRANGER, CREW))
        assert refused(case_in(State.PENDING_REPLY), BODIES["reply"], crew).code == "wrong_role"
        assert refused(case_in(State.IN_PROGRESS), BODIES["suspend"], stranger).code == "other_department"
        (event,) = do(case_in(State.IN_PROGRESS), BODIES["suspend"], THEN, crew)
        assert event.role is Role.CREW


def test_a_part_is_returned_within_its_own_time() -> None:
    """It counts from the moment at which the department was involved, not from the dispatch of the case."""
    case = case_in(State.IN_PROGRESS)
    do(case, INVOLVE, MONDAY + days(1), OWNER)
    late = MONDAY + days(2) + minutes(1)
    assert refused(case, RETURN, CREW, late).code == "return_too_late"
    do(case, RETURN, late, OTHER_CREW)
    assert case.parts[0].state is PartState.RETURNED
