"""Calls and cases: linked by name, by the id of the call, or by telephone and time, whichever comes first."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.test_calls import a_call, listed, report
from tests.support.api import CALL, Api, Json, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")
_lines = itertools.count(88_200_000)


def new_phone() -> str:
    """A telephone that nobody has used."""
    return f"0760{next(_lines)}"


async def register(api: Api, **fields: Any) -> str:
    answer = await api.register({**CALL, **fields})
    assert answer.status_code == 201, answer.text
    number: str = answer.json()["number"]
    return number


def call_at(at: datetime, seconds: float = 60, **changes: Any) -> Json:
    """A call that began then and is answered at once."""
    end = at + timedelta(seconds=seconds)
    return a_call(started_at=at.isoformat(), answered_at=at.isoformat(), ended_at=end.isoformat(), **changes)


async def complaints_of(api: Api, call: Json) -> list[str]:
    start = call["started_at"]
    found = await listed(api, "xu", limit=200, **{"from": start})
    (shown,) = [each for each in found if each["call_id"] == call["call_id"]]
    complaints: list[str] = shown["complaints"]
    first = complaints[0] if complaints else None
    assert (shown["complaint"], shown["links"]["complaint"]) == (first, first and f"/v1/complaints/{first}")
    return complaints


async def calls_of(api: Api, number: str, by: str = "chen") -> list[str]:
    link = (await api.complaint(number))["links"]["calls"]
    answer = await api.get(link, by)
    assert answer.status_code == 200, answer.text
    return [call["call_id"] for call in answer.json()["items"]]


@pytest.mark.parametrize("call_first", [True, False])
async def test_a_case_names_the_call_in_which_it_is_taken_down(on_both: Api, *, call_first: bool) -> None:
    call = call_at(on_both.clock() - timedelta(minutes=2), caller_phone=new_phone())
    if call_first:
        await report(on_both, call)
    first, second = [await register(on_both, call_id=call["call_id"]) for _ in range(2)]
    if not call_first:
        await report(on_both, call)
    assert await complaints_of(on_both, call) == [first, second]
    assert await calls_of(on_both, first) == [call["call_id"]]
    assert (await on_both.complaint(first))["call_id"] == call["call_id"]


@pytest.mark.parametrize("said", ["{}", "+86 {}", "0760 {}"])
async def test_a_case_is_found_by_telephone_and_time(on_both: Api, said: str) -> None:
    phone = new_phone().removeprefix("0760")
    caller = {"phone": said.format(phone if said == "{}" or "0760" in said else f"760 {phone}")}
    number = await register(on_both, caller=caller)
    call = call_at(on_both.clock() - timedelta(minutes=1), caller_phone=f"0760{phone}")
    await report(on_both, call)
    assert await complaints_of(on_both, call) == [number]
    assert await calls_of(on_both, number) == [call["call_id"]]


async def test_of_two_calls_of_a_telephone_the_later_one_has_the_case(on_both: Api) -> None:
    phone, now = new_phone(), on_both.clock()
    first, second = call_at(now - timedelta(minutes=5), caller_phone=phone), call_at(now, 10, caller_phone=phone)
    number = await register(on_both, caller={"phone": phone})
    await report(on_both, first, second)
    assert (await complaints_of(on_both, first), await complaints_of(on_both, second)) == ([], [number])
    assert await calls_of(on_both, number) == [second["call_id"]]


async def test_a_name_prevails_over_telephone_and_time(on_sqlite: Api) -> None:
    phone, now = new_phone(), on_sqlite.clock()
    other = await register(on_sqlite)
    call = call_at(now - timedelta(minutes=1), caller_phone=phone, complaint=other)
    await report(on_sqlite, call)
    guessed = await register(on_sqlite, caller={"phone": phone})
    assert (await complaints_of(on_sqlite, call), await calls_of(on_sqlite, guessed)) == ([other], [])
    named = await register(on_sqlite, caller={"phone": phone}, call_id=call["call_id"])
    assert await complaints_of(on_sqlite, call) == [other, named]
    assert await calls_of(on_sqlite, other) == [call["call_id"]]


async def test_a_call_id_that_nobody_reports_leaves_telephone_and_time(on_sqlite: Api) -> None:
    phone = new_phone()
    number = await register(on_sqlite, caller={"phone": phone}, call_id="channel-of-another-kind")
    call = call_at(on_sqlite.clock() - timedelta(minutes=1), caller_phone=phone)
    await report(on_sqlite, call)
    assert await complaints_of(on_sqlite, call) == [number]


@pytest.mark.parametrize("fields", [{"channel": "web"}, {"caller": {"name": "李婆婆"}}], ids=str)
async def test_a_case_that_came_otherwise_has_no_call(on_sqlite: Api, fields: Json) -> None:
    phone = new_phone()
    number = await register(on_sqlite, **{"caller": {"phone": phone}, **fields})
    call = call_at(on_sqlite.clock() - timedelta(minutes=1), caller_phone=phone)
    await report(on_sqlite, call)
    assert (await complaints_of(on_sqlite, call), await calls_of(on_sqlite, number)) == ([], [])


async def test_a_correction_keeps_the_call(on_sqlite: Api) -> None:
    call = call_at(on_sqlite.clock())
    await report(on_sqlite, call)
    number = await register(on_sqlite, call_id=call["call_id"])
    correction = {"reason": "记错了", "caller": {"phone": new_phone()}, "location": {"district": "east"}}
    assert (await on_sqlite.act(number, "correct", correction)).status_code == 200
    assert await calls_of(on_sqlite, number) == [call["call_id"]]


async def test_calls_of_a_case_are_for_those_who_read_it(on_sqlite: Api) -> None:
    call = call_at(on_sqlite.clock(), caller_phone="13800138000")
    await report(on_sqlite, call)
    mine = await on_sqlite.case_in("dispatched", call_id=call["call_id"])
    await on_sqlite.case_in("registered", call_id=call["call_id"])
    path = f"/v1/complaints/{mine}/calls"
    problem(await on_sqlite.get(path, "sun"), 403, "other-department")
    (shown,) = (await on_sqlite.get(path, "wu")).json()["items"]
    assert (shown["caller_phone"], shown["recording_url"], shown["complaints"]) == ("13800138000", None, [mine])
    (shown,) = (await on_sqlite.get(path, "gao")).json()["items"]
    assert (shown["caller_phone"], len(shown["complaints"])) == ("138****8000", 2)


@pytest.mark.parametrize("call_id", ["", "with space", "x" * 81, "电话"])
async def test_an_id_of_a_call_has_visible_ascii_only(on_sqlite: Api, call_id: str) -> None:
    refused = problem(await on_sqlite.register({**CALL, "call_id": call_id}), 422, "invalid-request")
    assert "visible ASCII" in refused["detail"]
