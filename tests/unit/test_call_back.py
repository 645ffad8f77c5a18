"""Call-backs: who has one, and how it ends."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.calls.call import CALL_BACK_TIME, MOST_TRIES, CallBack, CallBackResult, CallBackState
from domain.shared.errors import Refused

NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)
TAKEN = CallBack().take("chen", NOON)


def test_who_takes_a_call_back_has_it_for_a_time() -> None:
    assert CallBack().state(NOON) is CallBackState.WAITING
    assert (TAKEN.state(NOON), TAKEN.state(NOON + CALL_BACK_TIME)) == (CallBackState.TAKEN, CallBackState.WAITING)
    assert TAKEN.take("chen", NOON + timedelta(minutes=1)) == TAKEN
    late, told = NOON + timedelta(minutes=29), "chen has taken the call-back; others may from 2026-08-03T04:30:00"
    with pytest.raises(Refused, match=told):
        TAKEN.take("li", late)
    with pytest.raises(Refused, match=told):
        TAKEN.tried("li", late, reached=True)
    assert TAKEN.take("li", NOON + CALL_BACK_TIME).person == "li"


def test_the_result_of_a_try_is_told_once_however_often_it_is_sent() -> None:
    once = TAKEN.tried("chen", NOON, reached=False, note="无人接听")
    assert (once.tries, once.state(NOON), once.note) == (1, CallBackState.WAITING, "无人接听")
    assert once.tried("chen", NOON, reached=False) == once
    assert once.tried("li", NOON, reached=False).tries == 2
    reached = once.take("li", NOON).tried("li", NOON, reached=True)
    assert (reached.result, reached.ended_at, reached.person) == (CallBackResult.REACHED, NOON, "li")
    assert reached.tried("li", NOON + CALL_BACK_TIME, reached=True) == reached
    with pytest.raises(Refused, match="over: reached"):
        reached.tried("li", NOON, reached=False)


def test_the_third_try_ends_it_as_unreachable() -> None:
    tried = CallBack()
    for _ in range(MOST_TRIES):
        assert tried.ended_at is None
        tried = tried.take("chen", NOON).tried("chen", NOON, reached=False)
    assert (tried.tries, tried.result, tried.state(NOON)) == (3, CallBackResult.UNREACHABLE, CallBackState.DONE)
    assert tried.tried("chen", NOON, reached=False) == tried
    with pytest.raises(Refused, match="over: unreachable"):
        tried.take("chen", NOON)
    with pytest.raises(Refused, match="over: unreachable"):
        tried.tried("li", NOON, reached=True)
