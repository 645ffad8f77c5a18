"""England's Guaranteed Standards: a missed promise becomes a credit, approved and reported in pounds."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.names import complaint_id
from domain.calendar.work_calendar import on_the_wall
from domain.customers.customer import Customer
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import engine, writing
from readmodel.customers import save_customers
from tests.support.api import Api, api_on_its_day, problem, running_api
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGLAND = DEFAULT_CATALOGUE.with_name("england.toml")
LONDON = "Europe/London"
FINDINGS = [
    "appointment_badly_made",
    "appointment_not_kept",
    "short_notice",
    "low_pressure",
    "meter_not_read",
    "meter_not_read_again",
    "debt_without_notice",
    "no_priority_support",
    "water_quality_notice",
    "payment_late",
]
EXEMPTIONS = ["drought", "severe_weather", "strike", "third_party"]
CALL = {"service_code": "supply_interruption", "description": "No water since noon.", "location": {"district": "city"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def british(temporal: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A running API under the catalogue of England."""
    folder = tmp_path_factory.mktemp("england")
    database = f"sqlite:///{folder / 'hotline.db'}"
    # Long enough for a slow machine: what a test asks is what is known of a customer, not how fast.
    async with running_api(temporal, database, folder, catalogue=ENGLAND, caller_lookup_seconds=5.0) as made:
        yield made


async def test_a_missed_promise_becomes_a_credit_that_is_approved_and_reported_in_pounds(
    server: WorkflowEnvironment, british: Api
) -> None:
    services = (await british.get("/v1/services")).json()
    assert services["currency"] == "GBP"
    number = (await british.register(CALL)).json()["number"]
    running = server.client.get_workflow_handle(complaint_id(number))
    await server.fast_forward(running, timedelta(hours=25))
    case = await until(lambda: british.complaint(number), lambda seen: len(seen["credits"]) == 2)
    registered_at = datetime.fromisoformat(case["registered_at"])
    assert number.startswith(f"{on_the_wall(registered_at, LONDON):%y%m%d}")
    assert [owed["amount"] for owed in case["credits"]] == ["50.00", "50.00"]
    assert (case["state"], case["currency"], case["flags"]) == ("registered", "GBP", ["credit_waits"])
    await decided(british, number)


async def decided(api: Api, number: str) -> None:
    """Both are decided on, and the month's report says so."""
    refused = await api.act(number, "decide_credit", {"credit": 1, "approved": True}, "chen")
    assert refused.status_code == 403
    unknown = await api.act(number, "decide_credit", {"credit": 3, "approved": True}, "gao")
    assert (unknown.status_code, unknown.json()["accepted"]) == (422, ["1", "2"])
    for credit, approved in ((1, True), (2, False)):
        word = {"credit": credit, "approved": approved, "reason": "The supply was back by then."}
        answer = await api.act(number, "decide_credit", word, "gao")
        assert answer.status_code == 200, answer.text
    case = await api.complaint(number)
    assert (case["state"], case["flags"]) == ("registered", [])
    assert [(one["kind"], one["approved"]) for one in case["decisions"]] == [("credit", True), ("credit", False)]
    at = on_the_wall(datetime.fromisoformat(case["decisions"][0]["decided_at"]), LONDON)
    report = (await api.get("/v1/reports/approvals", month=f"{at:%Y-%m}")).json()
    assert (report["currency"], report["approved_amount"]) == ("GBP", "50.00")
    assert report["items"] == [
        {"kind": "credit", "currency": "GBP", "approved": True, "times": 1, "amount": "50.00"},
        {"kind": "credit", "currency": "GBP", "approved": False, "times": 1, "amount": "50.00"},
    ]


SHOP = Customer(account_no="B-1", name="Laundry", customer_class="business")


async def test_what_is_found_is_credited_by_the_class_of_the_customer_in_the_registry(british: Api) -> None:
    register(british.settings.database_url, SHOP)
    services = (await british.get("/v1/services")).json()
    assert [finding["code"] for finding in services["findings"]] == FINDINGS
    call = {"service_code": "complaint", "description": "You paid late.", "caller": {"account_no": "B-1"}}
    number = (await british.register(call)).json()["number"]
    for action, body in (("dispatch", {"department": "customer_care"}), ("sign_for", {})):
        await british.act(number, action, body)
    unknown = await british.act(number, "complete", {"result": "It was.", "findings": ["rude"]})
    assert problem(unknown, 422, "unknown-finding")["accepted"][::3] == FINDINGS
    done = await british.act(number, "complete", {"result": "It was.", "findings": ["payment_late"]})
    assert done.status_code == 200, done.text
    case = await until(lambda: british.complaint(number), lambda seen: bool(seen["credits"]))
    [credit] = case["credits"]
    told = {name: credit[name] for name in ("amount", "finding", "clock", "paid_by")}
    assert told == {"amount": "100.00", "finding": "payment_late", "clock": None, "paid_by": "billing"}
    assert (case["state"], case["flags"]) == ("pending_reply", ["credit_waits"])


