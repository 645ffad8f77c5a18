"""The month of docs/assessment.md, computed by hand there, agrees with the program on both kinds of database."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Engine

from domain.assessment.score import FigureValue, Item
from domain.assessment.state import AssessmentState, Exclusion, Inspection, Objection
from domain.case.actions.arrive import Arrive
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.register import Registration
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.resume import Resume
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.intake import Intake, Location
from domain.case.progress import Satisfaction
from domain.catalogue.figures import FIGURES, Subject
from domain.kit.event import ActionBody
from domain.shared.actors import Actor, Role
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.assessments.exclusions import request
from readmodel.assessments.months import GivenValue, replace_given_values
from readmodel.base.database import engine, writing
from readmodel.migrate import migrate
from tests.support.assessment import MONTH, UNTIL, at, computed, month, play, results
from tests.support.pages import examples, names, page, section

PAGE = page("docs/assessment.md")
ONE, OTHER = Actor(id="10023", role=Role.AGENT), Actor(id="10024", role=Role.AGENT)
REPAIR = Actor(id="30011", role=Role.CREW, department="repair")
NETWORK = Actor(id="30020", role=Role.CREW, department="network")
CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
COLUMNS = {
    "10023": (Subject.AGENT, "10023"),
    "10024": (Subject.AGENT, "10024"),
    "repair": (Subject.DEPARTMENT, "repair"),
    "company": (Subject.COMPANY, "company"),
}
DIGEST = "6fa13e89ad52d2e412a0871411ef4bed8a4ef5fd5b49c6f3af2e26508d9adf7c"
"""Of the month with an exclusion, an inspection, an accepted objection and points from outside."""

Step = tuple[int, str, ActionBody, Actor | None]
SIGNED, ARRIVED = SignFor(), Arrive()
DONE, REPLIED = Complete(result="Water is back."), Reply(message="Water is back.")
SOLVED = partial(FollowUp, contacted=True, solved=True)


def to(department: str) -> Dispatch:
    return Dispatch(department=department)


def work(day: int, signed: str, arrived: str, completed: str, replied: str, owner: Actor) -> list[Step]:
    return [
        (day, signed, SIGNED, REPAIR),
        (day, arrived, ARRIVED, REPAIR),
        (day, completed, DONE, REPAIR),
        (day, replied, REPLIED, owner),
    ]


A: list[Step] = [
    (1, "08:03", to("repair"), None),
    *work(1, "08:10", "09:00", "10:00", "10:30", ONE),
    (2, "09:00", SOLVED(satisfaction=Satisfaction.VERY_SATISFIED), None),
]
B: list[Step] = [
    (3, "09:05", to("repair"), None),
    *work(3, "09:20", "10:00", "12:00", "14:00", ONE),
    (4, "10:00", FollowUp(contacted=True, solved=False, satisfaction=Satisfaction.DISSATISFIED), None),
    *work(4, "10:05", "11:00", "12:00", "12:30", ONE),
    (5, "09:00", SOLVED(satisfaction=Satisfaction.SATISFIED), None),
]
C: list[Step] = [
    (10, "08:02", to("repair"), None),
    (10, "08:05", SIGNED, REPAIR),
    (10, "08:30", ARRIVED, REPAIR),
    (10, "08:40", Suspend(reason="The caller is away."), REPAIR),
    (11, "08:40", Resume(), REPAIR),
    (11, "09:30", DONE, REPAIR),
    (11, "10:00", REPLIED, OTHER),
    *((day, clock, FollowUp(contacted=False), None) for day, clock in ((12, "09:00"), (13, "08:30"), (14, "08:00"))),
]
D: list[Step] = [
    (30, "19:05", to("repair"), None),
    (30, "19:10", SIGNED, REPAIR),
    (30, "20:00", ARRIVED, REPAIR),
    (31, "02:00", DONE, REPAIR),
    (31, "02:30", REPLIED, OTHER),
]
E: list[Step] = [
    (15, "08:05", to("repair"), None),
    (15, "08:10", SIGNED, REPAIR),
    (15, "08:40", ARRIVED, REPAIR),
    (15, "09:00", DONE, REPAIR),
    (15, "09:30", HandOver(owner="10024"), None),
    (15, "10:00", REPLIED, OTHER),
    (16, "09:00", SOLVED(satisfaction=Satisfaction.VERY_SATISFIED), None),
]
F: list[Step] = [
    (20, "08:05", to("network"), None),
    (20, "08:09", Return(reason="Behind the meter."), NETWORK),
    (20, "08:20", to("repair"), None),
    (20, "08:25", SIGNED, REPAIR),
    (20, "08:50", Urge(), None),
    (20, "09:00", ARRIVED, REPAIR),
    (20, "09:10", RequestApproval(subject="New pipes", amount=Decimal(860)), REPAIR),
    (20, "09:40", DecideApproval(approved=True), None),
    (20, "10:30", DONE, REPAIR),
    (20, "11:00", REPLIED, ONE),
    (21, "10:00", SOLVED(satisfaction=Satisfaction.FAIRLY_SATISFIED), None),
]
CASES = {
    "A": (1, "08:00", ONE, A),
    "B": (3, "09:00", ONE, B),
    "C": (10, "08:00", OTHER, C),
    "D": (30, "19:00", OTHER, D),
    "E": (15, "08:00", ONE, E),
    "F": (20, "08:00", ONE, F),
}


def instant(day: int, clock: str) -> datetime:
    return at(1, clock, month=10) if day == 31 else at(day, clock)


@pytest.fixture
def month_by_hand(database_url: str) -> Iterator[tuple[Engine, dict[str, str]]]:
    migrate(database_url)
    made, numbers = engine(database_url), dict[str, str]()
    for place, (name, (day, clock, owner, steps)) in enumerate(CASES.items(), start=1):
        called = at(day, clock)
        start = Registration(
            number=f"2609{day:02}{place:07}",
            at=called,
            actor=owner,
            owner=owner.id,
            intake=Intake(service_code="no_water", description="No water.", location=Location(district="west")),
            terms=CATALOGUE.terms("no_water", "west", called),
        )
        numbers[name] = play(made, start, *((instant(on, when), body, by) for on, when, body, by in steps))
    yield made, numbers
    made.dispose()


def shown(item: Item, row: str) -> str:
    if row in ("score", "grade"):
        return str(item.grade if row == "grade" else item.score)
    value = item.figures.get(row, FigureValue(value=None))
    if value.denominator is not None:
        return f"{value.numerator}/{value.denominator}"
    return "-" if value.value is None else str(value.value)


def test_the_month_computed_by_hand_agrees_with_the_program(month_by_hand: tuple[Engine, dict[str, str]]) -> None:
    database, _ = month_by_hand
    computed(database, month())
    _, table = examples(section(PAGE, "One month by hand"))
    head, *rows = [line.split() for line in table.text.splitlines()]
    assert head[1:] == [*COLUMNS]
    assert len(rows) == 15
    for column, (by, subject) in enumerate(COLUMNS.values(), start=1):
        item = results(database, by)[subject]
        assert {row[0]: shown(item, row[0]) for row in rows} == {row[0]: row[column] for row in rows}


def exclude(database: Engine, number: str) -> None:
    approved = Exclusion(
        id="1" * 32,
        number=number,
        ground="force_majeure",
        reason="The main broke in the storm.",
        evidence="Report 7",
        requested_by="10023",
        requested_at=UNTIL,
        approved=True,
        decided_by="40001",
        decided_at=UNTIL,
    )
    with writing(database) as connection:
        request(connection, approved)


def test_the_month_without_the_excluded_case_agrees_as_well(month_by_hand: tuple[Engine, dict[str, str]]) -> None:
    database, numbers = month_by_hand
    exclude(database, numbers["B"])
    computed(database, month())
    company = results(database, Subject.COMPANY)["company"]
    assert [shown(company, row) for row in ("cases", "signed_in_time", "replied_in_time", "reworked")] == [
        "6",
        "5/5",
        "4/5",
        "0/5",
    ]
    assert [shown(company, row) for row in ("solution_rate", "satisfaction_rate")] == ["3/3", "3/3"]
    assert company.figures["signed_in_time"].excluded == 2


def test_a_month_has_the_digest_that_it_always_had(month_by_hand: tuple[Engine, dict[str, str]]) -> None:
    """With another digest, `hotline assessment verify` finds each month that was ever made final `DIFFERENT`.

    If months are counted or written differently on purpose, put the new digest here and say so in CHANGELOG.md. If the
    default catalogue has other weights or promises, put the new digest here: a month keeps those that it was made with.
    """
    database, numbers = month_by_hand
    exclude(database, numbers["B"])
    with writing(database) as connection:
        replace_given_values(connection, MONTH, ["training"], [GivenValue("training", Subject.AGENT, "10023", 92.5)])
    inspection = Inspection(
        complaint=numbers["A"], agent="10023", scores={}, points=87, inspected_by="40001", inspected_at=UNTIL
    )
    objection = Objection(
        id=1,
        by=Subject.AGENT,
        subject="10024",
        figure="replied_in_time",
        complaint=numbers["D"],
        reason="The caller was away.",
        raised_by="10024",
        raised_at=UNTIL,
        due_at=UNTIL,
        accepted=True,
    )
    acted = {"inspections": (inspection,), "objections": (objection,)}
    assert computed(database, month().model_copy(update=acted)).digest == DIGEST


def test_every_figure_and_state_is_on_the_page() -> None:
    named = names(PAGE)
    assert {figure.name for figure in FIGURES} <= named
    assert {state.value for state in AssessmentState} <= named
