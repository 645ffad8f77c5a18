"""England's Guaranteed Standards: data alone make a missed promise a credit, approved and reported in pounds."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from domain.calendar.work_calendar import on_the_wall
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.sign_for import SignFor
from domain.case.case import Case
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import CustomerClass
from domain.customers.customer import Customer
from domain.shared.operator_errors import FileError
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.customers import keep
from readmodel.database import engine, writing
from tests.support.api import House, house, problem
from tests.support.build import ADMIN, do, registration
from tests.support.hotline import temporal_server, until
from workflows.presentation.complaint import workflow_id

ENGLAND = DEFAULT_CATALOGUE.with_name("england.toml")
LONDON = "Europe/London"
BRITISH = datetime(2026, 7, 1, 9, tzinfo=UTC)
CALL = {"service_code": "supply_interruption", "description": "No water since noon.", "location": {"district": "city"}}


@pytest.fixture(scope="module")
def england() -> Catalogue:
    return load_catalogue(ENGLAND)


FURTHER = ["50.00"] * 2
FINDINGS = {
    "appointment_badly_made": ("40.00", "40.00"),
    "appointment_not_kept": ("50.00", "50.00"),
    "short_notice": ("50.00", "50.00"),
    "payment_late": ("40.00", "100.00"),
}
"""What norms say a household gets, and a business."""


def case_of(england: Catalogue, service: str, customer: CustomerClass = "household") -> Case:
    """A case of this service that the crew has signed for as soon as it was registered."""
    terms = england.terms(service, "city", BRITISH)
    start = registration(BRITISH).model_copy(update={"terms": terms, "customer_class": customer})
    case, _ = Case.register(start)
    for body in (Dispatch(department=terms.department), SignFor()):
        do(case, body, BRITISH, ADMIN)
    return case


def owed(case: Case) -> list[str]:
    return [str(credit.amount) for credit in case.credits]


@pytest.mark.parametrize(
    ("service", "kept_until", "late", "amounts"),
    [
        ("supply_interruption", timedelta(hours=12), timedelta(hours=24), FURTHER),
        ("trunk_main", timedelta(hours=48), timedelta(hours=96), FURTHER),
        ("low_pressure", timedelta(days=3), timedelta(days=30), ["50.00"] * 5),
        # Ten working days from Wednesday at ten in the morning, London time.
        ("bill_query", timedelta(days=14), timedelta(days=60), ["40.00"]),
        ("complaint", timedelta(days=14), timedelta(days=60), ["40.00"]),
    ],
)
def test_a_missed_promise_is_credited_as_the_standards_say(
    england: Catalogue, service: str, kept_until: timedelta, late: timedelta, amounts: list[str]
) -> None:
    case = case_of(england, service)
    case.ring(BRITISH + kept_until - timedelta(seconds=1))
    assert owed(case) == []
    case.ring(BRITISH + kept_until)
    assert owed(case) == amounts[:1]
    case.ring(BRITISH + late)
    assert owed(case) == amounts
    assert {credit.paid_by for credit in case.credits} == {"billing"}
    assert case.terms.currency == "GBP"


@pytest.mark.parametrize("finding", FINDINGS)
def test_what_is_found_is_credited_as_the_standards_say_whatever_the_service(england: Catalogue, finding: str) -> None:
    for service in england.services:
        for customer, amount in zip(get_args(CustomerClass), FINDINGS[finding], strict=True):
            case = case_of(england, service.code, customer)
            do(case, Complete(result="Found.", findings=(finding,)), BRITISH, ADMIN)
            case.ring(BRITISH)
            assert owed(case) == [amount]


def test_the_calendar_knows_the_clock_change_and_the_bank_holidays(england: Catalogue) -> None:
    terms = england.terms("complaint", "city", datetime(2026, 12, 23, 17, tzinfo=UTC))
    [reply] = [promise for promise in terms.promises if promise.name == "reply"]
    # From Wednesday 17:00: an hour that day; Thursday; Friday 25th and Monday 28th are holidays.
    due = terms.calendar.add(datetime(2026, 12, 23, 17, tzinfo=UTC), reply.budget_seconds)
    assert due == datetime(2027, 1, 11, 17, tzinfo=UTC)
    opens = BRITISH.replace(hour=7)
    assert england.calendar.add(opens, 60) == opens + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('service = "gas"\nclock = "resolve"\namount = "5"', "credits[0].service: 'gas' is not in services; accepted:"),
        ('service = "thanks"\nclock = "reply"\namount = "5"', "credits: thanks promises no reply"),
        ('service = "no_water"\nclock = "rest"\namount = "5"', "credits[0].clock: must be 'acknowledge'"),
        ('service = "no_water"\nclock = "resolve"\namount = "0"', "credits[0].amount: must be greater than 0"),
        (
            'service = "no_water"\nclock = "resolve"\namount = "900000"',
            "credits: 900000.00 is more than the last approver",
        ),
        ('service = "no_water"\nclock = "resolve"', "credits[0].amount: is missing; accepted: as a text"),
        ('service = "no_water"\namount = "5"', "credits[0]: say exactly one of clock, finding"),
        ('clock = "resolve"\namount = "5"', "credits[0]: service is missing: a clock is one of a service"),
        ('finding = "rude"\namount = "5"', "credits[0].finding: 'rude' is not in findings; accepted: "),
        (
            'service = "no_water"\nclock = "resolve"\namount = { household = "5" }',
            "credits[0]: amount: accepted: a text, or a table of household and business",
        ),
        (
            'service = "no_water"\nclock = "resolve"\namount = "5"\nat_most_in = { days = 365, source = "I" }',
            "credits[0]: at_most_in is the time of an at_most: name that as well",
        ),
        (
            'service = "no_water"\nclock = "reply"\namount = "5"\n[findings.rude]\nname = "Rude"\nname_zh = "粗鲁"',
            "credits: nothing is owed for the finding rude; accepted: a credit for each of [findings]",
        ),
    ],
)
def test_a_mistake_in_a_credit_is_named_with_what_would_be_accepted(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mistaken.toml"
    head = f'extends = "{DEFAULT_CATALOGUE}"\n[[credits]]\nname = "Late"\nname_zh = "迟"\nsource = "I"\n'
    file.write_text(head + text, encoding="utf-8")
    with pytest.raises(FileError) as found:
        load_catalogue(file)
    assert said in str(found.value)


async def test_a_missed_promise_becomes_a_credit_that_is_approved_and_reported_in_pounds(tmp_path: Path) -> None:
    async with await temporal_server() as server:
        url = f"sqlite:///{tmp_path / 'hotline.db'}"
        async with house(server.client, url, tmp_path, catalogue=ENGLAND) as open_house:
            services = (await open_house.get("/v1/services")).json()
            assert services["currency"] == "GBP"
            number = (await open_house.register(CALL)).json()["number"]
            running = server.client.get_workflow_handle(workflow_id(number))
            await server.fast_forward(running, timedelta(hours=25))
            case = await until(lambda: open_house.complaint(number), lambda seen: len(seen["credits"]) == 2)
            registered_at = datetime.fromisoformat(case["registered_at"])
            assert number.startswith(f"{on_the_wall(registered_at, LONDON):%y%m%d}")
            assert [owed["amount"] for owed in case["credits"]] == ["50.00", "50.00"]
            assert (case["state"], case["currency"], case["flags"]) == ("registered", "GBP", ["credit_waits"])
            await decided(open_house, number)


async def decided(open_house: House, number: str) -> None:
    """Both are decided on, and the month's report says so."""
    refused = await open_house.act(number, "decide_credit", {"credit": 1, "approved": True}, "chen")
    assert refused.status_code == 403
    unknown = await open_house.act(number, "decide_credit", {"credit": 3, "approved": True}, "gao")
    assert (unknown.status_code, unknown.json()["accepted"]) == (422, ["1", "2"])
    for credit, approved in ((1, True), (2, False)):
        word = {"credit": credit, "approved": approved, "reason": "The supply was back by then."}
        answer = await open_house.act(number, "decide_credit", word, "gao")
        assert answer.status_code == 200, answer.text
    case = await open_house.complaint(number)
    assert (case["state"], case["flags"]) == ("registered", [])
    assert [(one["kind"], one["approved"]) for one in case["decisions"]] == [("credit", True), ("credit", False)]
    at = on_the_wall(datetime.fromisoformat(case["decisions"][0]["decided_at"]), LONDON)
    report = (await open_house.get("/v1/reports/approvals", month=f"{at:%Y-%m}")).json()
    assert (report["currency"], report["approved_amount"]) == ("GBP", "50.00")
    assert report["items"] == [
        {"kind": "credit", "currency": "GBP", "approved": True, "times": 1, "amount": "50.00"},
        {"kind": "credit", "currency": "GBP", "approved": False, "times": 1, "amount": "50.00"},
    ]


