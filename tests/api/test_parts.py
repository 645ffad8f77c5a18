"""Parts of other departments (部门联动): each sees and does its own work, and the owner replies when all is done."""

import httpx
import pytest

from tests.support.api import Api, Json, problem
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TASK = "检查水表并核对读数"


async def involved(api: Api) -> str:
    """A case in the hands of the repair crew, in which metering has a part."""
    number = await api.case_in("in_progress")
    done(await api.act(number, "involve", {"department": "metering", "task": TASK}, "chen"))
    return number


def done(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_a_department_sees_its_own_work_and_does_it(on_both: Api) -> None:
    number = await involved(on_both)
    (mine,) = [
        item
        for item in done(await on_both.get("/v1/parts", "sun", state="dispatched"))["items"]
        if item["number"] == number
    ]
    assert (mine["department"], mine["task"], mine["case_state"], mine["owner"]) == (
        "metering",
        TASK,
        "in_progress",
        "chen",
    )
    signed = done(await on_both.act(number, "sign_for", {}, "sun"))
    assert (signed["state"], signed["assignee"]) == ("in_progress", "wu")
    assert [(part["state"], part["assignee"]) for part in signed["parts"]] == [("in_progress", "sun")]
    assert {(clock["name"], clock["status"]) for clock in signed["clocks"] if clock["part"] == 1} == {
        ("acknowledge", "met"),
        ("resolve", "running"),
    }
    waiting = done(await on_both.act(number, "complete", {"result": "阀芯已复位"}, "wu"))
    assert (waiting["state"], "complete" in waiting["available_actions"]) == ("in_progress", False)
    refused = problem(await on_both.act(number, "complete", {"result": "再次"}, "wu"), 409, "out-of-turn")
    assert "waits for metering" in refused["detail"]
    complete = done(await on_both.act(number, "complete", {"result": "读数无误"}, "sun"))
    assert (complete["state"], complete["parts"][0]["result"]) == ("pending_reply", "读数无误")
    assert "reply" in done(await on_both.get(f"/v1/complaints/{number}", "chen"))["available_actions"]
    left = done(await on_both.get("/v1/parts", "sun", state="dispatched"))["items"]
    assert number not in [item["number"] for item in left]


async def test_a_part_that_is_not_needed_is_released(on_sqlite: Api) -> None:
    number = await involved(on_sqlite)
    done(await on_sqlite.act(number, "complete", {"result": "阀芯已复位"}, "wu"))
    released = done(await on_sqlite.act(number, "release", {"department": "metering", "reason": "不必校表"}, "chen"))
    # It was all that the reply waited for.
    assert (released["state"], states(released)) == ("pending_reply", [("metering", "released")])
    assert {clock["status"] for clock in released["clocks"] if clock["part"]} == {"cancelled"}
    problem(await on_sqlite.act(number, "sign_for", {}, "sun"), 403, "other-department")


async def test_another_department_takes_a_part_over(on_sqlite: Api) -> None:
    number = await involved(on_sqlite)
    body = {"department": "billing", "task": "核对账单", "takes_over": "metering"}
    taken = done(await on_sqlite.act(number, "involve", body, "chen"))
    assert states(taken) == [("metering", "released"), ("billing", "dispatched")]
    nothing_left = {"department": "water_quality", "task": "化验", "takes_over": "metering"}
    found = problem(await on_sqlite.act(number, "involve", nothing_left, "chen"), 422, "no-such-part")
    assert found["accepted"] == ["billing", "no takeover"]


async def test_a_part_is_returned_with_its_reason_and_given_to_another(on_sqlite: Api) -> None:
    number = await involved(on_sqlite)
    returned = done(await on_sqlite.act(number, "return", {"reason": "表属营业部管"}, "sun"))
    assert (returned["state"], states(returned)) == ("in_progress", [("metering", "returned")])
    assert {clock["status"] for clock in returned["clocks"] if clock["part"]} == {"cancelled"}
    problem(await on_sqlite.act(number, "sign_for", {}, "sun"), 403, "other-department")
    # The reply waits for it until somebody else has it, or nobody.
    done(await on_sqlite.act(number, "complete", {"result": "阀芯已复位"}, "wu"))
    problem(await on_sqlite.act(number, "reply", {"message": "好了"}, "chen"), 409, "out-of-turn")
    body = {"department": "billing", "task": "核对账单", "takes_over": "metering"}
    taken = done(await on_sqlite.act(number, "involve", body, "zhou"))
    assert states(taken) == [("metering", "released"), ("billing", "dispatched")]
    reasons = [item["data"]["reason"] for item in await timeline(on_sqlite, number) if item["action"] == "return"]
    assert reasons == ["表属营业部管"]


async def test_a_part_is_done_while_the_case_waits_for_its_caller_or_for_management(on_sqlite: Api) -> None:
    number = await involved(on_sqlite)
    done(await on_sqlite.act(number, "suspend", {"reason": "用户买阀门"}, "wu"))
    done(await on_sqlite.act(number, "sign_for", {}, "sun"))
    completed = done(await on_sqlite.act(number, "complete", {"result": "读数无误"}, "sun"))
    assert (completed["state"], states(completed)) == ("suspended", [("metering", "completed")])
    other = await involved(on_sqlite)
    asked = done(await on_sqlite.act(other, "request_approval", {"subject": "换管", "amount": "480.00"}, "wu"))
    assert {clock["status"] for clock in asked["clocks"] if clock["part"]} == {"paused"}
    assert states(done(await on_sqlite.act(other, "sign_for", {}, "sun"))) == [("metering", "in_progress")]


async def test_staff_find_a_departments_parts_in_the_temporal_ui_until_they_are_done(on_sqlite: Api) -> None:
    number = await involved(on_sqlite)
    query = f'Involved = "metering" AND WorkflowId = "complaint-{number}"'

    async def found() -> int:
        return len([each async for each in on_sqlite.temporal.list_workflows(query)])

    assert await until(found, bool) == 1
    done(await on_sqlite.act(number, "sign_for", {}, "sun"))
    assert await found() == 1
    done(await on_sqlite.act(number, "complete", {"result": "读数无误"}, "sun"))
    # The case itself goes on.
    assert await until(found, lambda count: count == 0) == 0
    assert (await on_sqlite.complaint(number))["state"] == "in_progress"


def states(case: Json) -> list[tuple[str, str]]:
    return [(part["department"], part["state"]) for part in case["parts"]]


async def timeline(api: Api, number: str) -> list[Json]:
    found: list[Json] = done(await api.get(f"/v1/complaints/{number}/timeline"))["items"]
    return found


async def test_a_part_is_nobody_elses(on_sqlite: Api) -> None:
    number = await involved(on_sqlite)
    body = {"department": "metering", "result": "我来"}
    problem(await on_sqlite.act(number, "complete", body, "wu"), 403, "other-department")
    found = problem(
        await on_sqlite.act(number, "send_back", {"department": "billing", "reason": "?"}, "xu"), 422, "no-such-part"
    )
    assert found["accepted"] == ["metering"]


@pytest.mark.parametrize(
    ("state", "action", "body"),
    [
        ("dispatched", "sign_for", {}),
        ("dispatched", "return", {"reason": "人手不足"}),
        ("in_progress", "arrive", {}),
        ("in_progress", "complete", {"result": "我来"}),
    ],
)
async def test_a_department_with_a_part_does_not_act_on_the_case_by_naming_it(
    on_sqlite: Api, state: str, action: str, body: Json
) -> None:
    number = await on_sqlite.case_in(state)
    await on_sqlite.act(number, "involve", {"department": "metering", "task": TASK}, "chen")
    if state == "in_progress":
        await on_sqlite.act(number, "sign_for", {}, "sun")
    before = await on_sqlite.actions(number)
    answer = await on_sqlite.act(number, action, {**body, "department": "repair"}, "sun")
    assert problem(answer, 403, "other-department")["accepted"] == ["repair"]
    assert await on_sqlite.actions(number) == before
    done(await on_sqlite.act(number, action, {**body, "department": "metering"}, "sun"))


async def test_the_administrator_is_offered_what_may_be_done_to_a_part(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    done(await on_sqlite.act(number, "involve", {"department": "metering", "task": TASK}, "chen"))
    done(await on_sqlite.act(number, "sign_for", {}, "sun"))
    assert "complete" in (await on_sqlite.complaint(number, "chief"))["available_actions"]
    assert "complete" not in (await on_sqlite.complaint(number, "wu"))["available_actions"]
    done(await on_sqlite.act(number, "complete", {"department": "metering", "result": "读数无误"}, "chief"))


async def test_a_department_that_does_not_exist_is_not_involved(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    body = {"department": "brewery", "task": "Brew."}
    assert (
        "repair" in problem(await on_sqlite.act(number, "involve", body, "chen"), 422, "unknown-department")["accepted"]
    )
    own = {"department": "repair", "task": "Again."}
    problem(await on_sqlite.act(number, "involve", own, "chen"), 422, "already-involved")
    nothing = {"department": "metering", "reason": "Not needed."}
    problem(await on_sqlite.act(number, "release", nothing, "chen"), 409, "out-of-turn")
    problem(await on_sqlite.act(number, "involve", {"department": "metering", "task": TASK}, "sun"), 403, "wrong-role")


async def test_pages_hang_together(on_both: Api) -> None:
    numbers = [await involved(on_both) for _ in range(3)]
    found: list[str] = []
    wanted: dict[str, str | int] = {"department": "metering", "limit": 2}
    while len(set(numbers) & set(found)) < len(numbers):
        page = done(await on_both.get("/v1/parts", "chen", **wanted))
        found += [item["number"] for item in page["items"]]
        wanted["cursor"] = page["next_cursor"]
    assert [number for number in found if number in numbers] == numbers[::-1]
    assert len(found) == len(set(found))


async def test_parts_of_several_states_are_one_list(on_both: Api) -> None:
    waiting, signed, finished = [await involved(on_both) for _ in range(3)]
    for number in (signed, finished):
        done(await on_both.act(number, "sign_for", {}, "sun"))
    done(await on_both.act(finished, "complete", {"result": "读数无误"}, "sun"))
    again = await involved(on_both)
    found: list[str] = []
    wanted: Json = {"state": ["in_progress", "dispatched"], "limit": 1}
    while waiting not in found:
        page = done(await on_both.get("/v1/parts", "sun", **wanted))
        found += [item["number"] for item in page["items"]]
        wanted["cursor"] = page["next_cursor"]
    assert found == [again, signed, waiting]


async def test_whose_parts_must_be_known(on_sqlite: Api) -> None:
    assert "metering" in problem(await on_sqlite.get("/v1/parts", "chen"), 422, "unknown-department")["accepted"]
    problem(await on_sqlite.get("/v1/parts", "chen", department="metering", cursor="x"), 422, "invalid-cursor")
