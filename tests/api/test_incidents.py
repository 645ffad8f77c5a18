"""Incidents over HTTP: one cause, many calls, one dispatch, one reply to all."""

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.api.test_registering import BEFORE_MIDNIGHT, DAY, SECOND
from tests.support.api import CALL, Api, Clock, Json, api_on_its_day, problem
from tests.support.hotline import until
from workflows.clients.upkeep import SURGE_WATCH

DIRECTIONS = {"services": ["no_water"], "districts": ["west"], "title": "爆管停水 burst main"}
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(name="api")
def _api(on_sqlite: Api) -> Api:
    return on_sqlite


async def declare(api: Api, **changes: Any) -> str:
    """The number of a new incident."""
    answer = await api.post("/v1/incidents", {**DIRECTIONS, **changes}, "zhou")
    assert answer.status_code == 201, answer.text
    number: str = answer.json()["number"]
    assert answer.headers["Location"] == f"/v1/incidents/{number}"
    return number


async def act(api: Api, number: str, action: str, body: Json | None = None, by: str = "zhou") -> Json:
    answer = await api.post(f"/v1/incidents/{number}/actions/{action}", body or {}, by)
    assert answer.is_success, answer.text
    found: Json = answer.json()
    return found


async def incident(api: Api, number: str) -> Json:
    found: Json = (await api.get(f"/v1/incidents/{number}")).json()
    return found


async def in_state(api: Api, number: str, state: str) -> Json:
    found: Json = await until(lambda: incident(api, number), lambda seen: seen["state"] == state)
    return found


async def linked_to(api: Api, case: str, number: str | None) -> Json:
    found: Json = await until(lambda: api.complaint(case), lambda seen: seen["incident"] == number)
    return found


@pytest.mark.slow
async def test_declared_again_past_midnight_it_is_the_incident_of_the_day_before(on_sqlite: Api) -> None:
    body, mine = {**DIRECTIONS, "districts": ["minzhong"]}, uuid.uuid4().hex
    numbers, clock = [], Clock()
    async with api_on_its_day(on_sqlite, clock) as api:
        for at in (BEFORE_MIDNIGHT, BEFORE_MIDNIGHT + SECOND, BEFORE_MIDNIGHT + SECOND + DAY):
            clock.fixed = at
            answer = await api.post("/v1/incidents", body, "zhou", mine)
            assert answer.is_success, answer.text
            numbers.append(answer.json()["number"])
    declared, again, later = numbers
    assert again == declared
    assert (declared[:7], later[:7]) == ("i260309", "i260311")


async def test_no_caller_is_told_that_water_was_back_yesterday(on_sqlite: Api) -> None:
    past = (on_sqlite.clock() - timedelta(seconds=1)).isoformat()
    number = await declare(on_sqlite, districts=["east"], services=["leak"])
    body = {"message": "正在抢修", "expected_at": past}
    refused = await on_sqlite.post(f"/v1/incidents/{number}/actions/inform", body, "zhou")
    assert problem(refused, 422, "expected-at-past")["accepted"] == ["a time to come", "no expected_at"]
    found = (await on_sqlite.get(f"/v1/incidents/{number}", "zhou")).json()
    assert (found["expected_at"], found["version"]) == (None, 1)


async def test_no_incident_begins_in_the_future(on_sqlite: Api) -> None:
    later = (on_sqlite.clock() + timedelta(minutes=1)).isoformat()
    refused = await on_sqlite.post("/v1/incidents", {**DIRECTIONS, "since": later}, "zhou")
    assert problem(refused, 422, "since-ahead")["accepted"][1] == "no since"


