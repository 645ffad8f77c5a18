"""Correction (更正) over HTTP: the terms come from the catalogue in force, and every list and search follows."""

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.names import complaint_id
from domain.catalogue.terms import Terms
from hotline.files.catalogue_store import CatalogueStore
from tests.support.api import CALL, Api, Json, problem
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER = {"name": "李婆婆", "phone": "13800138111", "account_no": "7300001"}
PLACE = {"district": "west", "address": "下闸新村 3 号", "lat": 22.5, "lng": 113.3}


def clock(case: Json, name: str) -> Json:
    found: Json = next(each for each in case["clocks"] if each["name"] == name)
    return found


async def numbers(api: Api, **filters: Any) -> list[str]:
    return [case["number"] for case in (await api.get("/v1/complaints", **filters)).json()["items"]]


async def attributes(api: Api, number: str, name: str, value: str) -> WorkflowHandle[Any, Any]:
    """Wait until Temporal shows this value."""
    handle = api.temporal.get_workflow_handle(complaint_id(number))
    await until(handle.describe, lambda seen: seen.search_attributes.get(name) == [value])
    return handle


async def test_a_corrected_service_is_held_to_its_promises_and_found_under_it(on_both: Api) -> None:
    number = await on_both.case_in("dispatched", location={"district": "guzhen"})
    before = await on_both.complaint(number)
    body = {"reason": "是爆管", "service_code": "爆管", "location": {"district": "西区"}}
    answer = await on_both.act(number, "correct", body, "zhou")
    case = answer.json()
    assert answer.status_code == 200, answer.text
    right = on_both.backend.catalogue.terms("burst_main", "west", on_both.clock())
    assert (case["service_code"], case["priority"], case["location"]["district"]) == ("burst_main", "P1", "west")
    promised = {each.name: each.budget_seconds for each in right.promises}
    assert {each["name"]: each["budget_seconds"] for each in case["clocks"]} == promised
    assert clock(case, "arrive")["started_at"] == clock(before, "arrive")["started_at"]
    # Read of SQL, and of the workflow.
    read = await on_both.complaint(number)
    assert [each["due_at"] for each in read["clocks"]] == [each["due_at"] for each in case["clocks"]]
    assert (await on_both.act(number, "comment", {"note": "?"}, "zhou")).json()["priority"] == "P1"
    assert number in await numbers(on_both, service="burst_main", district="west")
    assert number not in await numbers(on_both, service="no_water")
    await attributes(on_both, number, "Service", "burst_main")
    await attributes(on_both, number, "Priority", "P1")
    await attributes(on_both, number, "District", "west")
    [event] = [
        item
        for item in (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
        if item["action"] == "correct"
    ]
    assert event["data"]["after"]["service_code"] == "burst_main"
    assert "arrive" in {moved["clock"] for moved in event["data"]["moved"]}
    assert "terms" not in event["data"]


async def test_a_corrected_district_has_the_promises_of_its_zone(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", service_code="burst_main")
    town, outskirts = (
        {each.name: each.budget_seconds for each in on_sqlite.backend.catalogue.promises("burst_main", district)}
        for district in ("west", "guzhen")
    )
    assert town["arrive"] < outskirts["arrive"]
    case = (await on_sqlite.act(number, "correct", {"reason": "x", "location": {"district": "古镇镇"}}, "li")).json()
    assert clock(case, "arrive")["budget_seconds"] == outskirts["arrive"]


async def test_a_corrected_caller_is_the_one_who_is_found(on_both: Api) -> None:
    number = (await on_both.register({**CALL, "caller": CALLER, "location": PLACE})).json()["number"]
    right = {"caller": {"phone": "13900139222", "account_no": "7300002"}, "location": {"address": "莲塘路 8 号"}}
    case = (await on_both.act(number, "correct", {"reason": "听错了", **right}, "chen")).json()
    assert case["caller"] == {"name": "李婆婆", "phone": "13900139222", "account_no": "7300002"}
    assert case["location"] == {"district": "west", "address": "莲塘路 8 号", "lat": None, "lng": None}
    for q in ("13900139222", "7300002", "莲塘路"):
        assert number in await numbers(on_both, q=q), q
    for q in ("13800138111", "7300001", "下闸新村"):
        assert number not in await numbers(on_both, q=q), q
    # The record of a later call from that telephone.
    later = (await on_both.register({**CALL, "caller": {"phone": "13900139222"}})).json()["number"]
    record = (await on_both.get(f"/v1/complaints/{later}/caller", "chen")).json()
    assert [each["number"] for each in record["earlier_cases"]] == [number]


async def test_who_sees_an_address_masked_corrects_the_district_alone(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", location={"district": "west", "address": "莲塘东路16号"})
    assert (await on_sqlite.act(number, "hand_over", {"owner": "gao"}, "xu")).status_code == 200
    for place in ({"address": "莲塘东路16号"}, {"lat": 22.5, "lng": 113.3}):
        problem(await on_sqlite.act(number, "correct", {"reason": "x", "location": place}, "gao"), 403, "wrong-role")
    moved = await on_sqlite.act(number, "correct", {"reason": "x", "location": {"district": "south"}}, "gao")
    assert moved.status_code == 200


@pytest.mark.parametrize("half", [{"lat": 22.6}, {"lng": 113.4}, {"lat": None}, {"lat": 22.6, "lng": None}], ids=str)
async def test_half_coordinates_are_refused_at_intake_and_in_a_correction(on_sqlite: Api, half: Json) -> None:
    number = await on_sqlite.case_in("dispatched", location=PLACE)
    taken = await on_sqlite.register({**CALL, "location": half})
    corrected = await on_sqlite.act(number, "correct", {"reason": "x", "location": half}, "li")
    message = "lat and lng go together: both are numbers, both are null, or neither is given"
    for answer in (taken, corrected):
        assert problem(answer, 422, "invalid-request")["errors"] == [{"field": "body.location", "message": message}]
    assert (await on_sqlite.complaint(number))["location"] == PLACE


async def test_coordinates_are_cleared_together(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", location=PLACE)
    nowhere = {"lat": None, "lng": None}
    case = (await on_sqlite.act(number, "correct", {"reason": "x", "location": nowhere}, "li")).json()
    assert case["location"] == PLACE | nowhere


async def test_codes_are_those_of_the_catalogue_and_terms_are_not_the_clients(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    problem(
        await on_sqlite.act(number, "correct", {"reason": "x", "service_code": "tea"}, "li"), 422, "unknown-service"
    )
    place = {"reason": "x", "location": {"district": "atlantis"}}
    problem(await on_sqlite.act(number, "correct", place, "li"), 422, "unknown-district")
    terms = on_sqlite.backend.catalogue.terms("leak", "west", on_sqlite.clock())
    own = {"terms": terms.model_dump(mode="json"), "edition": {"digest": "0", "name": "0", "name_zh": "0"}}
    forged = {"reason": "x", "service_code": "leak", "in_force": own}
    found = problem(await on_sqlite.act(number, "correct", forged, "li"), 422, "invalid-request")
    assert found["errors"][0]["field"] == "body.in_force"
    assert "in_force" not in found["errors"][0]["message"]
    problem(await on_sqlite.act(number, "correct", {"reason": "x"}, "li"), 422, "nothing-corrected")
    assert await on_sqlite.actions(number) == ["register", "dispatch"]


async def test_a_repeated_correction_is_answered_as_the_first_time(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    body = {"reason": "x", "service_code": "leak", "priority": "P1"}
    for _ in range(2):
        answer = await on_sqlite.act(number, "correct", body, "li", key="a-correction")
        case = answer.json()
        assert (answer.status_code, case["version"], case["priority"]) == (200, 3, "P1")


async def test_who_sees_a_caller_masked_corrects_none_and_confirms_no_guess(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", caller={"phone": "13800138000"})
    for phone in ("13800138000", "13700000000"):
        guess = {"reason": "x", "caller": {"phone": phone}}
        problem(await on_sqlite.act(number, "correct", guess, "zhou"), 403, "wrong-role")
    assert await on_sqlite.actions(number) == ["register"]


async def test_to_take_a_fact_away_is_another_request_than_to_leave_it(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", caller={"name": "陈先生", "phone": "0760 8823 0001"})
    taken = await on_sqlite.act(number, "correct", {"reason": "x", "caller": {"name": None}}, "li", key="a-name")
    assert taken.status_code == 200
    other = await on_sqlite.act(number, "correct", {"reason": "x", "caller": {}}, "li", key="a-name")
    problem(other, 422, "idempotency-key-reused")
    assert (await on_sqlite.complaint(number))["caller"] == {
        "name": None,
        "phone": "0760 8823 0001",
        "account_no": None,
    }


async def test_a_case_of_a_service_that_is_gone_can_be_moved_and_keeps_its_terms(
    on_sqlite: Api, store: CatalogueStore
) -> None:
    number = await on_sqlite.case_in("dispatched", service_code="leak")
    usual = on_sqlite.backend.catalogue
    services = tuple(each for each in usual.services if each.code != "leak")
    store.put(usual.model_copy(update={"services": services}), on_sqlite.settings.catalogue, on_sqlite.clock())
    case = (await on_sqlite.act(number, "correct", {"reason": "x", "location": {"district": "guzhen"}}, "li")).json()
    assert (case["service_code"], case["location"]["district"]) == ("leak", "guzhen")
    promises: Terms = usual.terms("leak", "west", on_sqlite.clock())
    budgets = {each.name: each.budget_seconds for each in promises.promises}
    assert {each["name"]: each["budget_seconds"] for each in case["clocks"]} == budgets
