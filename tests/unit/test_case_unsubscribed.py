"""A caller who has unsubscribed is told nothing about the case, until this is taken back."""

import pytest

from domain.case.actions.correct import Correct
from domain.case.actions.link_incident import LinkIncident, Settlement
from domain.case.actions.subscribe import Subscribe
from domain.case.actions.unsubscribe import Unsubscribe
from domain.case.case import Case
from domain.case.intake import Caller
from domain.case.lifecycle import Event, State
from tests.support.build import ADMIN, AGENT, BODIES, CALLER, FOLLOW_UP, OWED, THEN, case_in, do, one, refused


def told(event: Event) -> list[str]:
    return [each for each in event.recipients if "caller" in each]


def unsubscribed(state: State) -> Case:
    case = case_in(state)
    do(case, Unsubscribe(), THEN, CALLER)
    return case


@pytest.mark.parametrize(("state", "action"), [(State.REGISTERED, "answer"), (State.PENDING_REPLY, "reply")])
def test_an_answer_goes_to_the_staff_alone_until_it_is_taken_back(state: State, action: str) -> None:
    case = unsubscribed(state)
    assert "unsubscribed" in case.flags
    silent = one(do(case.model_copy(), BODIES[action], THEN))
    do(case, Subscribe(), THEN, CALLER)
    assert "unsubscribed" not in case.flags
    heard = one(do(case, BODIES[action], THEN))
    assert (told(silent), told(heard)) == ([], [f"caller:{case.number}"])
    assert list(silent.recipients) == [each for each in heard.recipients if each not in told(heard)]


def test_neither_a_reply_by_the_incident_nor_a_credit_nor_another_telephone_is_told() -> None:
    case = unsubscribed(State.DISPATCHED)
    do(case, LinkIncident(incident="i26090700017"), THEN)
    settlement = Settlement(incident="i26090700017", result="修复", message="已恢复供水")
    events = [*case.settle(settlement, THEN), *do(case, Correct(reason="错", caller=Caller(phone="13900001111")), THEN)]
    case.credits = (OWED,)
    events += do(case, BODIES["decide_credit"], THEN)
    assert {"reply", "correct", "decide_credit"} <= {event.action for event in events}
    assert [each for event in events for each in told(event)] == []


def test_no_link_is_sent_and_the_refusal_says_what_to_do() -> None:
    case = unsubscribed(State.IN_PROGRESS)
    refusal = refused(case, BODIES["send_link"], AGENT)
    assert (refusal.kind, refusal.code) == ("conflict", "caller_unsubscribed")
    assert "wants no messages" in refusal.message
    assert "subscribe first" in refusal.message
    assert {"send_link", "subscribe"} & {*refusal.accepted} == {"subscribe"}
    do(case, Subscribe(note="The caller asks for it."), THEN, AGENT)
    assert "send_link" in case.available_actions(AGENT, THEN)


@pytest.mark.parametrize("state", State)
def test_it_is_possible_in_every_state_while_something_can_be_sent(state: State) -> None:
    case = case_in(state)
    case.credits = (OWED,)
    for body, other in ((Unsubscribe(), Subscribe()), (Subscribe(), Unsubscribe())):
        assert refused(case, other, CALLER).code == "out_of_turn"
        event = one(do(case, body, THEN, CALLER))
        assert (event.from_state, event.to_state, event.recipients) == (state, state, ())
    case.credits = ()
    assert ("unsubscribe" in case.available_actions(CALLER, THEN)) is not case.is_over(THEN)


def test_only_the_caller_may_unsubscribe_and_agents_may_take_it_back() -> None:
    for actor in (AGENT, FOLLOW_UP):
        assert refused(case_in(State.IN_PROGRESS), Unsubscribe(), actor).code == "wrong_role"
    case = unsubscribed(State.IN_PROGRESS)
    assert refused(case, Subscribe(), FOLLOW_UP).code == "wrong_role"
    assert "subscribe" in case.available_actions(AGENT, THEN)
    assert "subscribe" in case.available_actions(ADMIN, THEN)