SHOP = Customer(account_no="B-1", name="Laundry", customer_class="business")


async def test_what_is_found_is_credited_by_the_class_of_the_customer_in_the_registry(tmp_path: Path) -> None:
    async with await temporal_server() as server:
        url = f"sqlite:///{tmp_path / 'hotline.db'}"
        async with house(server.client, url, tmp_path, catalogue=ENGLAND) as open_house:
            register(url, SHOP)
            services = (await open_house.get("/v1/services")).json()
            assert [finding["code"] for finding in services["findings"]] == [*FINDINGS]
            call = {"service_code": "complaint", "description": "You paid late.", "caller": {"account_no": "B-1"}}
            number = (await open_house.register(call)).json()["number"]
            for action, body in (("dispatch", {"department": "customer_care"}), ("sign_for", {})):
                await open_house.act(number, action, body)
            unknown = await open_house.act(number, "complete", {"result": "It was.", "findings": ["rude"]})
            assert problem(unknown, 422, "unknown-finding")["accepted"] == [*FINDINGS]
            done = await open_house.act(number, "complete", {"result": "It was.", "findings": ["payment_late"]})
            assert done.status_code == 200, done.text
            case = await until(lambda: open_house.complaint(number), lambda seen: bool(seen["credits"]))
            [credit] = case["credits"]
            told = {name: credit[name] for name in ("amount", "finding", "clock", "paid_by")}
            assert told == {"amount": "100.00", "finding": "payment_late", "clock": None, "paid_by": "billing"}
            assert (case["state"], case["flags"]) == ("pending_reply", ["credit_waits"])


