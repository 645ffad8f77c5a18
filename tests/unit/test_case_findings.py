"""Findings when work is completed: kept, and credited at once, once a cycle, by the class of the customer."""

from decimal import Decimal
from typing import Any

import pytest

from domain.case.actions.complete import Complete
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.automatic.internal_updates import NewTerms, Recognised
from domain.case.case import Case
from domain.case.intake import IntakeFlag
from domain.case.lifecycle import Event, State
from domain.catalogue.terms import Credit, Edition
from tests.support.build import (
    BODIES,
    CREW,
    MONDAY,
    OTHER_CREW,
    ROAD,
    case_in,
    command,
    data_of,
    days,
    do,
    hours,
    refused,
    registration,
    terms,
    written,
)

MISSED = Credit(name="Appointment not kept", name_zh="未按预约上门", finding="not_kept", amount=Decimal(50))
LATE = Credit(
    name="Payment late", name_zh="补偿逾期支付", finding="paid_late", amount=Decimal(40), business=Decimal(100)
)
FINDINGS = ("not_kept", "paid_late", "pipe_aged")
"""Nothing is owed for the last one."""


def found(*codes: str) -> Complete:
    return Complete(result="The meter is read.", findings=codes)


def working(**changes: Any) -> Case:
    return case_in(State.IN_PROGRESS, promises=(), **{"findings": FINDINGS, "credits": (MISSED, LATE), **changes})


def raised(events: tuple[Event, ...]) -> list[tuple[str, str]]:
    return [(data_of(event)["finding"], data_of(event)["amount"]) for event in events if event.action == "credit"]


def test_a_finding_is_credited_at_once_and_once() -> None:
    case = working()
    do(case, found("not_kept", "paid_late"), MONDAY + hours(1))
    assert case.next_deadline() == MONDAY + hours(1)
    assert raised(case.advance(MONDAY + hours(1))) == [("not_kept", "50.00"), ("paid_late", "40.00")]
    assert raised(case.advance(MONDAY + days(9))) == []
    [first, _] = case.credits
    assert (first.clock, first.finding, first.found, first.fell_at) == (
        None,
        "not_kept",
        case.version - 2,
        MONDAY + hours(1),
    )
    assert case.flags == ("credit_waits",)


def test_the_event_says_what_was_found_in_the_place_of_a_clock() -> None:
    case = working()
    do(case, found("not_kept"), MONDAY)
    [event] = case.advance(MONDAY)
    assert data_of(event) == {
        "credit": 1,
        "name": "Appointment not kept",
        "name_zh": "未按预约上门",
        "amount": "50.00",
        "currency": "CNY",
        "finding": "not_kept",
        "found": event.seq - 1,
        "period": 0,
        "fell_at": written(MONDAY),
        "approvers": [],
    }


@pytest.mark.parametrize(("customer", "amount"), [("household", "40.00"), ("business", "100.00")])
def test_a_business_gets_what_the_catalogue_says_of_it(customer: Any, amount: str) -> None:
    start = registration(promises=(), findings=FINDINGS, credits=(MISSED, LATE)).model_copy(
        update={"customer_class": customer}
    )
    case, _ = Case.register(start)
    for action in ROAD[State.IN_PROGRESS]:
        do(case, BODIES[action], MONDAY)
    do(case, found("not_kept", "paid_late"), MONDAY)
    assert raised(case.advance(MONDAY)) == [("not_kept", "50.00"), ("paid_late", amount)]


def test_a_business_that_is_recognised_late_gets_as_much_from_then_on() -> None:
    start = registration(promises=(), findings=FINDINGS, credits=(MISSED, LATE))
    case, _ = Case.register(start)
    business = Recognised(flags=(), customer_class="business")
    [event] = case.recognise(business, MONDAY)
    assert data_of(event) == {"flags": [], "customer_class": "business"}
    assert case.recognise(business, MONDAY) == ()
    assert case.recognise(Recognised(flags=(IntakeFlag.HARDSHIP,)), MONDAY)
    for action in ROAD[State.IN_PROGRESS]:
        do(case, BODIES[action], MONDAY)
    do(case, found("paid_late"), MONDAY)
    assert raised(case.advance(MONDAY)) == [("paid_late", "100.00")]


def test_an_unknown_finding_is_refused_with_those_there_are() -> None:
    no_such = refused(working(), found("not_kept", "rude"), at=MONDAY)
    assert (no_such.kind, no_such.code, no_such.accepted) == ("invalid", "unknown_finding", FINDINGS)
    assert "'rude'; accepted: not_kept, paid_late, pipe_aged." in no_such.message
    none = refused(working(findings=()), found("not_kept"), at=MONDAY)
    assert none.accepted == (("不填查实情况", "no findings"),)
    assert "accepted: none; leave findings out." in none.message


