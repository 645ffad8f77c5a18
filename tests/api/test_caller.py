"""Intake that knows the caller: flags from the registry and from earlier cases, and no call that waits for them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from customers_source import load_customers
from readmodel.customers import keep
from readmodel.database import engine, writing
from tests.api.house import CALL, House, Json, house
from tests.docs.pages import ROOT
from tests.hotline import until
from tests.readmodel.outage import down

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANNY: Json = {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "0420013"}
AT_HOME: Json = {"district": "west", "address": "下闸新村 3 号"}


def registry(database: Engine) -> None:
    """The customers of the documentation's example."""
    example = load_customers(ROOT / "docs" / "examples" / "customers.csv", "utf-8", {"west", "east"})
    with writing(database) as connection:
        keep(connection, example)


@asynccontextmanager
async def house_with_customers(
    temporal: Client, database_url: str, folder: Path, **changes: Any
) -> AsyncIterator[tuple[House, Engine]]:
    """A house of its own, so that nobody else's calls count, and its database."""
    # Long enough for a slow machine: what a test asks is what is known, not how fast.
    async with house(temporal, database_url, folder, **{"caller_lookup_seconds": 5.0, **changes}) as made:
        database = engine(database_url)
        try:
            registry(database)
            yield made, database
        finally:
            database.dispose()


async def call(made: House, caller: Json, location: Json = AT_HOME, **changes: Any) -> Json:
    """The answer to a call."""
    answer = await made.register({**CALL, "caller": caller, "location": location, **changes})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def test_a_hardship_household_that_calls_twice_is_flagged_and_both_cases_are_named(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with house_with_customers(temporal, database_url, tmp_path) as (made, _):
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
        assert timeline["items"][0]["data"]["duplicates"] == [first["number"]]


async def test_flags_of_the_intake_stay_with_what_comes_later(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with house_with_customers(temporal, database_url, tmp_path) as (made, _):
        number = (await call(made, GRANNY))["number"]
        urged = (await made.act(number, "urge", {}, "chen")).json()
        assert urged["flags"] == ["hardship", "urged"]


async def test_who_is_not_in_the_registry_is_taken_down_as_ever(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with house_with_customers(temporal, database_url, tmp_path) as (made, _):
        for _ in range(2):
            stranger = await call(made, {"phone": "139 0000 0000", "account_no": "999"})
            assert (stranger["flags"], stranger["possible_duplicates"]) == ([], [])


async def test_sent_again_a_registration_does_not_take_itself_for_a_duplicate(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with house_with_customers(temporal, database_url, tmp_path) as (made, _):
        body = {**CALL, "caller": GRANNY}
        first, again = [await made.register(body, key="once") for _ in range(2)]
        assert first.json()["number"] == again.json()["number"]
        assert again.json()["flags"] == ["hardship"]


async def test_with_sql_down_the_call_is_taken_without_flags(
    temporal: Client, tmp_path: Path, postgresql_url: str
) -> None:
    async with house_with_customers(temporal, postgresql_url, tmp_path, sql_wait_seconds=0.3) as (made, database):
        with down(database):
            taken = await made.register({**CALL, "caller": GRANNY})
            assert (taken.status_code, taken.json()["flags"]) == (202, [])
        number = taken.json()["number"]
        assert await until(lambda: made.actions(number), bool) == ["register"]
        assert (await until(lambda: call(made, GRANNY), lambda again: bool(again["flags"])))["flags"][0] == "hardship"


@contextmanager
def locked(database: Engine) -> Iterator[None]:
    """Nobody can read customers within the block: whoever asks for them waits."""
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        yield


async def test_with_sql_slow_the_call_is_taken_without_flags_while_it_is_slow(
    temporal: Client, tmp_path: Path, postgresql_url: str
) -> None:
    async with house_with_customers(temporal, postgresql_url, tmp_path, caller_lookup_seconds=0.05) as (made, database):
        with locked(database):
            # Answered, and shown by SQL, while the question about the caller still hangs.
            for _ in range(3):
                assert (await call(made, GRANNY))["flags"] == []
        known = await until(lambda: call(made, GRANNY), lambda again: bool(again["flags"]))
        assert known["flags"][0] == "hardship"


async def test_a_registry_that_is_not_there_yet_stops_nobody(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    """An API that is newer than the tables."""
    async with house_with_customers(temporal, database_url, tmp_path) as (made, database):
        with database.begin() as connection:
            connection.execute(text("DROP TABLE customers"))
        assert (await call(made, GRANNY))["flags"] == []


async def test_nothing_is_asked_where_the_setting_says_so(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    async with house_with_customers(temporal, sqlite_url, tmp_path, caller_lookup_seconds=0.0) as (made, _):
        assert (await call(made, GRANNY))["flags"] == []


async def test_staff_find_flagged_cases_in_the_temporal_ui(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    async with house_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        number = (await call(made, GRANNY))["number"]
        query = f'Flags = "hardship" AND WorkflowId = "complaint-{number}"'

        async def found() -> int:
            return len([each async for each in temporal.list_workflows(query)])

        assert await until(found, bool) == 1
