"""Each rule of docs/assessment.md has an example, and the program counts the cases of those examples as written."""

import re
from datetime import datetime

import pytest
from sqlalchemy import Engine

from domain.assessment.state import Exclusion
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.link_incident import Settlement
from domain.case.actions.register import Registration
from domain.case.actions.reopen import Reopen
from domain.case.actions.request_extension import RequestExtension
from domain.case.case import Case
from domain.case.intake import Intake, Location
from domain.case.progress import Satisfaction
from domain.catalogue.figures import Subject
from readmodel.assessments.computation import forget
from readmodel.assessments.exclusions import request
from readmodel.base.database import writing
from readmodel.projection import write
from tests.docs.test_assessment import CATALOGUE, DONE, ONE, REPAIR, REPLIED, SIGNED, SOLVED, Step, shown, to, work
from tests.support.assessment import MONTH, UNTIL, at, computed, month, play, results
from tests.support.batches import batch
from tests.support.build import INCIDENT, walked
from tests.support.pages import page, section

RULES = {
    "Paused time",
    "Extension",
    "Rework",
    "Reopening",
    "Hand-over",
    "Incidents",
    "The end of a month",
}
COUNTED = section(page("docs/assessment.md"), "What counts, and for whom")
BILLING = REPAIR.model_copy(update={"id": "30031", "department": "billing"})


def test_every_rule_has_an_example() -> None:
    examples = COUNTED.partition("An example of each rule:")[2]
    assert {*re.findall(r"^- \*\*(.+?)\.\*\* \w", examples, re.MULTILINE)} >= RULES


def called(when: datetime, service: str, place: int = 1, incident: str | None = None) -> Registration:
    return Registration(
        number=f"2609{place:09}",
        at=when,
        actor=ONE,
        owner=ONE.id,
        intake=Intake(service_code=service, description="x", location=Location(district="west")),
        terms=CATALOGUE.terms(service, "west", when),
        incident=incident,
    )


def figures(database: Engine, by: Subject, subject: str, *names: str) -> list[str]:
    item = results(database, by)[subject]
    return [shown(item, name) for name in names]


def played(database: Engine, start: Registration, *steps: Step) -> None:
    """Write a case, and compute the month."""
    play(database, start, *((at(day, clock), body, actor) for day, clock, body, actor in steps))
    computed(database, month())


@pytest.mark.parametrize(("granted", "in_time", "extended"), [(True, "1/1", "1/1"), (False, "0/1", "0/1")])
def test_a_promise_kept_within_its_extension_is_in_time_and_extended(
    database: Engine, granted: bool, in_time: str, extended: str
) -> None:
    """Called on a Tuesday at the beginning of work; the seventh working day is Wednesday of the week after."""
    played(
        database,
        called(at(1, "08:30"), "billing"),
        (1, "08:40", to("billing"), None),
        (1, "09:00", SIGNED, BILLING),
        (2, "09:00", RequestExtension(working_days=3, reason="The meter is tested."), BILLING),
        (2, "10:00", DecideExtension(approved=granted), None),
        (9, "16:00", DONE, BILLING),
        (9, "16:30", REPLIED, ONE),
    )
    assert figures(database, Subject.DEPARTMENT, "billing", "resolved_in_time", "extended") == [in_time, extended]


def test_a_case_that_is_reopened_is_judged_for_both_cycles(database: Engine) -> None:
    played(
        database,
        called(at(1, "09:00"), "no_water"),
        (1, "09:01", to("repair"), None),
        *work(1, "09:05", "09:30", "10:00", "10:30", ONE),
        (2, "09:00", SOLVED(satisfaction=Satisfaction.SATISFIED), None),
        (4, "09:00", Reopen(reason="It is gone again."), None),
        *work(4, "09:05", "09:30", "10:00", "10:30", ONE),
    )
    found = figures(database, Subject.DEPARTMENT, "repair", "cases", "reopened", "resolved_in_time", "signed_in_time")
    assert found == ["1", "1/1", "2/2", "2/2"]


def settled(database: Engine, place: int) -> str:
    """Write a case that is completed and replied to with its incident after half an hour; return its number."""
    case, first = Case.register(called(at(1, "08:00"), "burst_main", place, INCIDENT))
    ends = at(1, "08:30")
    end = Settlement(incident=INCIDENT, result="Repaired.", message="Water is back.")
    with writing(database) as connection:
        write(connection, [batch(case, first)])
        write(connection, [batch(case, (*walked(case, ends), *case.settle(end, ends)))])
    return case.number


def test_cases_of_an_incident_count_as_any_other_until_they_are_excluded(database: Engine) -> None:
    numbers = [settled(database, place) for place in (1, 2, 3)]
    names = "cases", "replied_in_time", "resolved_in_time"
    computed(database, month())
    assert figures(database, Subject.COMPANY, "company", *names) == ["3", "3/3", "3/3"]
    with writing(database) as connection:
        for place, number in enumerate(numbers[:2]):
            asked = Exclusion(
                id=f"{place:032x}",
                number=number,
                ground="force_majeure",
                reason="The main broke in the storm.",
                evidence="Report 7",
                requested_by="10023",
                requested_at=UNTIL,
            )
            request(connection, asked.decide("40001", UNTIL, approved=True, reason="Seen."))
        forget(connection, MONTH)
    computed(database, month())
    assert figures(database, Subject.COMPANY, "company", *names) == ["3", "1/1", "1/1"]
