"""England's Guaranteed Standards as a catalogue: which promises and findings it credits, and with how much."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from domain.case.actions.complete import Complete
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.sign_for import SignFor
from domain.case.case import Case
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import CustomerClass
from domain.shared.errors import FileError
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import ADMIN, data_of, do, refused, registration

ENGLAND = DEFAULT_CATALOGUE.with_name("england.toml")
BRITISH = datetime(2026, 7, 1, 9, tzinfo=UTC)
FURTHER = ["50.00"] * 2
FINDINGS = {
    "appointment_badly_made": ("40.00", "40.00"),
    "appointment_not_kept": ("50.00", "50.00"),
    "short_notice": ("50.00", "50.00"),
    "low_pressure": ("50.00", "50.00"),
    "meter_not_read": ("40.00", "40.00"),
    "meter_not_read_again": ("80.00", "80.00"),
    "debt_without_notice": ("150.00", "150.00"),
    "no_priority_support": ("100.00", "100.00"),
    "payment_late": ("40.00", "100.00"),
}
"""Amounts that norms give a household, and a business."""


@pytest.fixture(scope="module")
def england() -> Catalogue:
    return load_catalogue(ENGLAND)


def case_of(england: Catalogue, service: str, customer: CustomerClass = "household") -> Case:
    """A case of this service that the crew has signed for as soon as it was registered."""
    terms = england.terms(service, "city", BRITISH)
    start = registration(BRITISH).model_copy(update={"terms": terms, "customer_class": customer})
    case, _ = Case.register(start)
    for body in (Dispatch(department=terms.department), SignFor()):
        do(case, body, BRITISH, ADMIN)
    return case


def case_late(england: Catalogue, at: datetime) -> Case:
    """A case whose supply is not restored by then."""
    case = case_of(england, "supply_interruption")
    case.advance(at)
    return case


def owed(case: Case) -> list[str]:
    return [str(credit.amount) for credit in case.credits]


@pytest.mark.parametrize(
    ("service", "kept_until", "late", "amounts"),
    [
        ("supply_interruption", timedelta(hours=12), timedelta(hours=24), FURTHER),
        ("trunk_main", timedelta(hours=48), timedelta(hours=96), FURTHER),
        # Ten working days from Wednesday at ten in the morning, London time.
        ("bill_query", timedelta(days=14), timedelta(days=60), ["40.00"]),
        ("complaint", timedelta(days=14), timedelta(days=60), ["40.00"]),
        ("payment_plan", timedelta(days=7), timedelta(days=60), ["40.00"]),
        ("priority_services", timedelta(days=30), timedelta(days=90), ["100.00"]),
    ],
)
def test_a_missed_promise_is_credited_as_the_standards_say(
    england: Catalogue, service: str, kept_until: timedelta, late: timedelta, amounts: list[str]
) -> None:
    case = case_of(england, service)
    case.advance(BRITISH + kept_until - timedelta(seconds=1))
    assert owed(case) == []
    case.advance(BRITISH + kept_until)
    assert owed(case) == amounts[:1]
    case.advance(BRITISH + late)
    assert owed(case) == amounts
    assert {credit.paid_by for credit in case.credits} == {"billing"}
    assert case.terms.currency == "GBP"


@pytest.mark.parametrize("finding", FINDINGS)
def test_what_is_found_is_credited_as_the_standards_say_whatever_the_service(england: Catalogue, finding: str) -> None:
    for service in england.services:
        for customer, amount in zip(get_args(CustomerClass), FINDINGS[finding], strict=True):
            case = case_of(england, service.code, customer)
            do(case, Complete(result="Found.", findings=(finding,)), BRITISH, ADMIN)
            case.advance(BRITISH)
            assert owed(case) == [amount]


def test_a_missed_promise_of_an_unknown_amount_credits_nothing(england: Catalogue) -> None:
    case = case_of(england, "meter_fitting")
    case.advance(BRITISH + timedelta(weeks=8))
    assert [clock.name for clock in case.clocks if clock.missed_at] == ["resolve"]
    case.advance(BRITISH + timedelta(weeks=30))
    assert owed(case) == []


def test_a_finding_of_an_unknown_amount_is_recorded_and_credits_nothing(england: Catalogue) -> None:
    case = case_of(england, "complaint")
    do(case, Complete(result="Boil water.", findings=("water_quality_notice",)), BRITISH, ADMIN)
    case.advance(BRITISH)
    assert [finding.code for finding in case.findings] == ["water_quality_notice"]
    assert owed(case) == []


def test_unknown_amounts_are_the_two_that_were_not_found(england: Catalogue) -> None:
    unknown = {credit.name: credit for credit in england.credits if credit.amount is None}
    assert [*unknown] == ["Meter not fitted", "Water-quality notice"]
    assert all(credit.gap and "not found" in credit.gap for credit in unknown.values())


@pytest.mark.parametrize(
    ("finding", "note"),
    [("meter_not_read_again", "check the account's earlier cases"), ("low_pressure", "At most five in 365 days")],
)
def test_a_credit_notes_what_only_its_approver_can_check(england: Catalogue, finding: str, note: str) -> None:
    case = case_of(england, "complaint")
    do(case, Complete(result="Found.", findings=(finding,)), BRITISH, ADMIN)
    [event] = case.advance(BRITISH)
    [credit] = case.credits
    assert credit.note == data_of(event)["note"]
    assert note in (credit.note or "")


def test_an_unanswered_payment_plan_notes_that_it_must_have_been_refused(england: Catalogue) -> None:
    case = case_of(england, "payment_plan")
    case.advance(BRITISH + timedelta(days=7))
    assert "Owed if the plan was refused" in (case.credits[0].note or "")


@pytest.mark.parametrize("ground", ["drought", "severe_weather", "strike", "third_party"])
def test_an_exemption_is_a_ground_to_reject_a_credit(england: Catalogue, ground: str) -> None:
    at = BRITISH + timedelta(hours=12)
    case = case_late(england, at)
    do(case, DecideCredit(credit=1, approved=False, ground=ground, reason="It was."), at, ADMIN)
    assert (case.credits[0].approved, case.credits[0].ground) == (False, ground)


def test_an_unknown_ground_is_refused_with_those_there_are(england: Catalogue) -> None:
    at = BRITISH + timedelta(hours=12)
    rain = DecideCredit(credit=1, approved=False, ground="rain", reason="It was.")
    unknown = refused(case_late(england, at), rain, ADMIN, at)
    assert (unknown.kind, unknown.code) == ("invalid", "unknown_ground")
    assert unknown.accepted == ("limit_reached", "drought", "severe_weather", "strike", "third_party")


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
        ('service = "no_water"\nclock = "resolve"', 'credits[0]: say exactly one of amount (as a text: "50.00"), gap'),
        ('service = "no_water"\nclock = "resolve"\namount = "5"\ngap = "?"', "credits[0]: say exactly one of amount"),
        (
            'service = "no_water"\nclock = "resolve"\ngap = ""',
            "credits[0].gap: String should have at least 1 character",
        ),
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
    ],
)
def test_a_mistake_in_a_credit_is_named_with_what_would_be_accepted(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mistaken.toml"
    head = f'extends = "{DEFAULT_CATALOGUE}"\n[[credits]]\nname = "Late"\nname_zh = "迟"\nsource = "I"\n'
    file.write_text(head + text, encoding="utf-8")
    with pytest.raises(FileError) as found:
        load_catalogue(file)
    assert said in str(found.value)
