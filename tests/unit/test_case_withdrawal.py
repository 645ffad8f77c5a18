"""Withdrawal (撤销) by the owner, a supervisor, or an agent who names the call of the caller."""

import pytest

from domain.calls.call import Call
from domain.calls.withdrawal import CallMismatch, mismatch_of
from domain.case.actions.withdraw import Withdraw
from domain.case.lifecycle import State
from domain.shared.actors import Actor
from tests.support.build import (
    AGENT,
    CREW,
    DISPATCHER,
    MONDAY,
    OWNER,
    SUPERVISOR,
    THEN,
    case_in,
    data_of,
    do,
    one,
    refused,
)

NUMBER = "2609070000017"
BY_CALL = Withdraw(reason="Water is back.", call_id="1785729600.118")
WITHOUT = Withdraw(reason="Water is back.")


class TestRight:
    @pytest.mark.parametrize("who", [OWNER, SUPERVISOR])
    @pytest.mark.parametrize("body", [WITHOUT, BY_CALL])
    def test_owner_and_supervisor_need_no_call(self, who: Actor, body: Withdraw) -> None:
        event = one(do(case_in(State.IN_PROGRESS), body, THEN, who))
        assert (event.to_state, data_of(event)) == (State.WITHDRAWN, body.model_dump(mode="json"))

    def test_another_agent_without_a_call_is_told_what_is_accepted(self) -> None:
        case = case_in(State.IN_PROGRESS)
        why = refused(case, WITHOUT, AGENT)
        assert (why.kind, why.code) == ("forbidden", "call_needed")
        assert why.accepted == ("call_id: a call of its caller that you took", "its owner", "supervisor")
        assert case.state is State.IN_PROGRESS

    def test_another_agent_withdraws_by_a_call(self) -> None:
        event = one(do(case_in(State.IN_PROGRESS), BY_CALL, THEN, AGENT))
        assert data_of(event) == {"reason": "Water is back.", "call_id": "1785729600.118", "by_call": True}

    @pytest.mark.parametrize("who", [DISPATCHER, CREW])
    def test_nobody_else_withdraws(self, who: Actor) -> None:
        assert refused(case_in(State.IN_PROGRESS), BY_CALL, who).code == "wrong_role"


def call(**known: str) -> Call:
    return Call("1785729600.118", MONDAY, **known)  # type: ignore[arg-type]  # of texts


class TestCall:
    """Call as it is reported, compared with the agent and the telephone."""

    @pytest.mark.parametrize(
        ("reported", "same_telephone", "found"),
        [
            (None, False, CallMismatch.UNKNOWN),
            (call(agent="lin", caller_phone="076088237777"), True, None),
            (call(agent="lin", caller_phone="076012345678"), False, CallMismatch.TELEPHONE),
            (call(agent="lin", caller_phone="076012345678", complaint=NUMBER), False, None),
            (call(agent="lin", complaint=NUMBER), False, None),
            (call(agent="mo", caller_phone="076088237777"), True, CallMismatch.AGENT),
            (call(caller_phone="076088237777"), True, CallMismatch.UNKNOWN),
            (call(agent="lin"), False, CallMismatch.UNKNOWN),
        ],
    )
    def test_it_is_the_agents_and_of_the_telephone(
        self, reported: Call | None, found: CallMismatch | None, *, same_telephone: bool
    ) -> None:
        assert mismatch_of(reported, "lin", NUMBER, same_telephone=same_telephone) is found