async def test_one_cause_is_handled_once_and_every_caller_is_replied_to(on_both: Api) -> None:
    district = "south"
    before = await on_both.case_in("dispatched", location={"district": district})
    number = await declare(on_both, districts=[district])
    await linked_to(on_both, before, number)
    await until(lambda: _registered_into(on_both, district), lambda found: found == number)
    during = await on_both.case_in("registered", location={"district": district})
    elsewhere = await on_both.case_in("registered", location={"district": "east"})
    assert (await on_both.complaint(elsewhere))["incident"] is None
    await act(on_both, number, "dispatch", {"department": "repair"})
    await act(on_both, number, "sign_for", by="wu")
    await act(on_both, number, "inform", {"message": "正在抢修", "expected_at": "2036-01-01T00:00:00+08:00"})
    await act(on_both, number, "resolve", {"result": "换管", "message": "已恢复供水"}, by="wu")

    ended = await in_state(on_both, number, "resolved")

    assert ended["expected_at"] == "2035-12-31T16:00:00Z"
    for case in (before, during):
        shown = await until(partial(on_both.complaint, case), lambda seen: seen["state"] == "pending_follow_up")
        assert (shown["incident"], shown["sla"]) == (number, "on_time")
        assert [name for name in await on_both.actions(case) if name != "link_incident"][-2:] == ["complete", "reply"]
        assert {clock["name"]: clock["status"] for clock in shown["clocks"]}["follow_up"] == "running"
    listed = (await on_both.get("/v1/complaints", incident=number)).json()["items"]
    assert {before, during} <= {item["number"] for item in listed}
    assert ended["cases"] == ended["cases_by_state"]["pending_follow_up"] == len(listed)
    happened = (await on_both.get(f"/v1/incidents/{number}/timeline")).json()["items"]
    actions = [item["action"] for item in happened]
    assert actions == ["declare", "dispatch", "sign_for", "inform", "resolve", "finish"]
    assert happened[-1]["data"] == {"settled": len(listed)}


async def _registered_into(api: Api, district: str) -> str | None:
    """The incident that a call from there belongs to now."""
    found: Json = (await api.register({**CALL, "location": {"district": district}})).json()
    assert (await api.complaint(found["number"]))["incident"] == found["incident"]
    return found["incident"]  # type: ignore[no-any-return]  # of JSON


@pytest.mark.slow
async def test_more_calls_than_chance_brings_are_suspected_once_and_linked_when_confirmed(on_both: Api) -> None:
    # One server, two databases: a suspicion is known by service and district, and each database needs its own.
    district = "torch" if on_both.settings.database_url.startswith("sqlite") else "nanlang"
    cases = [await on_both.case_in("registered", location={"district": district}) for _ in range(11)]
    await SURGE_WATCH.start(on_both.temporal, on_both.settings.task_queue)

    async def listed() -> list[Json]:
        return await _of(on_both, district)

    try:
        (found,) = await until(listed, bool)
        await on_both.case_in("registered", location={"district": district})
        assert (found["state"], found["opened_by"]) == ("suspected", "system")
        assert (await on_both.complaint(cases[0]))["incident"] is None

        await act(on_both, found["number"], "confirm", {"title": "咸潮", "services": ["water_quality"]})

        for case in cases:
            await linked_to(on_both, case, found["number"])
        assert (await incident(on_both, found["number"]))["services"] == ["no_water", "water_quality"]
        assert len(await listed()) == 1

        await act(on_both, found["number"], "resolve", {"result": "好了", "message": "好了"})
        await in_state(on_both, found["number"], "resolved")
        for _ in range(11):
            await on_both.case_in("registered", location={"district": district})
        latest, *_ = await until(listed, lambda seen: len(seen) == 2)
        assert (latest["state"], latest["number"] == found["number"]) == ("suspected", False)
    finally:
        await on_both.temporal.get_workflow_handle(SURGE_WATCH.id).terminate()


async def _of(api: Api, district: str) -> list[Json]:
    items = (await api.get("/v1/incidents")).json()["items"]
    return [item for item in items if district in item["districts"]]


