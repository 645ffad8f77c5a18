"""The documentation of the interface says everything, and its examples are true."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from jsonschema_rs import Draft202012Validator
from pydantic import ValidationError

from api.complaints.cases import Complaint, NewComplaint, Timeline
from api.edge.problems import MEDIA_TYPE, PROBLEM_KINDS, URN, Problem
from domain.case.actions import COMMANDS
from domain.case.decide import CASE_KINDS as KINDS_OF_CASES
from domain.case.intake import Location
from domain.incident.incident import INCIDENT_KINDS
from domain.shared.numbers import parse_number
from tests.support.api import Api
from tests.support.openapi import parameters_of, resolved
from tools.docs.interface import application

pytestmark = pytest.mark.asyncio(loop_scope="session")

Json = dict[str, Any]

ANSWERED = {
    route.name: route.response_model
    for route in application().routes
    if isinstance(route, APIRoute) and route.include_in_schema and route.response_model
}
"""Shape of the answer of each operation; `metrics` answers with text, `get_notice` and `get_work_order` with a page."""


@pytest.fixture(scope="module")
def document(on_sqlite: Api) -> Json:
    found: Json = json.loads(json.dumps(on_sqlite.app.openapi()))
    return found


def operations(document: Json) -> Iterator[Json]:
    """Yield each operation with its shared parameters, answers and examples in place."""
    for path in document["paths"].values():
        for operation in path.values():
            parameters = parameters_of(document, operation)
            responses = {status: resolved(document, answer) for status, answer in operation["responses"].items()}
            yield {**operation, "parameters": parameters, "responses": responses}


async def test_every_operation_is_named_described_and_filed(document: Json) -> None:
    found = list(operations(document))
    assert {operation["operationId"] for operation in found} == {*ANSWERED, "metrics", "get_notice", "get_work_order"}
    tags = {tag["name"] for tag in document["tags"]}
    for operation in found:
        assert operation["summary"], operation
        assert len(operation["description"]) > 20, operation
        assert set(operation["tags"]) <= tags, operation


@pytest.mark.parametrize("lat", [{}, {"lat": None}, {"lat": 22.5}], ids=str)
@pytest.mark.parametrize("lng", [{}, {"lng": None}, {"lng": 113.4}], ids=str)
async def test_half_coordinates_are_permitted_by_neither_document_nor_service(
    document: Json, lat: Json, lng: Json
) -> None:
    place = lat | lng
    permitted = Draft202012Validator(document["components"]["schemas"]["Location"]).is_valid(place)
    assert permitted is (place in ({}, {"lat": None, "lng": None}, {"lat": 22.5, "lng": 113.4}))
    if permitted:
        Location.model_validate(place)
    else:
        with pytest.raises(ValidationError, match="lat and lng go together"):
            Location.model_validate(place)


async def test_every_action_is_an_operation_described_in_both_languages(document: Json) -> None:
    for action in COMMANDS:
        operation = document["paths"][f"/v1/complaints/{{number}}/actions/{action}"]["post"]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in operation["summary"])
        assert "from 从" in operation["description"]


async def test_every_parameter_and_field_is_described_or_explains_itself(document: Json) -> None:
    for operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (operation["operationId"], parameter["name"])


async def test_every_action_has_an_example_that_would_be_accepted(document: Json) -> None:
    for action, row in COMMANDS.items():
        operation = document["paths"][f"/v1/complaints/{{number}}/actions/{action}"]["post"]
        examples = operation["requestBody"]["content"]["application/json"]["examples"].values()
        assert len(examples) == 1 + len(row.further_examples)
        for example in examples:
            assert row.body.model_validate_json(json.dumps(example["value"])).model_dump(exclude_unset=True)
            assert example["summary"]


async def test_the_three_forms_of_a_follow_up_are_documented(document: Json) -> None:
    schema = document["components"]["schemas"]["FollowUp"]
    named = [form["required"] for form in schema["if"]["oneOf"]]
    assert named == [["outcome"], ["contacted"], ["contacted", "solved", "satisfaction"]]
    steps = document["components"]["schemas"]["Satisfaction"]["enum"]
    assert steps == ["very_satisfied", "satisfied", "fairly_satisfied", "dissatisfied", "very_dissatisfied"]


async def test_the_example_of_a_registration_would_be_accepted(on_sqlite: Api, document: Json) -> None:
    content = document["paths"]["/v1/complaints"]["post"]["requestBody"]["content"]["application/json"]
    (example,) = [each["value"] for each in content["examples"].values()]
    NewComplaint.model_validate(example)
    assert (await on_sqlite.register(example)).status_code == 201


@pytest.mark.parametrize("operation_id", ANSWERED)
async def test_every_answer_has_an_example_of_its_very_shape(document: Json, operation_id: str) -> None:
    operation = next(found for found in operations(document) if found["operationId"] == operation_id)
    good = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    assert good
    for answer in good.values():
        content = answer["content"]["application/json"]
        assert content["schema"]
        model = ANSWERED[operation_id]
        assert content["examples"]
        for name, link in content["examples"].items():
            assert link == {"$ref": f"#/components/examples/{name}"}
            example = document["components"]["examples"][name]["value"]
            assert model.model_validate(example).model_dump(mode="json", by_alias=True) == example
        assert answer["description"]


async def test_a_real_complaint_has_the_documented_shape(on_sqlite: Api) -> None:
    complaint = await on_sqlite.complaint(await on_sqlite.case_in("dispatched"))
    assert Complaint.model_validate(complaint).model_dump(mode="json") == complaint
    events = (await on_sqlite.get(f"/v1/complaints/{complaint['number']}/timeline")).json()
    assert Timeline.model_validate(events).model_dump(mode="json", by_alias=True) == events


@pytest.mark.parametrize("by", ["chen", "gao", "wu"])
async def test_events_have_the_documented_data_of_their_action(on_sqlite: Api, document: Json, by: str) -> None:
    """For a client that is generated of the document, whatever its user sees masked."""
    call = {"caller": {"name": "李婆婆", "phone": "13800138000", "account_no": "7300009"}}
    number = await on_sqlite.case_in("in_progress", **call)
    service = {"reason": "是漏水", "service_code": "leak", "location": {"address": "莲塘路 8 号"}}
    for action, body in (
        ("assign", {"assignee": "老梁"}),
        ("correct", service),
        ("involve", {"department": "metering", "task": "检查水表"}),
        ("complete", {"result": "好了"}),
        ("release", {"department": "metering", "reason": "水表正常"}),
        ("reply", {"message": "好了"}),
    ):
        assert (await on_sqlite.act(number, action, body)).status_code == 200
    page = (await on_sqlite.get(f"/v1/complaints/{number}/timeline", by)).json()
    schema = {"$ref": "#/components/schemas/Timeline", "components": document["components"]}
    validator = Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(page)] == []
    # Seconds after the correction the caller may be recognised anew.
    assert len([item for item in page["items"] if item["action"] != "recognise"]) == 9
    (corrected,) = [item for item in page["items"] if item["action"] == "correct"]
    corrected["data"]["after"] = {"service": "leak"}
    assert [*validator.iter_errors(page)], "data that the action does not have are found"


async def test_the_data_of_every_action_are_typed(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for page, kinds in (("Timeline", KINDS_OF_CASES), ("IncidentTimeline", INCIDENT_KINDS)):
        items = schemas[page]["properties"]["items"]["items"]
        assert items["discriminator"]["propertyName"] == "action"
        assert {*items["discriminator"]["mapping"]} == {*kinds}
        for action, link in items["discriminator"]["mapping"].items():
            properties = schemas[link.rpartition("/")[2]]["properties"]
            assert properties["action"]["const"] == action
            data = schemas[properties["data"]["$ref"].rpartition("/")[2]]
            assert {*data.get("properties", ())} == {*kinds[action].data.model_fields} - {"terms"}


async def test_examples_use_a_number_that_can_be_one(document: Json) -> None:
    for name in ("Complaint", "register_complaint"):
        assert parse_number(document["components"]["examples"][name]["value"]["number"])


async def test_errors_are_documented_as_the_problems_they_are(document: Json) -> None:
    for operation in operations(document):
        bad = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
        problems = {status: answer["content"] for status, answer in bad.items() if MEDIA_TYPE in answer["content"]}
        assert "500" in problems, operation["operationId"]
        for status, content in problems.items():
            assert content[MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
            for slug, link in content[MEDIA_TYPE]["examples"].items():
                example = resolved(document, link)
                assert example["value"]["type"] == URN + slug
                assert Problem.model_validate(example["value"]).status == int(status) == PROBLEM_KINDS[slug].status


async def test_no_other_shape_of_error_is_documented(document: Json) -> None:
    assert not {name for name in document["components"]["schemas"] if "ValidationError" in name}
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            if status[0] == "4":
                assert list(answer["content"]) == [MEDIA_TYPE], (operation["operationId"], status)


async def test_what_needs_a_key_says_so(document: Json) -> None:
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    open_to_all = {found["operationId"] for found in operations(document) if not found.get("security")}
    assert open_to_all == {"healthz", "readyz", "metrics"}


async def test_every_body_has_an_example(document: Json) -> None:
    for operation in operations(document):
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], operation["operationId"]


async def test_clients_can_be_generated(document: Json) -> None:
    """Generators name classes after titles, and cannot read a schema of null; tests/e2e/test_clients.py runs them."""
    found = [*schemas_in(document["components"]["schemas"], "schemas")]
    assert [place for place, schema in found if isinstance(schema.get("title"), str)] == []
    assert [place for place, schema in found if schema.get("type") == "null" and "/anyOf" not in place] == []
    assert [name for name in document["components"]["schemas"] if not name.isalnum()] == []
    complaint = document["components"]["schemas"]["Complaint"]["properties"]
    for field in ("priority", "sla", "channel"):
        assert "enum" in resolved(document, complaint[field]), field
    assert "enum" in resolved(document, complaint["flags"]["items"])
    problem = document["components"]["schemas"]["Problem"]["properties"]["type"]
    assert resolved(document, problem)["enum"] == sorted(URN + slug for slug in PROBLEM_KINDS)


def schemas_in(value: Any, place: str) -> Iterator[tuple[str, Json]]:
    """Yield every object with its place, but for conditions, which generators do not read."""
    if isinstance(value, dict):
        yield place, value
        for name, each in value.items():
            if name != "if":
                yield from schemas_in(each, f"{place}/{name}")
    elif isinstance(value, list):
        for each in value:
            yield from schemas_in(each, place)


async def test_the_document_is_small(document: Json) -> None:
    """Measured 2026-12: 400 KB, 60 KB by gzip; before errors were shared, 1195 KB and 83 KB."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(text) <= 400 * 1024
    assert len(gzip.compress(text)) <= 60 * 1024
