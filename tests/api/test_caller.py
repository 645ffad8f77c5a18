"""Intake that knows the caller: flags from the registry and from earlier cases, and no call that waits for them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine, text
from temporalio.client import Client

from domain.customers.customer import CallerRecord, Customer
from hotline.cli.imports import load_customers
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import engine, writing
from readmodel.customers import save_customers
from tests.support.api import CALL, Api, Json, problem, running_api
from tests.support.hotline import until
from tests.support.outage import down
from tests.support.pages import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANNY: Json = {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "0420013"}
AT_HOME: Json = {"district": "west", "address": "下闸新村 3 号"}


def registry(database: Engine) -> None:
    """The customers of the documentation's example."""
    example = load_customers(ROOT / "docs" / "examples" / "customers.csv", "utf-8", load_catalogue(DEFAULT_CATALOGUE))
    with writing(database) as connection:
        save_customers(connection, example, "0760")


@asynccontextmanager
async def api_with_customers(
    temporal: Client, database_url: str, folder: Path, **changes: Any
) -> AsyncIterator[tuple[Api, Engine]]:
    """An API of its own, so that nobody else's calls count, and its database."""
    # Long enough for a slow machine: what a test asks is what is known, not how fast.
    async with running_api(temporal, database_url, folder, **{"caller_lookup_seconds": 5.0, **changes}) as made:
        database = engine(database_url)
        try:
            registry(database)
            yield made, database
        finally:
            database.dispose()


