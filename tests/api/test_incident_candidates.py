"""Cases that an incident takes by itself, that it proposes, and that its end leaves to departments, over HTTP."""

import uuid
from functools import partial
from typing import Any

import pytest

from tests.api.test_incidents import DIRECTIONS, act, declare, in_state, incident, linked_to
from tests.support.api import Api, Json, problem
from tests.support.hotline import until
from tests.support.incidents import opening
from workflows.clients.incidents import start_incident
from workflows.clients.start import Request
from workflows.kit.words import CatalogueNames

pytestmark = pytest.mark.asyncio(loop_scope="session")
END = {"result": "主管已修复", "message": "主管已修复，感谢谅解"}
MAIN = {"lat": 22.52, "lng": 113.39, "radius_m": 400}
"""Circle around the burst main."""


@pytest.fixture(name="api")
def _api(on_sqlite: Api) -> Api:
    return on_sqlite


async def suspected(api: Api, district: str, service: str = "leak") -> str:
    """The number of an incident that the number of calls raised in a district."""
    scope = {"services": [service], "districts": [district]}
    start = opening(number="", title="爆管", scope=scope, since="2026-01-01T00:00:00Z", at=api.clock())
    begun = await start_incident(
        api.temporal, api.settings.task_queue, start, Request(key=uuid.uuid4().hex), CatalogueNames()
    )
    number = begun.incident.number
    await until(partial(incident, api, number), lambda seen: seen.get("state") == "suspected")
    return number


async def leak(api: Api, district: str, *steps: tuple[str, str, Json], **place: Any) -> str:
    """A leak in the district after these steps: person, action and fields."""
    body = {"service_code": "leak", "description": "漏水", "location": {"district": district, **place}}
    number: str = (await api.register(body)).json()["number"]
    for by, action, fields in steps:
        answer = await api.act(number, action, fields, by)
        assert answer.is_success, answer.text
    return number


TO_CREW: tuple[tuple[str, str, Json], ...] = (("zhou", "dispatch", {"department": "repair"}), ("wu", "sign_for", {}))
MENDED = (*TO_CREW, ("wu", "complete", {"result": "户内漏点已修"}))
ASKED = (
    *TO_CREW,
    ("wu", "request_approval", {"subject": "户内改管", "amount": "1480", "kind": "funded_repair", "grounds": "低保户"}),
)


async def candidates(api: Api, number: str, by: str = "zhou") -> dict[str, Json]:
    """Everything that the incident proposes, by number, two on a page."""
    found: dict[str, Json] = {}
    cursor: Json = {}
    while True:
        page = (await api.get(f"/v1/incidents/{number}/candidates", by, limit=2, **cursor)).json()
        found |= {item["number"]: item for item in page["items"]}
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.slow
async def test_an_incident_takes_no_work_that_departments_have_begun(api: Api) -> None:
    """The attack: repairs inside flats, a rework and mended leaks in the district of a burst main."""
    district = "minzhong"
    number = await suspected(api, district)
    decide: Json = {"approved": True, "reason": "情况属实"}
    approved = await leak(
        api, district, *ASKED, ("gao", "decide_approval", decide), ("chief", "decide_approval", decide)
    )
    rejected = await leak(api, district, *ASKED, ("gao", "decide_approval", {**decide, "approved": False}))
    rework = await leak(
        api,
        district,
        *MENDED,
        ("chen", "reply", {"message": "已修复"}),
        ("he", "follow_up", {"outcome": "dissatisfied"}),
    )
    mended = [await leak(api, district, *MENDED) for _ in range(3)]
    fresh, dispatched = await leak(api, district), await leak(api, district, TO_CREW[0])
    mine = {approved, rejected, rework, *mended}

    await act(api, number, "confirm", {})

    for case in (fresh, dispatched):
        await linked_to(api, case, number)
    later = await leak(api, district)
    await linked_to(api, later, number)
    proposed = await candidates(api, number)
    assert proposed.keys() == mine
    assert {"signed_for", "approval"} == {*proposed[approved]["reasons"]}
    assert "rework" in proposed[rework]["reasons"]
    assert "work_done" in proposed[mended[0]]["reasons"]
    assert (proposed[approved]["state"], proposed[approved]["description"]) == ("in_progress", "漏水")

    # Somebody names the approved repair; the end of the incident leaves it to its department all the same.
    assert (await api.act(approved, "link_incident", {"incident": number}, "xu")).is_success
    await linked_to(api, approved, number)
    await act(api, number, "resolve", END)
    ended = await in_state(api, number, "resolved")

    assert (ended["settled_cases"], ended["kept_cases"]) == (3, 1)
    listed = {each["number"]: each for each in (await api.get("/v1/incidents")).json()["items"]}[number]
    assert (listed["settled_cases"], listed["kept_cases"]) == (3, 1)
    kept = await api.complaint(approved)
    assert (kept["state"], kept["department"], kept["result"], kept["reply"]) == ("in_progress", "repair", None, None)
    assert await told(api, approved) == []
    for case in (fresh, dispatched, later):
        shown = await until(partial(api.complaint, case), lambda seen: seen["state"] == "pending_follow_up")
        assert {clock["status"] for clock in shown["clocks"] if clock["name"] == "arrive"} <= {"cancelled"}
        assert await told(api, case) == [END["message"]]
    for case in mine - {approved}:
        assert (await api.complaint(case))["incident"] is None


async def told(api: Api, case: str) -> list[str]:
    """Replies in the timeline of a case that an incident brought."""
    items = (await api.get(f"/v1/complaints/{case}/timeline")).json()["items"]
    return [item["data"]["message"] for item in items if item["action"] == "reply" and "incident" in item["data"]]