def register(url: str, *customers: Customer) -> None:
    database = engine(url)
    with writing(database) as connection:
        keep(connection, customers)
    database.dispose()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_an_account_gets_no_more_for_low_pressure_than_the_most_of_a_year(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """Each case by itself is within it; whoever approves the sixth is told of the five before."""
    async with await temporal_server() as server:
        url = request.getfixturevalue(f"{database}_url")
        async with house(server.client, url, tmp_path, catalogue=ENGLAND) as open_house:
            call = {"service_code": "low_pressure", "description": "It drips.", "location": {"district": "city"}}
            first, other = [
                (await open_house.register({**call, "caller": {"account_no": account}})).json()["number"]
                for account in ("B-1", "b1")
            ]
            for number in (first, other):
                await server.fast_forward(server.client.get_workflow_handle(workflow_id(number)), timedelta(days=16))
                await until(partial(open_house.complaint, number), lambda seen: len(seen["credits"]) == 5)
            yes = {"approved": True}
            no = {"approved": False, "ground": "limit_reached", "reason": "Five are paid."}
            for credit in range(1, 5):
                assert (
                    await open_house.act(first, "decide_credit", {"credit": credit, **yes}, "gao")
                ).status_code == 200
            assert (await open_house.act(other, "decide_credit", {"credit": 1, **yes}, "gao")).status_code == 200
            sixth = {"credit": 2, **yes}
            refused = problem(await open_house.act(other, "decide_credit", sixth, "gao"), 409, "credit-limit-reached")
            assert "an account gets 250.00 GBP at most in 365 days" in refused["detail"]
            assert refused["detail"].count(f"50.00 by case {first}") == 4
            assert f"50.00 by case {other}" in refused["detail"]
            problem(await open_house.act(other, "decide_credit", sixth, "wu"), 403, "wrong-role")
            assert refused["accepted"] == ["approved: false, ground: limit_reached, with a reason"]
            mistaken = await open_house.act(other, "decide_credit", {"credit": 2, **no, **yes}, "gao")
            assert "accepted: approved: false, or no ground" in problem(mistaken, 422, "invalid-request")["detail"]
            assert (await open_house.act(other, "decide_credit", {"credit": 2, **no}, "gao")).status_code == 200
            credit = (await open_house.complaint(other))["credits"][1]
            assert (credit["approved"], credit["ground"]) == (False, "limit_reached")


async def test_what_the_caller_sees_is_dated_by_the_day_in_london(tmp_path: Path) -> None:
    """At nine of a summer evening there, tomorrow has begun in Beijing."""
    async with await temporal_server() as server:
        url = f"sqlite:///{tmp_path / 'hotline.db'}"
        async with house(server.client, url, tmp_path, catalogue=ENGLAND) as open_house:
            open_house.clock.fixed = datetime(2026, 7, 1, 20, tzinfo=UTC)
            number = (await open_house.register(CALL)).json()["number"]
            assert number.startswith("260701")
            link = (await open_house.post(f"/v1/complaints/{number}/link", {})).json()["url"]
            page = await open_house.http.get(f"/c/{link.rpartition('/')[2]}")
            assert "2026-07-01" in page.text
            assert "2026-07-02" not in page.text
