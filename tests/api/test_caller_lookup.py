"""Lookup of whoever calls, before a case is registered: by telephone or account, in a body."""

import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from api.edge.limits import LOOKUP
from domain.customers.customer import Customer, KnownCaller
from domain.shared.actors import Role
from readmodel.base.database import engine, writing
from readmodel.customers import save_customers
from tests.api.test_caller import GRANNY, api_with_customers, call
from tests.support.api import CALL, Api, Json, further_api, problem
from tests.support.hotline import until
from tests.support.outage import down

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = "0760 8823 7777"


@pytest_asyncio.fixture(loop_scope="session")
async def known(temporal: Client, tmp_path: Path, database_url: str) -> AsyncIterator[Api]:
    """An API that knows its customers, on each kind of database."""
    async with api_with_customers(temporal, database_url, tmp_path) as (made, _):
        yield made


async def look_up(made: Api, by: str = "chen", **body: str) -> Json:
    answer = await made.post(LOOKUP, body, by)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert KnownCaller.model_validate(found).model_dump(mode="json") == found
    return found


async def test_the_desk_knows_who_calls_before_it_registers(known: Api) -> None:
    closed = await call(known, GRANNY)
    await known.act(closed["number"], "withdraw", {"reason": "自行解决"}, "chen")
    thanks = await call(known, {"phone": PHONE}, service_code="thanks", thanked="梁伟")
    opened = await call(known, {"account_no": "0420013"}, {})
    for said in ({"phone": "88237777"}, {"phone": "+86 760 8823 7777"}, {"account_no": "0420013"}):
        found = await look_up(known, **said)
        assert (found["customer"]["name"], found["customer"]["hardship"]) == ("李婆婆", True)
        cases = [(case["number"], case["state"], case["owner"]) for case in found["earlier_cases"]]
        newest = [(opened["number"], "registered", "chen"), (thanks["number"], "registered", "chen")]
        assert cases == [*newest, (closed["number"], "withdrawn", "chen")]
        assert [case["number"] for case in found["open_cases"]] == [number for number, *_ in newest]
        assert [each["thanked"] for each in found["thanks"]] == ["梁伟"]


@pytest.mark.slow
async def test_an_open_case_is_shown_however_many_came_later(known: Api) -> None:
    first = await call(known, GRANNY)
    for _ in range(20):
        number = (await call(known, GRANNY))["number"]
        await known.act(number, "withdraw", {"reason": "自行解决"}, "chen")
    found = await look_up(known, phone=PHONE)
    assert first["number"] not in [case["number"] for case in found["earlier_cases"]]
    assert [case["number"] for case in found["open_cases"]] == [first["number"]]


async def test_incidents_where_the_caller_lives_are_named(known: Api) -> None:
    declared: Json = {"title": "爆管", "services": ["no_water"], "districts": ["west", "south"]}
    number = (await known.post("/v1/incidents", declared, "zhou")).json()["number"]
    await known.post("/v1/incidents", {**declared, "districts": ["east"]}, "zhou")
    stranger = "139 0000 0000"
    assert (await look_up(known, phone=stranger))["incidents"] == []
    await call(known, {"phone": stranger}, {"district": "west"}, service_code="complaint")
    for said in (PHONE, stranger):
        (incident,) = (await look_up(known, phone=said))["incidents"]
        assert (incident["number"], incident["title"], incident["services"]) == (number, "爆管", ["no_water"])
    await known.post(f"/v1/incidents/{number}/actions/dismiss", {"reason": "误报"}, "zhou")
    assert (await look_up(known, phone=PHONE))["incidents"] == []


async def test_a_merged_incident_is_named_with_its_services_where_the_caller_lives(known: Api) -> None:
    declared: Json = {"title": "爆管", "services": ["no_water"], "districts": ["east"]}
    elsewhere: Json = {**declared, "services": ["low_pressure"], "districts": ["west"]}
    number, other = [
        (await known.post("/v1/incidents", each, "zhou")).json()["number"] for each in (declared, elsewhere)
    ]
    await known.post(f"/v1/incidents/{other}/actions/merge", {"into": number}, "zhou")
    merged = partial(known.get, f"/v1/incidents/{other}", "zhou")
    await until(merged, lambda answer: answer.json()["state"] == "merged")
    (incident,) = (await look_up(known, phone=PHONE))["incidents"]
    assert (incident["number"], incident["services"]) == (number, ["low_pressure"])
    await known.post(f"/v1/incidents/{number}/actions/dismiss", {"reason": "误报"}, "zhou")


async def test_a_stranger_is_no_error(known: Api) -> None:
    nothing: Json = {"earlier_cases": [], "thanks": [], "open_cases": [], "incidents": []}
    for said in ({"phone": "139 0000 0001"}, {"account_no": "no-such"}):
        assert await look_up(known, **said) == {"customer": None, **nothing}


@pytest.mark.slow
async def test_a_telephone_of_two_accounts_names_neither(known: Api) -> None:
    database = engine(known.settings.database_url)
    with writing(database) as connection:
        save_customers(connection, [Customer(account_no="9", name="Wong", phone=PHONE)], "0760")
    database.dispose()
    number = (await call(known, {"phone": PHONE}))["number"]
    found = await look_up(known, phone=PHONE)
    assert (found["customer"], [case["number"] for case in found["open_cases"]]) == (None, [number])


async def test_exactly_one_of_telephone_and_account_is_taken(on_sqlite: Api) -> None:
    for body in ({}, {"phone": PHONE, "account_no": "1"}, {"phone": None}):
        said = problem(await on_sqlite.post(LOOKUP, body, "chen"), 422, "invalid-request")
        assert "phone or account_no" in said["detail"]
    assert (await on_sqlite.post(LOOKUP, {"phone": PHONE, "account_no": None}, "chen")).status_code == 200


async def test_who_reads_no_customers_looks_nobody_up(on_sqlite: Api) -> None:
    for by in ("wu", "zhou", "gao"):
        problem(await on_sqlite.post(LOOKUP, {"phone": PHONE}, by), 403, "wrong-role")


async def test_a_lookup_counts_as_a_read_and_is_logged_without_the_telephone(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, reads_per_minute=2, writes_per_minute=1) as made:
        with caplog.at_level(logging.INFO, "hotline.api"):
            answers = [await made.post(LOOKUP, {"phone": PHONE}, "he") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [record.getMessage() for record in caplog.records] == [
        "person he looked up a caller by telephone: no customer",
        "person he looked up a caller by telephone: no customer",
        "person he has reached the limit of 2 requests that read within a minute",
    ]


async def test_a_key_for_reading_alone_looks_callers_up(on_sqlite: Api) -> None:
    on_sqlite.tokens["screen"] = on_sqlite.directory.enter("listener", Role.FOLLOW_UP, scope="read")
    assert (await on_sqlite.post(LOOKUP, {"phone": PHONE}, "screen")).status_code == 200
    problem(await on_sqlite.post("/v1/complaints", CALL, "screen"), 403, "wrong-scope")


async def test_with_sql_down_nobody_is_known(temporal: Client, tmp_path: Path, postgresql_url: str) -> None:
    async with api_with_customers(temporal, postgresql_url, tmp_path) as (made, database):
        with down(database):
            problem(await made.post(LOOKUP, {"phone": PHONE}, "chen"), 503, "read-model-unavailable")
