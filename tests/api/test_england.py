"""England's Guaranteed Standards: data alone make a missed promise a credit, approved and reported in pounds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalogue_source import CatalogueError, load_catalogue
from domain.calendar import on_the_wall
from domain.catalogue import Catalogue
from settings import DEFAULT_CATALOGUE
from tests.api.house import House, house
from tests.hotline import temporal_server, until
from workflows.presentation import workflow_id

ENGLAND = DEFAULT_CATALOGUE.with_name("england.toml")
LONDON = "Europe/London"
BRITISH = datetime(2026, 7, 1, 9, tzinfo=UTC)
CALL = {"service_code": "supply_interruption", "description": "No water since noon.", "location": {"district": "city"}}


@pytest.fixture(scope="module")
def england() -> Catalogue:
    return load_catalogue(ENGLAND)


@pytest.mark.parametrize(
    ("service", "clock", "budget", "owed"),
    [
        ("supply_interruption", "resolve", 12 * 3600, ("50.00", "50.00", 12 * 3600, None)),
        ("trunk_main", "resolve", 48 * 3600, ("50.00", "50.00", 48 * 3600, None)),
        ("low_pressure", "resolve", 72 * 3600, ("50.00", None, None, "250.00")),
        ("bill_query", "reply", 10 * 10 * 3600, ("40.00", None, None, None)),
        ("complaint", "reply", 10 * 10 * 3600, ("40.00", None, None, None)),
    ],
)
def test_the_standards_are_promises_and_credits_in_pounds(
    england: Catalogue, service: str, clock: str, budget: int, owed: tuple[Any, ...]
) -> None:
    terms = england.terms(service, "city", BRITISH)
    [credit] = terms.credits
    assert terms.currency == "GBP"
    assert (credit.clock, next(each.budget_seconds for each in terms.promises if each.name == clock)) == (clock, budget)
    told = (credit.amount, credit.each_further, credit.every_seconds, credit.at_most)
    assert tuple(str(each) if each is not None and not isinstance(each, int) else each for each in told) == owed


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
            "credits: 900000 is more than the last approver",
        ),
        ('service = "no_water"\nclock = "resolve"', "credits[0].amount: is missing; accepted: as a text"),
    ],
)
def test_a_mistake_in_a_credit_is_named_with_what_would_be_accepted(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mistaken.toml"
    head = f'extends = "{DEFAULT_CATALOGUE}"\n[[credits]]\nname = "Late"\nname_zh = "迟"\nsource = "I"\n'
    file.write_text(head + text, encoding="utf-8")
    with pytest.raises(CatalogueError) as found:
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
        answer = await open_house.act(number, "decide_credit", {"credit": credit, "approved": approved}, "gao")
        assert answer.status_code == 200, answer.text
    case = await open_house.complaint(number)
    assert (case["state"], case["flags"]) == ("registered", [])
    assert [(one["kind"], one["approved"]) for one in case["decided"]] == [("credit", True), ("credit", False)]
    at = on_the_wall(datetime.fromisoformat(case["decided"][0]["decided_at"]), LONDON)
    report = (await open_house.get("/v1/reports/approvals", month=f"{at:%Y-%m}")).json()
    assert (report["currency"], report["approved_amount"]) == ("GBP", "50.00")
    assert report["items"] == [
        {"kind": "credit", "currency": "GBP", "approved": True, "times": 1, "amount": "50.00"},
        {"kind": "credit", "currency": "GBP", "approved": False, "times": 1, "amount": "50.00"},
    ]
