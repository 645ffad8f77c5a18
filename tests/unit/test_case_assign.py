"""Assignment (指派): within a department, another person works on the case, or on its part of it."""

import pytest

from domain.case.actions.assign import Assign
from domain.case.lifecycle import PartState, State
from domain.shared.actors import Actor
from tests.support.build import (
    BODIES,
    CREW,
    DISPATCHER,
    MONDAY,
    OTHER_CREW,
    OWNER,
    SUPERVISOR,
    THEN,
    case_in,
    data_of,
    do,
    one,
    refused,
)

TO = Assign(assignee="Ma Li")


@pytest.mark.parametrize("state", [State.IN_PROGRESS, State.SUSPENDED, State.AWAITING_APPROVAL])
@pytest.mark.parametrize("actor", [CREW, DISPATCHER, SUPERVISOR], ids=lambda actor: actor.role)
def test_changes_the_person_and_nothing_else(state: State, actor: Actor) -> None:
    case = case_in(state)
    clocks = case.clocks
    event = one(do(case, TO, THEN, actor))
    assert data_of(event) == {"assignee": "Ma Li", "previous_assignee": "Wu Gang"}
    assert (case.assignee, case.department, case.state, case.clocks) == ("Ma Li", "repair", state, clocks)
    assert event.recipients == ("assignee:Ma Li", "assignee:Wu Gang")


def test_before_the_signature_nobody_has_it_yet() -> None:
    case = case_in(State.DISPATCHED)
    event = one(do(case, TO, THEN, CREW))
    assert (data_of(event), event.recipients) == ({"assignee": "Ma Li"}, ("assignee:Ma Li",))
    do(case, BODIES["sign_for"], THEN)
    assert case.assignee == "Wu Gang"  # whoever signs has it


def test_the_same_person_again_is_refused() -> None:
    case = case_in(State.IN_PROGRESS)
    refusal = refused(case, Assign(assignee="Wu Gang"), CREW)
    assert (refusal.kind, refusal.code) == ("invalid", "same_assignee")
    do(case, BODIES["involve"], MONDAY, OWNER)
    do(case, BODIES["sign_for"], MONDAY, OTHER_CREW)
    assert refused(case, Assign(assignee="Sun Hao"), OTHER_CREW).code == "same_assignee"


def test_a_part_has_an_assignee_of_its_own() -> None:
    case = case_in(State.IN_PROGRESS)
    do(case, BODIES["involve"], MONDAY, OWNER)
    do(case, BODIES["sign_for"], MONDAY, OTHER_CREW)
    event = one(do(case, TO, THEN, OTHER_CREW))
    assert data_of(event) == {
        "part": 1,
        "department": "metering",
        "assignee": "Ma Li",
        "previous_assignee": "Sun Hao",
    }
    [part] = case.parts
    assert (part.assignee, part.state, part.version) == ("Ma Li", PartState.IN_PROGRESS, case.version)
    assert (case.assignee, case.state) == ("Wu Gang", State.IN_PROGRESS)
    assert event.recipients == ("assignee:Ma Li", "assignee:Sun Hao")


def test_a_supervisor_names_the_department_of_a_part() -> None:
    case = case_in(State.IN_PROGRESS)
    do(case, BODIES["involve"], MONDAY, OWNER)
    do(case, Assign(department="metering", assignee="Sun Hao"), THEN, SUPERVISOR)
    assert (case.parts[0].assignee, case.assignee) == ("Sun Hao", "Wu Gang")


def test_the_last_part_may_still_change_hands_when_the_rest_is_done() -> None:
    case = case_in(State.IN_PROGRESS)
    for action, actor in (("involve", OWNER), ("complete", CREW)):
        do(case, BODIES[action], MONDAY, actor)
    assert refused(case, TO, CREW).code == "out_of_turn"
    event = one(do(case, TO, THEN, OTHER_CREW))
    assert (event.to_state, case.parts[0].state) == (State.IN_PROGRESS, PartState.DISPATCHED)
