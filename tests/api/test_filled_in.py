"""Name, telephone, account and place from the registry, where the caller gives none."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from domain.customers.customer import Customer
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import writing
from readmodel.customers import save_customers
from tests.api.test_caller import api_with_customers, call, locked
from tests.support.api import Json
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCOUNT, PHONE = "0420013", "0760 8823 7777"
HOME: Json = {"district": "west", "address": "下闸新村 3 号", "lat": None, "lng": None}
NOWHERE: Json = dict.fromkeys(HOME)


async def test_a_case_by_account_gets_name_telephone_and_place(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with api_with_customers(temporal, database_url, tmp_path) as (made, _):
        registered = await call(made, {"account_no": ACCOUNT}, {})
        read = await made.complaint(registered["number"])
        for case in (registered, read):
            assert case["caller"] == {"account_no": ACCOUNT, "name": "李婆婆", "phone": PHONE}
            assert case["location"] == HOME
        (first,) = (await made.get(f"/v1/complaints/{registered['number']}/timeline")).json()["items"]
        assert first["data"]["filled"] == ["caller.name", "caller.phone", "location.district", "location.address"]
        page = (await made.get("/v1/complaints", q="下闸新村", district="west")).json()
        assert [item["number"] for item in page["items"]] == [registered["number"]]
        assert (await made.act(registered["number"], "urge", {}, "chen")).json()["caller"] == read["caller"]


async def test_a_case_by_telephone_gets_the_account(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    """Unless several accounts share the telephone. What the caller says of the account counts."""
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, database):
        shared = [Customer(account_no=no, name="店", phone="0760 8823 1000") for no in ("1", "2")]
        with writing(database) as connection:
            save_customers(connection, shared, "0760")
        case = await call(made, {"phone": PHONE.removeprefix("0760 ")}, {})
        assert (case["caller"]["account_no"], case["filled"][:2]) == (ACCOUNT, ["caller.name", "caller.account_no"])
        assert (await call(made, {"phone": "0760 8823 1000"}, {}))["caller"]["account_no"] is None
        assert (await call(made, {"phone": PHONE, "account_no": "9"}, {}))["caller"]["account_no"] == "9"
        corrected = await made.act(case["number"], "correct", {"reason": "?", "caller": {"phone": "139 0000 0000"}})
        assert corrected.json()["caller"] == {"name": None, "phone": "139 0000 0000", "account_no": None}


SAID: list[tuple[Json, Json, tuple[Any, ...]]] = [
    ({"phone": PHONE}, {}, ("李婆婆", PHONE, HOME)),
    ({"phone": PHONE}, {"district": "west"}, ("李婆婆", PHONE, HOME)),
    ({"account_no": ACCOUNT, "phone": "139 0000 0000", "name": "邻居"}, {}, ("邻居", "139 0000 0000", HOME)),
    ({"account_no": ACCOUNT}, {"district": "east"}, ("李婆婆", PHONE, NOWHERE | {"district": "east"})),
    ({"account_no": ACCOUNT}, {"address": "路口"}, ("李婆婆", PHONE, NOWHERE | {"address": "路口"})),
    (
        {"account_no": ACCOUNT},
        {"lat": 22.5, "lng": 113.3},
        ("李婆婆", PHONE, NOWHERE | {"lat": 22.5, "lng": 113.3}),
    ),
    ({"phone": "139 0000 0000"}, {}, (None, "139 0000 0000", NOWHERE)),
    ({"name": "李婆婆"}, {}, ("李婆婆", None, NOWHERE)),
]
"""Caller and place of a call, and the name, telephone and place of its case."""


async def test_what_the_caller_says_counts(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    """A caller who names another place does not speak of home."""
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        for caller, location, expected in SAID:
            case = await call(made, caller, location)
            assert (case["caller"]["name"], case["caller"]["phone"], case["location"]) == expected, caller


OTHER: Json = {"name": "王先生", "phone": "0760 8823 5555", "district": "east", "address": "博爱路 9 号"}


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["", "phone"])
async def test_what_was_filled_in_is_that_of_the_corrected_customer(
    temporal: Client, tmp_path: Path, database_url: str, missing: str
) -> None:
    """Then of a stranger, which is nothing, and of the first one again. What was corrected by hand stays."""
    async with api_with_customers(temporal, database_url, tmp_path) as (made, database):
        other = OTHER | ({missing: None} if missing else {})
        with writing(database) as connection:
            save_customers(connection, [Customer(account_no="7300001", **other)], "0760")
        number = (await call(made, {"account_no": ACCOUNT}, {}))["number"]

        async def after(**correction: Json) -> tuple[Any, ...]:
            answer = await made.act(number, "correct", {"reason": "账号报错", **correction})
            assert answer.status_code == 200, answer.text
            case = answer.json()
            read = await made.complaint(number)
            assert [read[name] for name in ("caller", "location", "filled")] == [
                case[name] for name in ("caller", "location", "filled")
            ]
            return tuple(case["caller"][name] for name in ("name", "phone")), case["location"]

        place: Json = {"district": other["district"], "address": other["address"], "lat": None, "lng": None}
        assert await after(caller={"account_no": "7300001"}) == ((other["name"], other["phone"]), place)
        assert await after(caller={"account_no": "9"}) == ((None, None), NOWHERE)
        assert await after(caller={"account_no": ACCOUNT}) == (("李婆婆", PHONE), HOME)
        assert await after(caller={"name": "邻居"}) == (("邻居", PHONE), HOME)
        assert await after(caller={"account_no": "7300001"}) == (("邻居", other["phone"]), place)
        assert await after(location={"district": "south"}) == (("邻居", other["phone"]), place | {"district": "south"})
        assert await after(caller={"account_no": ACCOUNT}) == (("邻居", PHONE), NOWHERE | {"district": "south"})


@pytest.mark.slow
async def test_a_customer_who_is_corrected_by_telephone_brings_name_and_place(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """The name that the agent typed at the intake stays."""
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, database):
        with writing(database) as connection:
            save_customers(connection, [Customer(account_no="7300001", **OTHER)], "0760")
        number = (await call(made, {"phone": PHONE, "name": "邻居"}, {}))["number"]
        correction = {"reason": "电话报错", "caller": {"phone": OTHER["phone"]}}
        case = (await made.act(number, "correct", correction)).json()
        assert (case["caller"]["name"], case["caller"]["phone"]) == ("邻居", OTHER["phone"])
        assert (case["location"]["district"], case["location"]["address"]) == ("east", OTHER["address"])
        assert case["filled"] == ["caller.account_no", "location.address", "location.district"]
        budgets = {each["name"]: each["budget_seconds"] for each in case["clocks"]}
        terms = made.backend.catalogue.terms(case["service_code"], "east", made.clock())
        assert budgets == {each.name: each.budget_seconds for each in terms.promises}


async def test_nothing_is_filled_in_where_the_request_says_so(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, _):
        case = await call(made, {"account_no": ACCOUNT}, {}, fill=False)
        assert (case["caller"], case["location"]) == ({"account_no": ACCOUNT, "name": None, "phone": None}, NOWHERE)
        assert case["flags"] == ["hardship"]
        (first,) = (await made.get(f"/v1/complaints/{case['number']}/timeline")).json()["items"]
        assert "filled" not in first["data"]


async def test_telephones_of_files_get_the_form_of_cases_and_shared_ones_are_left_out(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, database):
        given = {"1": "(0760)88237000转8", "2": "+852 2345 6789", "3": "88231000", "4": "0760 8823 1000"}
        with writing(database) as connection:
            save_customers(
                connection, [Customer(account_no=no, name="店", phone=phone) for no, phone in given.items()], "0760"
            )
        found = [(await call(made, {"account_no": account}, {}))["caller"]["phone"] for account in given]
        assert found == ["076088237000", "+852 2345 6789", None, None]


async def test_the_promises_are_those_of_the_district_that_is_filled_in(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with api_with_customers(temporal, sqlite_url, tmp_path) as (made, database):
        customers = [
            Customer(account_no="1", name="村", district="minzhong"),
            Customer(account_no="2", name="村", district="given_up", address="旧路 1 号"),
        ]
        with writing(database) as connection:
            save_customers(connection, customers)
        burst: Json = {"service_code": "burst_main"}
        said = await call(made, {}, {"district": "minzhong"}, **burst)
        filled = await call(made, {"account_no": "1"}, {}, **burst)
        in_town = await call(made, {}, {}, **burst)
        of_village, of_customer, of_town = [
            [clock["budget_seconds"] for clock in case["clocks"]] for case in (said, filled, in_town)
        ]
        assert of_village == of_customer != of_town
        # A district that the catalogue in force does not have is left out.
        assert (await call(made, {"account_no": "2"}, {}))["location"] == NOWHERE | {"address": "旧路 1 号"}


@pytest.mark.slow
async def test_what_is_recognised_late_fills_nothing_in(temporal: Client, tmp_path: Path, postgresql_url: str) -> None:
    changes = {"caller_lookup_seconds": 0.05, "catalogue": DEFAULT_CATALOGUE}
    async with api_with_customers(temporal, postgresql_url, tmp_path, **changes) as (made, database):
        with locked(database):
            number = (await call(made, {"account_no": ACCOUNT}, {}))["number"]
        told = await until(partial(made.complaint, number), lambda case: bool(case["flags"]))
        assert (told["flags"], told["caller"]["phone"], told["location"]) == (["hardship"], None, NOWHERE)
        seen = (await made.get(f"/v1/complaints/{number}/caller", "chen")).json()["customer"]
        assert (seen["phone"], seen["address"]) == (PHONE, HOME["address"])
