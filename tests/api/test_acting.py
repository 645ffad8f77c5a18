"""Acting on a complaint: one update each, done once, refused with what would be accepted."""

import asyncio
import uuid
from typing import Any

import pytest

from activities.names import complaint_id
from tests.support.api import Api, offered, problem, whenever

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_out_of_turn_says_the_state_and_what_may_be_done(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    found = problem(await on_sqlite.act(number, "complete", {"result": "好了"}, "wu"), 409, "out-of-turn")
    assert (found["state"], found["version"]) == ("dispatched", 2)
    assert found["accepted"] == found["available_actions"]
    assert whenever(found["accepted"]) == offered("wu", "dispatched")
    assert "sign_for" in found["detail"]
    assert await on_sqlite.actions(number) == ["register", "dispatch"]


async def test_the_wrong_role_is_told_the_right_ones(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    found = problem(await on_sqlite.act(number, "sign_for", {}, "chen"), 403, "wrong-role")
    assert found["accepted"] == ["crew"]
    assert await on_sqlite.actions(number) == ["register", "dispatch"]


async def test_a_crew_acts_on_its_own_departments_cases(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    found = problem(await on_sqlite.act(number, "sign_for", {}, "sun"), 403, "other-department")
    assert found["accepted"] == ["repair"]


async def test_a_case_is_handed_over_to_somebody_who_could_reply(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    found = problem(await on_sqlite.act(number, "hand_over", {"owner": "No Such Person"}, "xu"), 422, "unknown-owner")
    assert "the id of a person at work" in found["accepted"]
    told = problem(await on_sqlite.act(number, "hand_over", {"owner": "No Such Person"}, "he"), 403, "wrong-role")
    assert told["accepted"] == ["supervisor"]
    for owner in ("li", "chief"):
        assert (await on_sqlite.act(number, "hand_over", {"owner": owner}, "xu")).json()["owner"] == owner


async def test_an_unknown_department_is_answered_with_the_known_ones(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    found = problem(await on_sqlite.act(number, "dispatch", {"department": "moon"}), 422, "unknown-department")
    assert "repair" in found["accepted"]


async def test_a_signed_case_is_redirected_by_a_dispatcher_or_a_supervisor(on_sqlite: Api) -> None:
    for by in ("zhou", "xu"):
        number = await on_sqlite.case_in("in_progress")
        told = problem(await on_sqlite.act(number, "dispatch", {"department": "metering"}, "chen"), 403, "wrong-role")
        assert told["accepted"] == ["dispatcher", "supervisor"]
        case = (await on_sqlite.act(number, "dispatch", {"department": "metering"}, by)).json()
        assert (case["state"], case["department"], case["assignee"]) == ("dispatched", "metering", None)
        arrivals = [clock["status"] for clock in case["clocks"] if clock["name"] == "arrive"]
        assert arrivals == ["cancelled", "running"]
        assert (await on_sqlite.act(number, "sign_for", {}, "sun")).is_success


@pytest.mark.parametrize(
    ("state", "action", "body", "field"),
    [
        ("dispatched", "return", {}, "body.reason"),
        ("dispatched", "return", {"reason": "  "}, "body.reason"),
        ("in_progress", "suspend", {"reason": "买阀门", "wake_at": "2026-08-01"}, "body.wake_at"),
        ("in_progress", "request_approval", {"subject": "换管", "amount": "-860"}, "body.amount"),
        ("in_progress", "request_approval", {"subject": "换管", "amount": "1.005"}, "body.amount"),
        ("in_progress", "request_extension", {"reason": "缺件", "working_days": 0}, "body.working_days"),
        *(
            ("in_progress", "comment", {"note": f"在{hidden}家"}, "body.note")
            for hidden in "\x00\x07\x1b\x85\u202e\u2028"
        ),
        ("dispatched", "sign_for", {"assignee": "梁\u2066伟"}, "body.assignee"),
        ("in_progress", "comment", {"note": "\ud800"}, "body.note"),
        ("in_progress", "arrive", {"actor": "somebody else"}, "body.actor"),
        ("in_progress", "arrive", [], "body"),
    ],
)
async def test_a_body_that_is_not_as_it_must_be_changes_nothing(
    on_sqlite: Api, state: str, action: str, body: Any, field: str
) -> None:
    number = await on_sqlite.case_in(state)
    before = await on_sqlite.actions(number)
    answer = await on_sqlite.post(f"/v1/complaints/{number}/actions/{action}", body)
    found = problem(answer, 422, "invalid-request")
    assert [fault["field"] for fault in found["errors"]] == [field]
    if field == "body.actor":
        assert found["errors"][0]["message"].endswith("accepted: note, department")
    assert field in found["detail"]
    assert await on_sqlite.actions(number) == before


@pytest.mark.parametrize(
    ("wake_at", "slug"), [("2026-01-01T00:00:00Z", "wake-at-past"), ("2126-01-01T00:00:00+08:00", "wake-at-too-far")]
)
async def test_a_wake_date_lies_ahead_and_within_reason(on_sqlite: Api, wake_at: str, slug: str) -> None:
    number = await on_sqlite.case_in("in_progress")
    found = problem(await on_sqlite.act(number, "suspend", {"reason": "买阀门", "wake_at": wake_at}), 422, slug)
    assert any("no wake date" in words for words in found["accepted"])
    assert (await on_sqlite.complaint(number))["state"] == "in_progress"


async def test_of_two_at_once_one_wins_and_the_other_learns_the_new_state(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    both = (
        on_sqlite.act(number, "dispatch", {"department": "repair"}, "chen"),
        on_sqlite.act(number, "refuse", {"reason": "不归我们管"}, "zhou"),
    )
    first, second = sorted(await asyncio.gather(*both), key=lambda answer: answer.status_code)
    assert (first.status_code, first.json()["version"]) == (200, 2)
    found = problem(second, 409, "out-of-turn")
    assert (found["state"], found["version"]) == (first.json()["state"], 2)
    assert found["available_actions"] is not None
    assert len(await on_sqlite.actions(number)) == 2


async def test_two_who_do_the_same_at_once_do_it_once(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    both = [on_sqlite.act(number, "dispatch", {"department": "repair"}, by) for by in ("chen", "zhou")]
    first, second = sorted(await asyncio.gather(*both), key=lambda answer: answer.status_code)
    assert first.status_code == 200
    found = problem(second, 422, "same-department")
    assert (found["state"], found["version"]) == ("dispatched", 2)
    assert await on_sqlite.actions(number) == ["register", "dispatch"]


async def test_a_dispatch_is_redirected_before_it_is_signed_for(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    answer = await on_sqlite.act(number, "dispatch", {"department": "metering", "assignee": "sun"}, "chen")
    found = answer.json()
    assert (answer.status_code, found["state"], found["department"]) == (200, "dispatched", "metering")
    acknowledged = [clock["status"] for clock in found["clocks"] if clock["name"] == "acknowledge"]
    assert acknowledged == ["cancelled", "running"]
    problem(await on_sqlite.act(number, "sign_for", {}, "wu"), 403, "other-department")
    answer = await on_sqlite.get("/v1/complaints", department="metering", state="dispatched", limit=200)
    assert number in [item["number"] for item in answer.json()["items"]]
    same = {"department": "metering", "assignee": "sun"}
    refused = problem(await on_sqlite.act(number, "dispatch", same, "zhou"), 422, "same-department")
    assert refused["accepted"] == ["another department", "another assignee"]
    assert (await on_sqlite.act(number, "sign_for", {}, "sun")).json()["assignee"] == "sun"


async def test_the_same_request_is_carried_out_once(on_sqlite: Api) -> None:
    number, mine = await on_sqlite.case_in("in_progress"), str(uuid.uuid4())
    said = [await on_sqlite.act(number, "comment", {"note": "六点后在家"}, "wu", mine) for _ in range(2)]
    await on_sqlite.act(number, "complete", {"result": "好了"}, "wu")
    said.append(await on_sqlite.act(number, "comment", {"note": "六点后在家"}, "wu", mine))
    # The case is shown as it stands, not as it stood.
    states = ["in_progress", "in_progress", "pending_reply"]
    assert [(answer.status_code, answer.json()["state"]) for answer in said] == [(200, state) for state in states]
    assert [answer.json()["version"] for answer in said] == [4, 4, 5]
    assert (await on_sqlite.actions(number)).count("comment") == 1


async def test_an_action_that_ended_the_case_tells_so_again(on_sqlite: Api) -> None:
    number, mine = await on_sqlite.case_in("registered"), str(uuid.uuid4())
    await on_sqlite.act(number, "refuse", {"reason": "非供水范围"}, "zhou", mine)
    await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).result()
    again = await on_sqlite.act(number, "refuse", {"reason": "非供水范围"}, "zhou", mine)
    assert (again.status_code, again.json()["state"]) == (200, "refused")


@pytest.mark.parametrize(("action", "body"), [("comment", {"note": "不在家"}), ("arrive", {})])
async def test_a_key_that_did_something_else_is_refused(on_sqlite: Api, action: str, body: dict[str, Any]) -> None:
    number, mine = await on_sqlite.case_in("in_progress"), str(uuid.uuid4())
    await on_sqlite.act(number, "comment", {"note": "在家"}, "wu", mine)
    problem(await on_sqlite.act(number, action, body, "wu", mine), 422, "idempotency-key-reused")
    assert (await on_sqlite.complaint(number))["version"] == 4


async def test_a_case_that_is_over_says_how_it_ended(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("refused")
    await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).result()
    found = problem(await on_sqlite.act(number, "dispatch", {"department": "repair"}), 409, "out-of-turn")
    assert (found["state"], found["version"], found["available_actions"]) == ("refused", 2, [])


async def test_an_action_on_no_case_is_not_found(on_sqlite: Api) -> None:
    problem(await on_sqlite.act("2001010000008", "arrive"), 404, "complaint-not-found")


@pytest.mark.parametrize(
    ("action", "slug"),
    [
        ("register", "unknown-action"),
        ("brew", "unknown-action"),
    ],
)
async def test_an_action_that_does_not_exist_names_those_that_do(on_sqlite: Api, action: str, slug: str) -> None:
    number = await on_sqlite.case_in("registered")
    found = problem(await on_sqlite.act(number, action), 404, slug)
    assert {"dispatch", "hand_over"} <= set(found["accepted"])


@pytest.mark.parametrize("written", ["{0}-{1}-{2}", "{0} {1} {2}"])
async def test_a_number_may_be_written_as_it_is_spoken(on_sqlite: Api, written: str) -> None:
    number = await on_sqlite.case_in("registered")
    spoken = written.format(number[:6], number[6:9], number[9:])
    assert (await on_sqlite.act(spoken, "comment", {"note": "再来电"})).json()["number"] == number


@pytest.mark.parametrize("wrong", ["26080347110", "2608034711002", "abc", "２６０８０３４７１１００１"])
async def test_a_number_that_cannot_be_one_is_refused(on_sqlite: Api, wrong: str) -> None:
    assert problem(await on_sqlite.act(wrong, "arrive"), 422, "invalid-number")["accepted"]
    assert problem(await on_sqlite.get(f"/v1/complaints/{wrong}"), 422, "invalid-number")["accepted"]


async def test_an_action_without_words_needs_no_body(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    answer = await on_sqlite.http.post(f"/v1/complaints/{number}/actions/sign_for", headers=on_sqlite.key("wu"))
    assert (answer.status_code, answer.json()["assignee"]) == (200, "wu")
