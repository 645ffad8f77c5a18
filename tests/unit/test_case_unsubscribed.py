"""A caller who has unsubscribed is sent no link, until this is taken back; who did it, and when it is possible."""

import pytest

from domain.case.actions.correct import Correct
from domain.case.actions.subscribe import Subscribe
from domain.case.actions.unsubscribe import Unsubscribe
from domain.case.case import Case
from domain.case.intake import Caller
from domain.case.lifecycle import OPEN, State
from tests.support.build import ADMIN, AGENT, BODIES, CALLER, FOLLOW_UP, THEN, case_in, do, hours, one, refused


def unsubscribed(state: State) -> Case:
    case = case_in(state)
    do(case, Unsubscribe(), THEN, CALLER)
    return case


def test_no_link_is_sent_and_the_refusal_says_what_to_do() -> None:
    case = unsubscribed(State.IN_PROGRESS)
    refusal = refused(case, BODIES["send_link"], AGENT)
    assert (refusal.kind, refusal.code) == ("conflict", "caller_unsubscribed")
    assert "wants no messages" in refusal.message
    assert "subscribe first" in refusal.message
    assert {"send_link", "subscribe"} & {*refusal.accepted} == {"subscribe"}
    do(case, Subscribe(note="The caller asks for it."), THEN, AGENT)
    assert "send_link" in case.available_actions(AGENT, THEN)


@pytest.mark.parametrize("state", [*sorted(OPEN), State.CLOSED])
def test_it_is_possible_while_the_case_is_open_or_can_be_reopened(state: State) -> None:
    case = case_in(state)
    for body, other in ((Unsubscribe(), Subscribe()), (Subscribe(), Unsubscribe())):
        assert refused(case, other, CALLER).code == "out_of_turn"
        event = one(do(case, body, THEN, CALLER))
        assert (event.from_state, event.to_state, event.recipients) == (state, state, ())
    later = "unsubscribe" in case.available_actions(CALLER, THEN + hours(73))
    assert later is (state is not State.CLOSED)


def test_only_the_caller_may_unsubscribe_and_agents_may_take_it_back() -> None:
    for actor in (AGENT, FOLLOW_UP):
        assert refused(case_in(State.IN_PROGRESS), Unsubscribe(), actor).code == "wrong_role"
    case = unsubscribed(State.IN_PROGRESS)
    assert refused(case, Subscribe(), FOLLOW_UP).code == "wrong_role"
    assert "subscribe" in case.available_actions(AGENT, THEN)
    assert "subscribe" in case.available_actions(ADMIN, THEN)


def test_another_telephone_is_told_again_and_the_former_one_of_the_correction() -> None:
    """A stranger who got the messages by mistake may have unsubscribed."""
    case = unsubscribed(State.IN_PROGRESS)
    do(case, Correct(reason="错", caller=Caller(name="李伯伯")), THEN)
    assert "unsubscribed" in case.flags
    event = one(do(case, Correct(reason="错", caller=Caller(phone="13900001111")), THEN))
    assert f"former_caller:{case.number}" in event.recipients
    assert "unsubscribed" not in case.flags