def register(url: str, *customers: Customer) -> None:
    database = engine(url)
    with writing(database) as connection:
        save_customers(connection, customers)
    database.dispose()


async def case_with_finding(api: Api, finding: str, account: str) -> str:
    """Return the number of a case of this account, completed with this finding, whose credit waits."""
    call = {"service_code": "low_pressure", "description": "It drips.", "location": {"district": "city"}}
    number = str((await api.register({**call, "caller": {"account_no": account}})).json()["number"])
    done = {"result": "Measured.", "findings": [finding]}
    for action, body in (("dispatch", {"department": "networks"}), ("sign_for", {}), ("complete", done)):
        assert (await api.act(number, action, body)).status_code == 200
    await until(partial(api.complaint, number), lambda seen: len(seen["credits"]) == 1)
    return number


@pytest.mark.slow
async def test_an_account_gets_no_more_for_low_pressure_than_the_most_of_a_year(
    server: WorkflowEnvironment, tmp_path: Path, database_url: str
) -> None:
    """Each case by itself is within it; whoever approves the sixth is told of the five before. Others do not count."""
    async with running_api(server.client, database_url, tmp_path, catalogue=ENGLAND) as api:
        numbers = [await case_with_finding(api, "low_pressure", account) for account in ["B-1", "b1"] * 3]
        other = await case_with_finding(api, "meter_not_read_again", "B-1")
        yes = {"credit": 1, "approved": True}
        assert (await api.act(other, "decide_credit", yes, "gao")).status_code == 200
        no = {"credit": 1, "approved": False, "ground": "limit_reached", "reason": "Five are paid."}
        *paid, last = numbers
        for number in paid:
            assert (await api.act(number, "decide_credit", yes, "gao")).status_code == 200
        refused = problem(await api.act(last, "decide_credit", yes, "gao"), 409, "credit-limit-reached")
        assert "an account gets 250.00 GBP at most in 365 days" in refused["detail"]
        assert all(f"50.00 by case {number}" in refused["detail"] for number in paid)
        problem(await api.act(last, "decide_credit", yes, "wu"), 403, "wrong-role")
        assert refused["accepted"] == ["approved: false, ground: limit_reached, with a reason"]
        mistaken = await api.act(last, "decide_credit", no | yes, "gao")
        assert "leave it out of an approval" in problem(mistaken, 422, "invalid-request")["detail"]
        assert (await api.act(last, "decide_credit", no, "gao")).status_code == 200
        [credit] = (await api.complaint(last))["credits"]
        assert (credit["approved"], credit["ground"]) == (False, "limit_reached")


async def test_a_credit_shows_its_note_and_is_rejected_for_an_exemption(british: Api) -> None:
    number = await case_with_finding(british, "meter_not_read_again", "C-1")
    [credit] = (await british.complaint(number))["credits"]
    assert credit["amount"] == "80.00"
    assert "check the account's earlier cases" in credit["note"]
    rain = {"credit": 1, "approved": False, "ground": "rain", "reason": "It rained."}
    unknown = problem(await british.act(number, "decide_credit", rain, "gao"), 422, "unknown-ground")
    assert unknown["accepted"] == ["limit_reached", *EXEMPTIONS]
    answer = await british.act(number, "decide_credit", rain | {"ground": "severe_weather"}, "gao")
    assert answer.status_code == 200, answer.text
    assert answer.json()["credits"][0]["ground"] == "severe_weather"


async def test_services_show_an_unknown_amount_as_null_with_its_gap(british: Api) -> None:
    services = (await british.get("/v1/services")).json()
    assert [each["code"] for each in services["exemptions"]] == EXEMPTIONS
    [fitting] = [item for item in services["items"] if item["service_code"] == "meter_fitting"]
    unknown = {credit["name"]: credit["gap"] for credit in fitting["credits"] if credit["amount"] is None}
    assert unknown == {
        "Meter not fitted": "The amount for a meter that is not fitted in 8 weeks was not found.",
        "Water-quality notice": "The amount for a water-quality notice of 48 hours or longer was not found.",
    }


@pytest.mark.slow
async def test_what_the_caller_sees_is_dated_by_the_day_in_london(british: Api) -> None:
    """At nine of a summer evening there, tomorrow has begun in Beijing."""
    evening = datetime(2026, 7, 1, 20, tzinfo=UTC)
    async with api_on_its_day(british, lambda: evening) as api:
        number = (await api.register(CALL)).json()["number"]
    assert number.startswith("260701")
    british.clock.fixed = evening
    page = await british.http.get(british.link(number, at=evening))
    assert "2026-07-01" in page.text
    assert "2026-07-02" not in page.text