@pytest.mark.slow
async def test_emergencies_overtake_incidents_and_all_else_overtakes_their_rounds(on_sqlite: Api) -> None:
    """A task has the priority of its workflow, unless the activity has its own: 1 goes first, 5 last."""

    async def priority(workflow: str) -> int:
        described = await on_sqlite.temporal.get_workflow_handle(workflow).describe()
        return int(described.raw_description.workflow_execution_info.priority.priority_key)

    calls = {"burst_main": 1, "no_water": 2, "low_pressure": 3, "billing": 4, "inquiry": 5}
    numbers = {code: await on_sqlite.case_in("registered", service_code=code) for code in calls}
    assert {code: await priority(f"complaint-{number}") for code, number in numbers.items()} == calls

    here = {"location": {"district": "gangkou"}}
    before = await on_sqlite.case_in("registered", **here)
    one = await declare(on_sqlite, districts=["gangkou"])
    await linked_to(on_sqlite, before, one)
    other = await declare(on_sqlite, districts=["gangkou"])
    await act(on_sqlite, one, "inform", {"message": "正在抢修"})
    await act(on_sqlite, one, "merge", {"into": other})
    await in_state(on_sqlite, one, "merged")
    await act(on_sqlite, other, "resolve", {"result": "已换管", "message": "已恢复供水"})
    await in_state(on_sqlite, other, "resolved")
    rounds: dict[str, int] = {}
    for number in (one, other):
        assert await priority(f"incident-{number}") == 2
        history = await on_sqlite.temporal.get_workflow_handle(f"incident-{number}").fetch_history()
        for event in history.events:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name:
                rounds[scheduled.activity_type.name] = scheduled.priority.priority_key
    behind_all = dict.fromkeys(("gather_cases", "inform_callers", "merge_incident", "relink_cases", "settle_cases"), 5)
    assert rounds == {"publish_incident": 0, **behind_all}


async def test_a_merged_incident_hands_its_cases_and_its_scope_on(api: Api) -> None:
    one, other = await declare(api, districts=["shaxi"]), await declare(api, districts=["dachong"])
    case = await api.case_in("registered", location={"district": "banfu"})
    await api.act(case, "link_incident", {"incident": other}, "zhou")
    await act(api, other, "merge", {"into": one})

    ended = await in_state(api, other, "merged")

    assert ended["into"] == one
    await linked_to(api, case, one)
    taken_over = await until(lambda: incident(api, one), lambda seen: len(seen["districts"]) == 2)
    assert taken_over["districts"] == ["shaxi", "dachong"]
    await act(api, one, "resolve", {"result": "好了", "message": "好了"})
    await until(lambda: api.complaint(case), lambda seen: seen["state"] == "pending_follow_up")


async def test_a_dismissed_incident_lets_its_cases_go(api: Api) -> None:
    number = await declare(api, districts=["sanxiang"])
    case = await api.case_in("dispatched", location={"district": "sanxiang"}, service_code="leak")
    await api.act(case, "link_incident", {"incident": number}, "zhou")
    paused = await linked_to(api, case, number)
    assert {clock["status"] for clock in paused["clocks"] if clock["name"] in ("acknowledge", "arrive")} == {"paused"}

    await act(api, number, "dismiss", {"reason": "各有各的原因"})

    await in_state(api, number, "dismissed")
    free = await linked_to(api, case, None)
    assert {clock["status"] for clock in free["clocks"] if clock["name"] in ("acknowledge", "arrive")} == {"running"}
    assert "own_cause" not in free["flags"]


async def test_a_case_with_something_of_its_own_is_kept_open(api: Api) -> None:
    number = await declare(api, districts=["tanzhou"])
    case = await api.case_in("in_progress", location={"district": "tanzhou"}, service_code="leak")
    await api.act(case, "involve", {"department": "metering", "task": "换表"}, "zhou")
    await api.act(case, "link_incident", {"incident": number}, "zhou")
    await linked_to(api, case, number)

    await act(api, number, "resolve", {"result": "好了", "message": "好了"})

    await in_state(api, number, "resolved")
    assert (await api.complaint(case))["state"] == "in_progress"
    assert (await api.actions(case))[-1] == "comment"


