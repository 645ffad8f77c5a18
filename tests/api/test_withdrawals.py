"""Withdrawals (撤销) by a call: known calls are compared at once, others when they are reported."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.responses import Page
from readmodel.calls.calls import Unconfirmed
from tests.api.test_calls import a_call, report
from tests.api.test_calls_of_cases import new_phone
from tests.api.test_reading import numbers
from tests.support.api import Api, Json, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")
LATER = timedelta(days=1, minutes=1)


def call_now(**changes: Any) -> Json:
    """A call of just now."""
    now = datetime.now(UTC).isoformat()
    return a_call(started_at=now, answered_at=now, ended_at=now, **changes)


async def case_of(api: Api, phone: str) -> str:
    return await api.case_in("dispatched", caller={"phone": phone})


async def withdraw(api: Api, number: str, call_id: str | None, by: str = "li") -> httpx.Response:
    named = {"call_id": call_id} if call_id else {}
    return await api.act(number, "withdraw", {"reason": "来水了", **named}, by)


async def unconfirmed(api: Api, number: str) -> list[str]:
    """The mismatches of a case, in the documented shape, read over pages of two."""
    items, cursor = list[Json](), dict[str, str]()
    while True:
        found = (await api.get("/v1/unconfirmed-withdrawals", by="xu", limit=2, **cursor)).json()
        assert Page[Unconfirmed].model_validate(found).model_dump(mode="json") == found
        items += found["items"]
        if found["next_cursor"] is None:
            return [each["mismatch"] for each in items if each["number"] == number]
        cursor = {"cursor": found["next_cursor"]}


@pytest.mark.parametrize("by", ["chen", "xu"])
async def test_owner_and_supervisor_withdraw_without_call_now(on_sqlite: Api, by: str) -> None:
    number = await case_of(on_sqlite, new_phone())
    assert (await withdraw(on_sqlite, number, None, by)).json()["state"] == "withdrawn"


async def test_another_agent_needs_call_now(on_sqlite: Api) -> None:
    number = await case_of(on_sqlite, new_phone())
    found = problem(await withdraw(on_sqlite, number, None), 403, "call-needed")
    assert "call_id" in found["detail"]
    assert found["accepted"][0] == "a call of its caller that you took"
    assert (await on_sqlite.complaint(number))["state"] == "dispatched"


async def test_an_agents_own_call_of_the_caller_confirms_it(on_both: Api) -> None:
    phone = new_phone()
    number, call = await case_of(on_both, phone), call_now(agent="li", caller_phone=phone)
    await report(on_both, call)
    assert (await withdraw(on_both, number, call["call_id"])).json()["state"] == "withdrawn"
    assert await unconfirmed(on_both, number) == []


@pytest.mark.parametrize(("agent", "own_telephone"), [("chen", True), ("li", False)])
async def test_a_known_call_of_others_is_refused(on_both: Api, agent: str, *, own_telephone: bool) -> None:
    phone = new_phone()
    number, call = (
        await case_of(on_both, phone),
        call_now(agent=agent, caller_phone=phone if own_telephone else new_phone()),
    )
    await report(on_both, call)
    found = problem(await withdraw(on_both, number, call["call_id"]), 403, "call-mismatch")
    assert found["accepted"][0] == "a call of its caller that you took"
    assert (await withdraw(on_both, number, call["call_id"], "chen")).is_success


@pytest.mark.parametrize(
    ("agent", "own_telephone", "mismatch"), [("chen", True, ["agent"]), ("li", False, ["telephone"]), ("li", True, [])]
)
async def test_a_call_that_comes_later_is_compared_then(
    on_both: Api, agent: str, mismatch: list[str], *, own_telephone: bool
) -> None:
    phone = new_phone()
    number, call = (
        await case_of(on_both, phone),
        call_now(agent=agent, caller_phone=phone if own_telephone else new_phone()),
    )
    assert (await withdraw(on_both, number, call["call_id"])).json()["state"] == "withdrawn"
    assert await unconfirmed(on_both, number) == []
    await report(on_both, call)
    assert await unconfirmed(on_both, number) == mismatch


async def test_a_call_from_before_the_registration_is_refused(on_both: Api) -> None:
    phone = new_phone()
    number, call = await case_of(on_both, phone), a_call(agent="li", caller_phone=phone)
    await report(on_both, call)
    problem(await withdraw(on_both, number, call["call_id"]), 403, "call-mismatch")


async def correct(api: Api, number: str, phone: str, by: str) -> None:
    assert (await api.act(number, "correct", {"reason": "换号", "caller": {"phone": phone}}, by)).is_success


@pytest.mark.parametrize(("by", "mismatch"), [("li", ["telephone"]), ("chen", [])])
async def test_a_call_of_a_telephone_that_the_agent_put_in_is_listed(
    on_both: Api, by: str, mismatch: list[str]
) -> None:
    number, call = await case_of(on_both, new_phone()), call_now(agent="li", caller_phone=new_phone())
    await report(on_both, call)
    await correct(on_both, number, call["caller_phone"], by)
    assert (await withdraw(on_both, number, call["call_id"])).is_success
    assert await unconfirmed(on_both, number) == mismatch


@pytest.mark.parametrize("before", [True, False])
async def test_the_telephone_is_that_of_the_withdrawal(on_both: Api, *, before: bool) -> None:
    phone = new_phone()
    number, call = await case_of(on_both, phone), call_now(agent="li", caller_phone=phone)
    await report(on_both, call)
    if before:
        await correct(on_both, number, new_phone(), "li")
    assert (await withdraw(on_both, number, call["call_id"])).is_success
    assert (await on_both.act(number, "reinstate", {"reason": "撤错了"}, "chen")).is_success
    await correct(on_both, number, new_phone(), "chen")
    assert await unconfirmed(on_both, number) == []


async def test_a_call_that_is_not_reported_within_a_day_is_listed(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await case_of(on_both, new_phone())
    await withdraw(on_both, number, f"{uuid4()}")
    assert await unconfirmed(on_both, number) == []
    monkeypatch.setattr(on_both.clock, "fixed", on_both.clock() + LATER)
    assert await unconfirmed(on_both, number) == ["unknown"]


@pytest.mark.parametrize("who", ["li", "zhou", "wu", "he", "gao"])
async def test_the_list_is_for_supervisors(on_sqlite: Api, who: str) -> None:
    told = problem(await on_sqlite.get("/v1/unconfirmed-withdrawals", by=who), 403, "wrong-role")
    assert told["accepted"] == ["admin", "supervisor"]


async def test_owner_or_supervisor_take_it_back_and_the_case_goes_on(on_both: Api) -> None:
    for by in ("chen", "xu"):
        number = await on_both.case_in("in_progress")
        before = await on_both.complaint(number)
        gone = (await withdraw(on_both, number, None, "chen")).json()
        assert (gone["state"], gone["available_actions"]) == ("withdrawn", ["reinstate"])
        problem(await on_both.act(number, "reinstate", {"reason": "撤错了"}, "li"), 403, "wrong-role")
        back = (await on_both.act(number, "reinstate", {"reason": "撤错了"}, by)).json()
        same = ("state", "department", "assignee", "closed_at", "reopen_ends_at", "sla", "overdue")
        assert {name: back[name] for name in same} == {name: before[name] for name in same}
        clocks = [[(clock["name"], clock["status"]) for clock in each["clocks"]] for each in (back, before)]
        assert clocks[0] == clocks[1]
        assert number in await numbers(on_both, state="in_progress", limit=200)
        assert (await on_both.act(number, "complete", {"result": "好了"}, "wu")).is_success