async def call(made: Api, caller: Json, location: Json = AT_HOME, **changes: Any) -> Json:
    """The answer to a call."""
    answer = await made.register({**CALL, "caller": caller, "location": location, **changes})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def test_a_hardship_household_that_calls_twice_is_flagged_and_both_cases_are_named(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with api_with_customers(temporal, database_url, tmp_path) as (made, _):
        first = await call(made, GRANNY)
        assert (first["flags"], first["possible_duplicates"]) == (["hardship"], [])
        second = await call(made, {"phone": "+86 760 8823 7777"}, {})
        assert second["flags"] == ["hardship", "possible_duplicate", "repeat_caller"]
        assert second["possible_duplicates"] == [first["number"]]
        other = await call(made, {"account_no": "0420013"}, service_code="water_quality")
        assert (other["flags"], other["possible_duplicates"]) == (["hardship", "repeat_caller"], [])
        read = await made.complaint(second["number"])
        assert (read["flags"], read["possible_duplicates"]) == (second["flags"], [first["number"]])
        timeline = (await made.get(f"/v1/complaints/{second['number']}/timeline")).json()
        assert timeline["items"][0]["data"]["possible_duplicates"] == [first["number"]]


async def test_who_gives_a_local_number_is_known_by_the_area_code_of_the_catalogue(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """Granny Li has a telephone at home, and says its eight digits."""
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        first = await call(made, {"phone": "88237777"}, {})
        assert first["flags"] == ["hardship"]
        second = await call(made, {"phone": "0760 8823 7777"}, {})
        assert (second["flags"][-1], second["possible_duplicates"]) == ("repeat_caller", [first["number"]])
        seen = await record(made, second["links"]["caller"])
        assert (seen["customer"]["name"], numbers(seen)) == ("李婆婆", [first["number"]])
        for q in ("88237777", "0760-88237777", "(0760)88237777"):
            page = (await made.get("/v1/complaints", "chen", q=q)).json()
            assert [case["number"] for case in page["items"]] == [second["number"], first["number"]]


async def test_flags_of_the_intake_stay_with_what_comes_later(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        number = (await call(made, GRANNY))["number"]
        urged = (await made.act(number, "urge", {}, "chen")).json()
        assert urged["flags"] == ["hardship", "urged"]


@pytest.mark.slow
async def test_two_calls_of_strangers_from_one_telephone_or_address_are_named(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        first = await call(made, {"phone": "139 0000 0000"})
        assert (first["flags"], first["possible_duplicates"]) == ([], [])
        again = await call(made, {"phone": "+86 13900000000"}, {})
        assert again["flags"] == ["possible_duplicate", "repeat_caller"]
        assert again["possible_duplicates"] == [first["number"]]
        for neighbour in ({"phone": "139 0000 0001"}, {}):
            seen = await call(made, neighbour)
            assert (seen["flags"], seen["possible_duplicates"][-1]) == (["possible_duplicate"], first["number"])
        elsewhere = await call(made, {"phone": "139 0000 0002"}, {"district": "east", "address": "兴中道 8 号"})
        assert (elsewhere["flags"], elsewhere["possible_duplicates"]) == ([], [])


async def test_sent_again_a_registration_does_not_take_itself_for_a_duplicate(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        body = {**CALL, "caller": GRANNY}
        first, again = [await made.register(body, key="once") for _ in range(2)]
        assert first.json()["number"] == again.json()["number"]
        assert again.json()["flags"] == ["hardship"]


@pytest.mark.slow
async def test_with_sql_down_the_call_is_taken_without_flags(
    temporal: Client, tmp_path: Path, postgresql_url: str
) -> None:
    async with api_with_customers(temporal, postgresql_url, tmp_path, sql_wait_seconds=0.3) as (made, database):
        with down(database):
            taken = await made.register({**CALL, "caller": GRANNY})
            assert (taken.status_code, taken.json()["flags"]) == (202, [])
        number = taken.json()["number"]
        # The workflow has the flag before SQL shows why.
        told = await until(lambda: made.actions(number), lambda actions: len(actions) > 1)
        assert (told, (await made.complaint(number))["flags"]) == (["register", "recognise"], ["hardship"])
        again = await until(
            lambda: made.register({**CALL, "caller": GRANNY}), lambda answer: bool(answer.json().get("flags"))
        )
        assert again.json()["flags"][0] == "hardship"


@contextmanager
def locked(database: Engine) -> Iterator[None]:
    """Nobody can read customers within the block: whoever asks for them waits."""
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        yield


@pytest.mark.slow
async def test_with_sql_slow_the_call_is_taken_without_flags_while_it_is_slow(
    temporal: Client, tmp_path: Path, postgresql_url: str
) -> None:
    async with api_with_customers(temporal, postgresql_url, tmp_path, caller_lookup_seconds=0.05) as (made, database):
        with locked(database):
            # Answered, and shown by SQL, while the question about the caller still hangs.
            first, *others = [await call(made, GRANNY) for _ in range(3)]
            assert [case["flags"] for case in (first, *others)] == [[], [], []]
        # It is made up for, as it was known at each of them.
        for case, flags in ((first, ["hardship"]), (others[0], ["hardship", "possible_duplicate", "repeat_caller"])):
            made_up = await until(partial(made.complaint, case["number"]), lambda found: bool(found["flags"]))
            assert made_up["flags"] == flags
        timeline = (await made.get(f"/v1/complaints/{others[0]['number']}/timeline")).json()["items"]
        assert [item["data"]["possible_duplicates"] for item in timeline if item["action"] == "recognise"] == [
            [first["number"]]
        ]
        known = await until(lambda: call(made, GRANNY), lambda again: bool(again["flags"]))
        assert known["flags"][0] == "hardship"


@pytest.mark.slow
async def test_with_sql_slow_a_business_is_owed_what_it_is_owed(
    temporal: Client, tmp_path: Path, postgresql_url: str
) -> None:
    changes = {"caller_lookup_seconds": 0.05, "catalogue": DEFAULT_CATALOGUE.with_name("england.toml")}
    async with api_with_customers(temporal, postgresql_url, tmp_path, **changes) as (made, database):
        with writing(database) as connection:
            save_customers(connection, [Customer(account_no="B-1", name="Laundry", customer_class="business")])
        with locked(database):
            number = (await call(made, {"account_no": "B-1"}, {}, service_code="complaint"))["number"]
        await until(partial(made.actions, number), lambda actions: "recognise" in actions)
        for action, body in (
            ("dispatch", {"department": "customer_care"}),
            ("sign_for", {}),
            ("complete", {"result": "It was.", "findings": ["payment_late"]}),
        ):
            assert (await made.act(number, action, body)).status_code == 200
        owed = await until(partial(made.complaint, number), lambda seen: bool(seen["credits"]))
        assert [credit["amount"] for credit in owed["credits"]] == ["100.00"]


@pytest.mark.slow
async def test_a_registry_that_is_not_there_yet_stops_nobody(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    """An API that is newer than the tables."""
    async with api_with_customers(temporal, database_url, tmp_path) as (made, database):
        with database.begin() as connection:
            connection.execute(text("DROP TABLE customers"))
        assert (await call(made, GRANNY))["flags"] == []


async def test_nothing_is_asked_where_the_setting_says_so(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path, caller_lookup_seconds=0.0) as (made, _):
        assert (await call(made, GRANNY))["flags"] == []


@pytest.mark.slow
async def test_staff_find_flagged_cases_in_the_temporal_ui(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        number = (await call(made, GRANNY))["number"]
        query = f'Flags = "hardship" AND WorkflowId = "complaint-{number}"'

        async def found() -> int:
            return len([each async for each in temporal.list_workflows(query)])

        assert await until(found, bool) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def known(temporal: Client, tmp_path: Path, database_url: str) -> AsyncIterator[Api]:
    """An API that knows its customers, on each kind of database."""
    async with api_with_customers(temporal, database_url, tmp_path) as (made, _):
        yield made


async def record(made: Api, path: str, by: str = "chen") -> Json:
    answer = await made.get(path, by)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert CallerRecord.model_validate(found).model_dump(mode="json") == found
    return found


def numbers(of: Json) -> list[str]:
    return [case["number"] for case in of["earlier_cases"]]


async def test_staff_see_the_customer_and_the_cases_of_before(known: Api) -> None:
    first = await call(known, GRANNY)
    second = await call(known, {"phone": "0760-88237777"}, {})
    await call(known, {"phone": "0760 8823 0001"})
    seen = await record(known, second["links"]["caller"])
    assert (seen["customer"]["name"], seen["customer"]["hardship_grounds"]) == ("李婆婆", "Public relief 低保")
    assert seen["customer"]["free_allowance_m3"] == "6.00"
    (earlier,) = seen["earlier_cases"]
    assert (earlier["number"], earlier["state"], earlier["flags"]) == (first["number"], "registered", ["hardship"])
    assert seen["thanks"] == []
    assert numbers(await record(known, f"/v1/complaints/{first['number']}/caller")) == []
    assert numbers(await record(known, "/v1/customers/0420013")) == [second["number"], first["number"]]


async def test_of_a_caller_whom_the_registry_does_not_have_the_cases_are_shown(known: Api) -> None:
    stranger: Json = {"phone": "139 0000 0000"}
    first, second = await call(known, stranger), await call(known, stranger)
    seen = await record(known, f"/v1/complaints/{second['number']}/caller")
    assert (seen["customer"], numbers(seen)) == (None, [first["number"]])
    nobody = await call(known, {})
    seen = await record(known, f"/v1/complaints/{nobody['number']}/caller")
    assert seen == {"customer": None, "earlier_cases": [], "thanks": []}


async def test_a_telephone_that_two_accounts_share_names_no_customer(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, database):
        with writing(database) as connection:
            save_customers(connection, [Customer(account_no="9", name="Wong", phone="0760 8823 7777")])
        number = (await call(made, {"phone": "0760 8823 7777"}))["number"]
        assert (await record(made, f"/v1/complaints/{number}/caller"))["customer"] is None
        # Nor does it lead from one account to what was said on it by another.
        assert numbers(await record(made, "/v1/customers/9")) == []
        wong = (await call(made, {"account_no": "9"}, {}))["number"]
        assert numbers(await record(made, f"/v1/complaints/{wong}/caller")) == []


@pytest.mark.slow
async def test_at_most_twenty_cases_are_shown_the_newest_first(known: Api) -> None:
    made = [(await call(known, GRANNY))["number"] for _ in range(22)]
    assert numbers(await record(known, f"/v1/complaints/{made[-1]}/caller")) == made[-2:0:-1]


async def test_thanks_are_kept_on_the_record_with_the_person_thanked(known: Api) -> None:
    """Granny Li calls every Spring Festival."""
    thanks: Json = {"service_code": "thanks", "description": "给师傅拜年"}
    one = await call(known, GRANNY, thanked="梁伟", **thanks)
    two = await call(known, {"account_no": "0420013"}, **thanks)
    assert one["service_code"] == "thanks"
    call_ = await call(known, GRANNY)
    for path in (f"/v1/complaints/{call_['number']}/caller", "/v1/customers/0420013"):
        found = (await record(known, path))["thanks"]
        assert [(item["number"], item["thanked"]) for item in found] == [(two["number"], None), (one["number"], "梁伟")]
        assert found[0]["message"] == "给师傅拜年"
        assert found[1]["at"] == one["registered_at"]


async def test_only_thanks_name_a_person_thanked(on_sqlite: Api) -> None:
    refused = problem(await on_sqlite.register({**CALL, "thanked": "梁伟"}), 422, "invalid-request")
    (error,) = refused["errors"]
    assert error["field"] == "body.thanked"
    assert "service_code thanks" in error["message"]


@pytest.mark.parametrize("path", ["/v1/complaints/{number}/caller", "/v1/customers/0420013"])
async def test_records_need_a_key(on_sqlite: Api, path: str) -> None:
    number = await on_sqlite.case_in("registered")
    assert (await on_sqlite.http.get(path.format(number=number))).status_code == 401


async def test_what_is_not_there_is_said(on_sqlite: Api) -> None:
    problem(await on_sqlite.get("/v1/customers/0420013", "chen"), 404, "customer-not-found")
    problem(await on_sqlite.get("/v1/complaints/2001010000008/caller", "chen"), 404, "complaint-not-found")
    said = problem(await on_sqlite.get("/v1/customers/no such account", "chen"), 422, "invalid-request")
    assert "1 to 32 letters, digits or dashes" in said["detail"]


async def test_with_sql_down_records_are_away(temporal: Client, tmp_path: Path, postgresql_url: str) -> None:
    async with api_with_customers(temporal, postgresql_url, tmp_path) as (made, database):
        number = (await call(made, GRANNY))["number"]
        with down(database):
            problem(await made.get(f"/v1/complaints/{number}/caller"), 503, "read-model-unavailable")
            problem(await made.get("/v1/customers/0420013"), 503, "read-model-unavailable")
