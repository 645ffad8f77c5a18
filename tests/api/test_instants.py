"""An instant in a request is RFC 3339 text with its zone; nothing else is taken for one."""

import pytest

from api.edge.problems import instant_like
from tests.support.api import Api, models_of, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLE = "2026-12-01T10:00:00+08:00"
SCOPE = {"title": "咸潮", "services": ["no_water"], "districts": ["west"]}
CALL = {"call_id": "1", "started_at": "2026-08-01T10:00:00+08:00"}
NO_INSTANTS = [0, 1_790_000_000, 0.5, True, "0", "1790000000", "", "tomorrow", "10:00", [], {}]


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("2026-12-01T10:00:00", EXAMPLE),
        ("2026-12-01 10:00", EXAMPLE),
        ("2026-12-01", "2026-12-01T00:00:00+08:00"),
        ("2026-12-01T10:00Z", "2026-12-01T10:00:00+00:00"),
        ("1890-01-01T10:00:00", EXAMPLE),
        *((given, EXAMPLE) for given in NO_INSTANTS),
    ],
)
async def test_what_is_no_instant_is_answered_with_one(on_sqlite: Api, given: object, accepted: str) -> None:
    answer = await on_sqlite.post("/v1/incidents", {**SCOPE, "since": given}, "zhou")
    found = problem(answer, 422, "invalid-request")
    (fault,) = found["errors"]
    assert fault["field"] == "body.since"
    assert found["accepted"] == fault["accepted"] == [accepted]
    assert accepted in found["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/complaints/2001010000001/actions/suspend", {"reason": "x"}, "wake_at"),
        ("/v1/incidents", SCOPE, "since"),
        ("/v1/incidents/i26080347119/actions/confirm", {}, "expected_at"),
        ("/v1/incidents/i26080347119/actions/inform", {"message": "x"}, "expected_at"),
        *(("/v1/calls", CALL, field) for field in ("started_at", "answered_at", "ended_at")),
    ],
)
@pytest.mark.parametrize("given", [0, "0", "2026-12-01T10:00:00"])
async def test_it_holds_for_every_instant(
    on_sqlite: Api, path: str, body: dict[str, object], field: str, given: object
) -> None:
    found = problem(await on_sqlite.post(path, {**body, field: given}), 422, "invalid-request")
    assert [(fault["field"], fault["accepted"]) for fault in found["errors"]] == [(f"body.{field}", [EXAMPLE])]


@pytest.mark.parametrize("given", ["1999-12-31T23:59:59-08:00", "3000-01-01T00:00:00+08:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [("/v1/incidents", SCOPE, "since"), ("/v1/complaints/2001010000001/actions/suspend", {"reason": "x"}, "wake_at")],
)
async def test_an_instant_is_of_a_year_as_the_document_says(
    on_sqlite: Api, path: str, body: dict[str, object], field: str, given: str
) -> None:
    """So it is also one that every zone knows: another would be refused by the workflow that decodes it."""
    found = problem(await on_sqlite.post(path, {**body, field: given}), 422, "invalid-request")
    assert "in the years 2000 to 2999" in found["detail"]


async def test_no_field_of_a_body_takes_an_instant_otherwise(on_sqlite: Api) -> None:
    """So that the list above is whole."""
    document = on_sqlite.app.openapi()
    schemas = document["components"]["schemas"]
    bodies = {
        name
        for path in document["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
        for name in models_of(operation["requestBody"]["content"]["application/json"]["schema"])
    }
    found = {
        (name, field)
        for name in bodies
        for field, schema in schemas[name]["properties"].items()
        if "date-time" in str(schema) or "/Instant'" in str(schema)
    }
    assert found == {
        ("Suspend", "wake_at"),
        ("NewIncident", "since"),
        ("Confirm", "expected_at"),
        ("Inform", "expected_at"),
        *(("NewCall", field) for field in ("started_at", "answered_at", "ended_at")),
    }


@pytest.mark.parametrize(
    ("given", "zone", "example"),
    [
        ("2026-07-01T10:00:00", "Europe/London", "2026-07-01T10:00:00+01:00"),
        ("2026-12-01T10:00:00", "Europe/London", "2026-12-01T10:00:00+00:00"),
        (None, "Europe/London", "2026-12-01T10:00:00+00:00"),
    ],
)
async def test_the_example_is_in_the_zone_of_the_catalogue(given: object, zone: str, example: str) -> None:
    assert instant_like(given, zone) == example


@pytest.mark.parametrize("given", ["2016-01-01T00:00:00Z", "2016-01-01t00:00:00z", "2016-01-01 08:00:00.000+08:00"])
async def test_every_way_to_write_it_by_rfc_3339_is_accepted(on_sqlite: Api, given: str) -> None:
    answer = await on_sqlite.post("/v1/incidents", {**SCOPE, "districts": ["fusha"], "since": given}, "zhou")
    assert (answer.status_code, answer.json()["since"]) == (201, "2016-01-01T00:00:00Z")
    await on_sqlite.post(f"/v1/incidents/{answer.json()['number']}/actions/dismiss", {"reason": "误报"}, "zhou")