@pytest.mark.parametrize("owed", [(), (MISSED, LATE)])
def test_a_finding_without_a_credit_is_kept_and_raises_none(owed: tuple[Credit, ...]) -> None:
    case = working(credits=owed)
    event = do(case, found("pipe_aged"), MONDAY)[-1]
    assert data_of(event)["findings"] == ["pipe_aged"]
    assert [each.code for each in case.findings] == ["pipe_aged"]
    assert raised(case.advance(MONDAY + days(9))) == []
    assert (case.credits, case.flags) == ((), ())


def test_a_finding_counts_once_in_a_cycle_though_it_was_sent_back() -> None:
    case = working()
    for body in (found("not_kept"), BODIES["send_back"], found("not_kept")):
        do(case, body, MONDAY)
    case.advance(MONDAY)
    assert len(case.credits) == 1
    for body in (BODIES["reply"], FollowUp(outcome="dissatisfied"), SignFor(), found("not_kept")):
        do(case, body, MONDAY)
    assert len(raised(case.advance(MONDAY))) == 1
    assert len(case.credits) == 2


def test_a_further_department_may_find_it_as_well() -> None:
    case = working()
    do(case, Involve(department="metering", task="Read the meter."), MONDAY)
    do(case, SignFor(department="metering"), MONDAY, OTHER_CREW)
    assert refused(case, found("rude"), OTHER_CREW, MONDAY).code == "unknown_finding"
    case.apply(command(found("not_kept"), OTHER_CREW), MONDAY)
    assert raised(case.advance(MONDAY)) == [("not_kept", "50.00")]
    assert case.state is State.IN_PROGRESS


@pytest.mark.parametrize("late", [0, 80])
def test_while_the_case_waits_for_its_caller_it_is_credited_at_once_as_well(late: int) -> None:
    case = working()
    do(case, Involve(department="metering", task="Read the meter."), MONDAY)
    do(case, SignFor(department="metering"), MONDAY, OTHER_CREW)
    do(case, Suspend(reason="Nobody in.", wake_at=MONDAY + hours(70)), MONDAY)
    do(case, found("not_kept"), MONDAY + hours(1), OTHER_CREW)
    assert case.next_deadline() == MONDAY + hours(1)
    events = case.advance(MONDAY + hours(1 + late))
    assert [event.action for event in events] == ["credit", "resume"][: 1 + bool(late)]
    assert case.next_deadline() == (None if late else MONDAY + hours(70))
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_the_most_of_a_case_holds_for_findings() -> None:
    capped = MISSED.model_copy(update={"at_most": Decimal(60)})
    case = working(credits=(capped,))
    for body in (
        found("not_kept"),
        BODIES["reply"],
        FollowUp(outcome="dissatisfied"),
        SignFor(),
        found("not_kept"),
    ):
        do(case, body, MONDAY)
    assert (raised(case.advance(MONDAY)), len(case.credits)) == ([], 1)
    do(case, DecideCredit(credit=1, approved=False, reason="It was the street."), MONDAY)
    assert len(raised(case.advance(MONDAY))) == 1


def test_what_was_found_before_a_catalogue_owed_anything_for_it_is_not_made_up_for() -> None:
    case = working()
    do(case, found("not_kept"), MONDAY)
    other = MISSED.model_copy(update={"name": "No show"})
    new = NewTerms(terms=terms(promises=(), credits=(other,)), edition=Edition(digest="0" * 12, name="E", name_zh="英"))
    case.change_catalogue(new, MONDAY + hours(1))
    assert [owed.name for owed in case.credits] == ["Appointment not kept"]
    assert raised(case.advance(MONDAY + hours(2))) == []


def test_an_amount_that_becomes_known_is_not_made_up_for() -> None:
    unknown = MISSED.model_copy(update={"amount": None, "gap": "not found"})
    case = working(credits=(unknown,))
    do(case, found("not_kept"), MONDAY)
    new = NewTerms(
        terms=terms(promises=(), credits=(MISSED,)), edition=Edition(digest="0" * 12, name="E", name_zh="英")
    )
    case.change_catalogue(new, MONDAY + hours(1))
    assert raised(case.advance(MONDAY + hours(2))) == []
    assert [each.code for each in case.findings] == ["not_kept"]


def test_a_completion_that_finds_nothing_reads_as_it_did() -> None:
    case = working()
    completion = Complete(result="The valve was lifted.")
    event = do(case, completion, MONDAY, CREW)[-1]
    assert data_of(event) == {"result": "The valve was lifted."}
    assert case.model_dump(mode="json").keys() & {"findings"} == set()
    assert "customer_class" not in case.model_dump_json()
    assert "findings" not in command(completion).model_dump_json()


def test_a_case_folds_from_its_events_with_what_was_found() -> None:
    start = registration(findings=FINDINGS, credits=(MISSED, LATE)).model_copy(update={"customer_class": "business"})
    case, events = Case.register(start)
    for action in ROAD[State.IN_PROGRESS]:
        events += do(case, BODIES[action], MONDAY)
    events += do(case, found("paid_late"), MONDAY)
    events += case.advance(MONDAY)
    assert Case.fold(events) == case
    assert Case.model_validate_json(case.model_dump_json()) == case
    assert case.credits[0].amount == 100