async def test_a_confirmation_takes_the_cases_that_it_names_also_into_another_incident(api: Api) -> None:
    number, other = await suspected(api, "sanjiao"), await declare(api, districts=["banfu"])
    named, mended = await leak(api, "sanjiao", *TO_CREW), await leak(api, "sanjiao", *MENDED)
    path = f"/v1/incidents/{number}/actions/confirm"
    replied = await leak(api, "sanjiao", *MENDED, ("chen", "reply", {"message": "已修复"}))
    unknown = problem(await api.post(path, {"cases": [named, "2608034711004"]}, "zhou"), 422, "unknown-cases")
    assert "2608034711004" in unknown["detail"]
    over = problem(await api.post(path, {"cases": [named, replied]}, "zhou"), 409, "cases-over")
    assert replied in over["detail"]
    problem(await api.post(path, {"cases": ["17"]}, "zhou"), 422, "invalid-request")

    await act(api, number, "confirm", {"cases": [f"{named[:6]}-{named[6:]}"]}, by="xu")
    await act(api, number, "merge", {"into": other})

    await in_state(api, number, "merged")
    await linked_to(api, named, other)
    by_name = [item for item in (await timeline(api, named)) if item["action"] == "link_incident"]
    assert [(item["actor"], item["data"]["incident"]) for item in by_name] == [("xu", number), ("system", other)]
    assert mended in await candidates(api, other)


async def timeline(api: Api, case: str) -> list[Json]:
    found: list[Json] = (await api.get(f"/v1/complaints/{case}/timeline")).json()["items"]
    return found


@pytest.mark.slow
async def test_a_circle_takes_what_is_inside_by_itself_and_nothing_else(api: Api) -> None:
    district = "nantou"
    number = await suspected(api, district)
    inside = await leak(api, district, lat=22.521, lng=113.391)
    kitchen = await leak(api, district, lat=22.56, lng=113.391)
    nowhere = await leak(api, district)

    await act(api, number, "confirm", MAIN)

    await linked_to(api, inside, number)
    later = await leak(api, district, lat=22.519, lng=113.389)
    await linked_to(api, later, number)
    later_kitchen = await leak(api, district, lat=22.57, lng=113.391)
    proposed = await candidates(api, number)
    assert proposed[nowhere]["reasons"] == ["place_unknown"]
    assert proposed.keys().isdisjoint({inside, kitchen, later, later_kitchen})
    for case in (kitchen, nowhere, later_kitchen):
        assert (await api.complaint(case))["incident"] is None
    shown = await incident(api, number)
    assert (shown["districts"], shown["circle"], shown["streets"]) == ([district], MAIN, [])


async def test_streets_take_the_cases_whose_address_contains_them(api: Api) -> None:
    signed = await leak(api, "west", *TO_CREW, address="莲塘东路20号 13800138000")
    since = (await api.complaint(signed))["registered_at"]
    number = await declare(api, services=["leak"], districts=[], streets=["莲塘东路"], since=since)
    mine = await until(partial(at, api, "莲塘东路18号"), lambda found: found[1] == number)
    other, _ = await at(api, "中山一路 8 号")
    assert (await api.complaint(mine[0]))["incident"] == number
    assert (await api.complaint(other))["incident"] is None
    proposed = await candidates(api, number)
    assert (signed in proposed, other in proposed) == (True, False)
    assert proposed[signed]["location"]["address"] == "莲塘东路20号 138****8000"
    seen_clear = await candidates(api, number, "xu")
    assert seen_clear[signed]["location"]["address"] == "莲塘东路20号 13800138000"


async def at(api: Api, address: str) -> tuple[str, str | None]:
    """A leak at an address, and the incident that it is linked to at once."""
    case = await leak(api, "west", address=address)
    return case, (await api.complaint(case))["incident"]


async def test_a_reinstated_case_is_proposed_while_the_incident_is_open(api: Api) -> None:
    district = "shenwan"
    number = await suspected(api, district)
    mine = await leak(api, district)
    assert await candidates(api, number) == {}
    await act(api, number, "confirm", {})
    await linked_to(api, mine, number)
    for action in ("withdraw", "reinstate"):
        assert (await api.act(mine, action, {"reason": "误操作"}, "chen")).is_success
    assert (await candidates(api, number))[mine]["reasons"] == ["not_taken"]
    assert (await api.act(mine, "link_incident", {"incident": number}, "zhou")).is_success
    assert await candidates(api, number) == {}


async def test_bad_scopes_and_readers_are_refused(api: Api) -> None:
    nowhere = {name: value for name, value in DIRECTIONS.items() if name != "districts"}
    for given, words in (
        ({}, "Districts, a circle (lat, lng, radius_m) or streets"),
        ({"lat": 22.5, "lng": 113.4}, "lat, lng and radius_m"),
        ({**MAIN, "radius_m": 10**6}, "50000"),
        ({**MAIN, "streets": ["莲塘东路"]}, "not both"),
    ):
        found = problem(await api.post("/v1/incidents", {**nowhere, **given}, "zhou"), 422, "invalid-request")
        assert words in str(found), found
    number = await declare(api, districts=["henglan"])
    path = f"/v1/incidents/{number}/candidates"
    problem(await api.get(path, "wu"), 403, "wrong-role")
    problem(await api.get(path, "zhou", cursor="x"), 422, "invalid-cursor")
    problem(await api.get("/v1/incidents/i26080300014/candidates", "zhou"), 404, "incident-not-found")
