"""The one-stop chain over HTTP, on both databases: what is answered, and what can be read right after it."""

from typing import Any

import pytest

from tests.support.api import CALL, Api, offered, whenever

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAIN: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("zhou", "dispatch", {"department": "repair", "assignee": "wu"}, "dispatched"),
    ("wu", "sign_for", {}, "in_progress"),
    ("wu", "arrive", {"note": "到场"}, "in_progress"),
    ("wu", "complete", {"result": "阀芯脱落, 已提起"}, "pending_reply"),
    ("chen", "reply", {"message": "已恢复供水"}, "pending_follow_up"),
    ("he", "follow_up", {"outcome": "satisfied"}, "closed"),
)


async def test_a_case_from_the_call_to_the_follow_up(on_both: Api) -> None:
    answer = await on_both.register({**CALL, "caller": {"name": "李婆婆", "phone": "0760 8823 7777"}})
    assert answer.status_code == 201
    complaint = answer.json()
    number = complaint["number"]
    assert answer.headers["location"] == f"/v1/complaints/{number}" == complaint["links"]["self"]
    assert (complaint["state"], complaint["owner"], complaint["version"]) == ("registered", "chen", 1)
    read = await on_both.complaint(number, "chen")
    # Time has passed for the clocks alone.
    assert read | {"clocks": []} == complaint | {"clocks": []}
    for version, (by, action, body, state) in enumerate(CHAIN, start=2):
        answer = await on_both.act(number, action, body, by)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], answer.json()["version"]) == (state, version)
        assert (await on_both.complaint(number))["version"] == version
    events = (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert [event["actor"] for event in events] == ["chen", *(by for by, *_ in CHAIN)]
    assert [event["to"] for event in events] == ["registered", *(state for *_, state in CHAIN)]
    assert events[0]["from"] is None
    assert "terms" not in events[0]["data"]


async def test_an_answer_shows_what_its_reader_may_do(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    for by in ("wu", "xu", "he"):
        assert whenever((await on_sqlite.complaint(number, by))["available_actions"]) == offered(by, "dispatched")
    assert offered("wu", "dispatched")[0] == "sign_for" not in offered("he", "dispatched")
    answer = await on_sqlite.act(number, "sign_for", {}, "wu")
    assert answer.json()["available_actions"] == (await on_sqlite.complaint(number, "wu"))["available_actions"]


async def test_a_clock_says_why_it_is_due_then(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    clocks = {clock["name"]: clock for clock in (await on_sqlite.complaint(number))["clocks"]}
    arrive = clocks["arrive"]
    assert (arrive["status"], arrive["calendar"], arrive["budget_seconds"]) == ("running", "always", 7200)
    assert arrive["remaining_seconds"] == pytest.approx(7200 - arrive["elapsed_seconds"])
    assert arrive["due_at"].endswith("Z")
    assert clocks["follow_up"]["due_at"] is None
