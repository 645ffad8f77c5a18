"""Call-backs over HTTP: the list, taking an entry, its result, and refusals."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from api.calls import CallBackItem
from api.responses import Page
from domain.shared.actors import Role
from tests.api.test_calls import a_call, report
from tests.api.test_calls_of_cases import new_phone
from tests.support.api import Api, Json, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def missed(api: Api, phone: str, **changes: Any) -> str:
    """The id of a call that nobody answered, a minute ago."""
    end = api.clock() - timedelta(minutes=1)
    start = (end - timedelta(minutes=1)).isoformat()
    call = (
        a_call(caller_phone=phone, agent=None, answered_at=None, started_at=start, ended_at=end.isoformat()) | changes
    )
    await report(api, call)
    call_id: str = call["call_id"]
    return call_id


async def listed(api: Api, phone: str, **params: str) -> list[Json]:
    answer = await api.get("/v1/call-backs", "chen", limit=200, **params)
    assert answer.status_code == 200, answer.text
    assert Page[CallBackItem].model_validate(answer.json()).model_dump(mode="json") == answer.json()
    return [item for item in answer.json()["items"] if item["caller_phone"] == phone]


async def act(api: Api, call_id: str, body: Json, by: str = "chen") -> Json:
    answer = await api.post(f"/v1/calls/{quote(call_id, safe='')}/call-back", body, by)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert CallBackItem.model_validate(found).model_dump(mode="json") == found
    return found


async def test_an_abandoned_call_is_taken_and_called_back(on_both: Api) -> None:
    phone = new_phone()
    call_id = await missed(on_both, phone)
    (waiting,) = await listed(on_both, phone, state="waiting")
    assert (waiting["call_id"], waiting["calls"], waiting["person"]) == (call_id, 1, None)
    taken = await act(on_both, call_id, {})
    assert (taken["state"], taken["person"], taken["tries"]) == ("taken", "chen", 0)
    assert await act(on_both, call_id, {}) == taken
    assert await listed(on_both, phone, state="taken") == [taken]
    assert await listed(on_both, phone, state="waiting") == []
    done = await act(on_both, call_id, {"reached": True, "note": "已解释停水原因"})
    assert (done["state"], done["result"], done["tries"], done["note"]) == ("done", "reached", 1, "已解释停水原因")
    assert await act(on_both, call_id, {"reached": True}) == done
    assert (await listed(on_both, phone), await listed(on_both, phone, state="done")) == ([], [done])
    refused = await on_both.post(done["links"]["call_back"], {}, "li")
    assert "reached" in problem(refused, 409, "call-back-over")["detail"]


async def test_who_is_not_reached_is_tried_three_times(on_sqlite: Api) -> None:
    phone = new_phone()
    call_id = await missed(on_sqlite, phone)
    tried: Json = {}
    for tries, by in enumerate(("chen", "he", "xu"), start=1):
        await act(on_sqlite, call_id, {}, by)
        for _ in range(2):
            tried = await act(on_sqlite, call_id, {"reached": False}, by)
            assert (tried["tries"], tried["person"], tried["held_until"]) == (tries, by, None)
    assert (tried["state"], tried["result"]) == ("done", "unreachable")


async def test_what_somebody_has_taken_is_refused_with_the_name(on_sqlite: Api) -> None:
    on_sqlite.tokens["zhong"] = on_sqlite.directory.enter("10055", Role.AGENT, name="钟小燕")
    phone = new_phone()
    call_id = await missed(on_sqlite, phone)
    await act(on_sqlite, call_id, {}, "zhong")
    for body in ({}, {"reached": True}):
        refused = await on_sqlite.post(f"/v1/calls/{call_id}/call-back", body, "li")
        assert "钟小燕 (10055) has taken" in problem(refused, 409, "call-back-taken")["detail"]


async def test_a_caller_who_is_answered_later_leaves_the_list(on_both: Api) -> None:
    phone, now = new_phone(), on_both.clock().isoformat()
    await missed(on_both, phone)
    await report(on_both, a_call(caller_phone=phone, started_at=now, answered_at=now, ended_at=now))
    assert await listed(on_both, phone) == []
    (done,) = await listed(on_both, phone, state="done")
    assert (done["result"], done["person"]) == ("called_again", None)


async def test_a_call_that_is_not_on_the_list_is_not_found(on_sqlite: Api) -> None:
    call = a_call()
    await report(on_sqlite, call)
    for call_id in (call["call_id"], "SIP%2F1001-0000001"):
        problem(await on_sqlite.post(f"/v1/calls/{call_id}/call-back", {}, "chen"), 404, "call-back-not-found")
    refused = await on_sqlite.post(f"/v1/calls/{call['call_id']}/call-back", {"reached": "maybe"}, "chen")
    assert problem(refused, 422, "invalid-request")["errors"][0]["field"] == "body.reached"


async def test_ids_with_slashes_are_called_back_too(on_sqlite: Api) -> None:
    phone = new_phone()
    call_id = await missed(on_sqlite, phone, call_id=f"SIP/{phone}?1")
    assert (await act(on_sqlite, call_id, {}))["call_id"] == call_id
