"""Services, districts, departments and channels are given by code or name, Chinese or English; answers have codes."""

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from domain.catalogue.catalogue import Catalogue
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.api import CALL, Api, Json, models_of, problem
from tests.support.openapi import parameters_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = ["Repair!", "", "x" * 41, "no_such_thing", "S"]
"""Malformed, empty, too long, unknown, too short for a name."""
CASE, INCIDENT = "/v1/complaints/2001010000001", "/v1/incidents/i26080347119"
BESIDE: dict[str, Json] = {
    "dispatch": {},
    "involve": {"task": "?"},
    "release": {"reason": "?"},
    "sign_for": {},
    "return": {"reason": "?"},
    "arrive": {},
    "complete": {"result": "?"},
    "send_back": {"reason": "?"},
    "assign": {"assignee": "wu"},
}
"""The actions that name a department, with what else they need."""
PLACES: list[tuple[str, str, Json, str]] = [
    ("service", "/v1/complaints", {**CALL, "service_code": "@"}, "body.service_code"),
    ("district", "/v1/complaints", {**CALL, "location": {"district": "@"}}, "body.location.district"),
    ("channel", "/v1/complaints", {**CALL, "channel": "@"}, "body.channel"),
    *(
        ("department", f"{CASE}/actions/{action}", {**body, "department": "@"}, "body.department")
        for action, body in BESIDE.items()
    ),
    (
        "department",
        f"{CASE}/actions/involve",
        {"department": "repair", "task": "?", "takes_over": "@"},
        "body.takes_over",
    ),
    ("service", f"{CASE}/actions/correct", {"reason": "?", "service_code": "@"}, "body.service_code"),
    ("district", f"{CASE}/actions/correct", {"reason": "?", "location": {"district": "@"}}, "body.location.district"),
    ("service", "/v1/incidents", {"title": "?", "services": ["leak", "@"], "districts": ["west"]}, "body.services.1"),
    ("district", "/v1/incidents", {"title": "?", "services": ["leak"], "districts": ["@"]}, "body.districts.0"),
    ("service", f"{INCIDENT}/actions/confirm", {"services": ["@"]}, "body.services.0"),
    ("district", f"{INCIDENT}/actions/confirm", {"districts": ["@"]}, "body.districts.0"),
    ("department", f"{INCIDENT}/actions/dispatch", {"department": "@"}, "body.department"),
    *(
        (kind, f"/v1/complaints{path}", {kind: "@"}, f"query.{kind}")
        for path in ("", "/counts")
        for kind in ("service", "district", "department", "channel")
    ),
    ("finding", f"{CASE}/actions/complete", {"result": "?", "findings": ["@"]}, "body.findings.0"),
    ("department", "/v1/parts", {"department": "@"}, "query.department"),
    ("department", "/v1/people", {"department": "@"}, "query.department"),
    ("district", "/v1/people", {"district": "@"}, "query.district"),
]
"""Kind, address, body or parameters with @ for the code, and the field that it is."""
SHOWN = {
    "service": ("no_water", "停水/无水"),
    "district": ("west", "West District"),
    "department": ("repair", "抢修队"),
    "finding": ("pipe_aged", "管道老化"),
    "channel": ("hotline_12345", "12345 热线"),
}
"""A code and a name of each kind."""


@pytest.mark.parametrize(("service", "district"), [("停水", "西区"), ("No water", "West"), ("no_water", "西区街道")])
async def test_a_complaint_is_registered_by_names(on_sqlite: Api, service: str, district: str) -> None:
    body = {**CALL, "service_code": service, "location": {"district": district}}
    case = (await on_sqlite.register(body)).json()
    assert (case["service_code"], case["location"]["district"]) == ("no_water", "west")


@pytest.mark.parametrize(
    ("given", "code"),
    [("微信", "wechat"), ("电话", "phone"), ("Telephone", "phone"), ("12345", "hotline_12345"), ("ＡＰＰ", "app")],
)
async def test_a_channel_is_given_by_names(on_sqlite: Api, given: str, code: str) -> None:
    case = (await on_sqlite.register({**CALL, "channel": given})).json()
    assert case["channel"] == code
    for more in ({}, {"format": "csv"}):
        found = await on_sqlite.get("/v1/complaints", channel=given, q=case["number"], **more)
        assert case["number"] in found.text