async def test_a_case_that_is_taken_out_by_hand_is_not_settled_with_the_others(api: Api) -> None:
    number = await declare(api, districts=["nantou"])
    case = await api.case_in("registered", location={"district": "nantou"}, service_code="leak")
    await api.act(case, "link_incident", {"incident": number}, "zhou")
    await api.act(case, "link_incident", {"incident": None}, "zhou")

    await act(api, number, "resolve", {"result": "好了", "message": "好了"})

    await in_state(api, number, "resolved")
    shown = await api.complaint(case)
    assert (shown["state"], shown["incident"]) == ("registered", None)
    assert "own_cause" in shown["flags"]


async def test_a_case_is_linked_to_no_incident_that_has_ended(api: Api) -> None:
    number = await declare(api, districts=["fusha"])
    await act(api, number, "dismiss", {"reason": "误报"})
    await in_state(api, number, "dismissed")
    case = await api.case_in("registered", location={"district": "fusha"})

    found = problem(await api.act(case, "link_incident", {"incident": number}, "zhou"), 409, "incident-closed")

    assert "dismissed" in found["detail"]
    assert (await api.complaint(case))["incident"] is None
    problem(await api.act(case, "link_incident", {"incident": "i26080300014"}, "zhou"), 422, "unknown-incident")
    problem(await api.act(case, "link_incident", {"incident": "salt tide"}, "zhou"), 422, "invalid-request")
    problem(await api.act(case, "link_incident", {"incident": None}, "zhou"), 422, "same-incident")


async def test_what_cannot_be_done_to_an_incident_is_said(api: Api) -> None:
    number = await declare(api, districts=["henglan"])
    path = f"/v1/incidents/{number}/actions"
    problem(await api.post(f"{path}/confirm", {}, "zhou"), 409, "out-of-turn")
    problem(await api.post(f"{path}/dispatch", {"department": "repair"}, "chen"), 403, "wrong-role")
    problem(await api.post(f"{path}/dispatch", {"department": "moon"}, "zhou"), 422, "unknown-department")
    problem(await api.post(f"{path}/merge", {"into": number}, "zhou"), 422, "same-incident")
    problem(await api.post(f"{path}/merge", {"into": "i26080300014"}, "zhou"), 422, "unknown-incident")
    await act(api, number, "dispatch", {"department": "repair"})
    problem(await api.post(f"{path}/sign_for", {}, "sun"), 403, "other-department")
    problem(await api.post("/v1/incidents", {**DIRECTIONS, "districts": ["moon"]}, "zhou"), 422, "unknown-district")
    problem(await api.post("/v1/incidents", DIRECTIONS, "chen"), 403, "wrong-role")
    problem(await api.get("/v1/incidents/i26080300014"), 404, "incident-not-found")
    problem(await api.get("/v1/incidents/salt-tide"), 422, "invalid-request")


async def test_the_same_request_declares_one_incident(api: Api) -> None:
    body = {**DIRECTIONS, "districts": ["shenwan"]}
    before = len(await _of(api, "shenwan"))

    first, second = [await api.post("/v1/incidents", body, "zhou", "once") for _ in range(2)]

    assert first.json()["number"] == second.json()["number"]
    assert len(await _of(api, "shenwan")) == before + 1


async def test_lists_turn_pages_of_incidents(api: Api) -> None:
    for district in ("guzhen", "xiaolan", "huangpu"):
        await declare(api, districts=[district])
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await api.get("/v1/incidents", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [item["number"] for item in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert len(seen) == len(set(seen)) >= 3
    problem(await api.get("/v1/incidents", cursor="x"), 422, "invalid-cursor")
    problem(await api.get("/v1/incidents", state="sad"), 422, "invalid-request")