async def test_departments_act_by_names(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    actions: list[tuple[str, Json]] = [
        ("dispatch", {"department": "抢修"}),
        ("sign_for", {"department": "Emergency repair crew"}),
        ("involve", {"department": "Metering", "task": "?"}),
        ("involve", {"department": "水质部", "task": "?", "takes_over": "计量"}),
        ("release", {"department": "Water quality", "reason": "?"}),
    ]
    for action, body in actions:
        answer = await on_sqlite.act(number, action, body)
        assert answer.status_code == 200, answer.text
    case = await on_sqlite.complaint(number)
    assert (case["department"], [part["department"] for part in case["parts"]]) == (
        "repair",
        ["metering", "water_quality"],
    )
    timeline = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    given = {item["data"][name] for item in timeline for name in ("department", "takes_over") if name in item["data"]}
    assert given == {"repair", "metering", "water_quality"}


async def test_findings_are_stated_by_names(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    name = on_sqlite.backend.catalogue.findings[0].name_zh
    answer = await on_sqlite.act(number, "complete", {"result": "?", "findings": [name]}, "wu")
    assert answer.status_code == 200, answer.text
    timeline = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert timeline[-1]["data"]["findings"] == [on_sqlite.backend.catalogue.findings[0].code]


async def test_lists_are_filtered_by_names(on_sqlite: Api) -> None:
    mine = f"agent {uuid.uuid4().hex[:8]}"
    number = (await on_sqlite.register({**CALL, "owner": mine}, "chief")).json()["number"]
    await on_sqlite.act(number, "dispatch", {"department": "repair"})
    for params in ({"service": "停水"}, {"district": "West"}, {"department": "抢修"}):
        page = (await on_sqlite.get("/v1/complaints", owner=mine, **params)).json()
        assert [item["number"] for item in page["items"]] == [number], params
    assert (await on_sqlite.get("/v1/parts", department="计量")).status_code == 200


async def test_incidents_are_declared_confirmed_and_dispatched_by_names(on_sqlite: Api) -> None:
    body = {"title": "咸潮", "services": ["水质", "Low pressure"], "districts": ["坦洲", "Sanxiang"]}
    made = (await on_sqlite.post("/v1/incidents", body, "zhou")).json()
    assert (made["services"], made["districts"]) == (["water_quality", "low_pressure"], ["tanzhou", "sanxiang"])
    path = f"/v1/incidents/{made['number']}/actions"
    sent = await on_sqlite.post(f"{path}/dispatch", {"department": "管网"}, "zhou")
    assert sent.json()["department"] == "network"
    await on_sqlite.post(f"{path}/dismiss", {"reason": "误报"}, "zhou")


def filled(value: Any, code: str) -> Any:
    """The body with the code where it belongs."""
    if isinstance(value, dict):
        return {name: filled(each, code) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, code) for each in value]
    return code if value == "@" else value


async def sent(api: Api, path: str, body: Json, field: str) -> httpx.Response:
    return await (api.get(path, **body) if field.startswith("query.") else api.post(path, body))


@pytest.mark.parametrize(("kind", "path", "body", "field"), PLACES)
@pytest.mark.parametrize("code", WRONG)
async def test_a_wrong_code_is_answered_with_the_accepted_ones(
    on_sqlite: Api, kind: str, path: str, body: Json, field: str, code: str
) -> None:
    found = problem(
        await sent(on_sqlite, path, filled(body, code), field),
        422,
        "invalid-request" if kind == "channel" else f"unknown-{kind}",
    )
    assert {*SHOWN[kind]} < {*found["accepted"]}
    assert [fault["field"] for fault in found["errors"]] == [field]
    assert SHOWN[kind][0] in found["detail"]


async def test_every_field_of_a_code_is_among_them(on_sqlite: Api) -> None:
    document = on_sqlite.app.openapi()
    schemas = document["components"]["schemas"]
    found = {(path, "body.location.district") for path in ("/v1/complaints", f"{CASE}/actions/correct")}
    for path, operations in document["paths"].items():
        address = path.replace("/v1/complaints/{number}", CASE).replace("/v1/incidents/{number}", INCIDENT)
        for operation in operations.values():
            parameters = parameters_of(document, operation, "query")
            found |= {(address, f"query.{each['name']}") for each in parameters}
            for body in operation.get("requestBody", {}).get("content", {}).values():
                for name in models_of(body["schema"]):
                    found |= {(address, f"body.{field}") for field in schemas[name]["properties"]}
    taking = ("Location", "NewIncident", "Involve")
    assert not [name for name in taking if "[a-z]" in str(schemas[name])]
    names = {"service_code", "service", "services", "district", "districts", "department", "takes_over"}
    names |= {"findings", "channel"}
    of_codes = {(path, field) for path, field in found if field.rpartition(".")[2] in names}
    assert {(path, field.rstrip(".01")) for _, path, _, field in PLACES} == of_codes


async def test_a_code_that_may_be_several_is_answered_with_these(on_sqlite: Api) -> None:
    answer = await on_sqlite.register({**CALL, "location": {"district": "Nan"}})
    found = problem(answer, 422, "unknown-district")
    assert found["accepted"] == ["nanlang", "Nanlang", "南朗街道", "nantou", "Nantou", "南头镇"]
    assert "may be any of several districts" in found["detail"]


async def test_a_wrong_code_among_other_faults_is_one_of_them(on_sqlite: Api) -> None:
    answer = await on_sqlite.register({"service_code": "tea", "location": {"district": "moon"}})
    found = problem(answer, 422, "invalid-request")
    assert [fault["field"] for fault in found["errors"]] == [
        "body.service_code",
        "body.location.district",
        "body.description",
    ]
    assert ["no_water" in (fault.get("accepted") or ()) for fault in found["errors"]] == [True, False, False]


async def test_a_request_by_name_is_the_same_as_by_code(on_sqlite: Api) -> None:
    mine, another = str(uuid.uuid4()), str(uuid.uuid4())
    bodies = [{**CALL, "service_code": code} for code in ("停水", "停水", "no_water")]
    numbers = {(await on_sqlite.register(body, key=mine)).json()["number"] for body in bodies}
    (number,) = numbers
    for department in ("抢修", "repair", "抢修"):
        answer = await on_sqlite.act(number, "dispatch", {"department": department}, key=another)
        assert (answer.status_code, answer.json()["version"]) == (200, 2)


def without_metering(catalogue: Catalogue) -> Catalogue:
    """A catalogue whose meters are the billing department's matter."""
    departments = (
        each.model_copy(update={"name_zh": "计量营业部"}) if each.code == "billing" else each
        for each in catalogue.departments
        if each.code != "metering"
    )
    return catalogue.model_copy(update={"departments": tuple(departments), "name": "Without metering"})


async def test_names_are_those_of_the_catalogue_in_force(on_sqlite: Api, store: CatalogueStore) -> None:
    """A department that has been given up is still found and relieved, and is given no new work."""
    number = await on_sqlite.case_in("in_progress")
    await on_sqlite.act(number, "involve", {"department": "计量", "task": "?"}, "zhou")
    store.put(without_metering(load_catalogue(DEFAULT_CATALOGUE)), DEFAULT_CATALOGUE, datetime.now(UTC), by="chief")
    refused = await on_sqlite.act(number, "involve", {"department": "metering", "task": "?"}, "zhou")
    assert "metering" not in problem(refused, 422, "unknown-department")["accepted"]
    listed = (await on_sqlite.get("/v1/parts", department="metering")).json()["items"]
    assert number in {each["number"] for each in listed}
    assert (await on_sqlite.get("/v1/complaints", department="metering")).status_code == 200
    body = {"department": "计量", "task": "?", "takes_over": "metering"}
    parts = (await on_sqlite.act(number, "involve", body, "zhou")).json()["parts"]
    assert {part["department"]: part["state"] for part in parts} == {"metering": "released", "billing": "dispatched"}
