"""The bridge leads from the promises of a month's report to those of its assessment, on both kinds of database."""

from datetime import datetime

import pytest
from sqlalchemy import Engine

from domain.assessment.state import Exclusion
from domain.case.actions.arrive import Arrive
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.register import Registration
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.send_back import SendBack
from domain.case.actions.sign_for import SignFor
from domain.case.intake import Intake, Location
from domain.kit.event import ActionBody
from domain.reports.report import Bridge, Period, ReportKind
from readmodel.assessments.bridge import bridge_of
from readmodel.assessments.exclusions import request
from readmodel.base.database import reading, writing
from readmodel.reports.reports import make, save_report
from tests.support.assessment import MONTH, UNTIL, at, month, play, publish
from tests.support.assessment_cases import CATALOGUE, CREWS
from tests.support.assessment_month import AS_OF, random_month
from tests.support.build import OWNER

CREW = CREWS["repair"][0]
Step = tuple[datetime, ActionBody]


def report(database: Engine) -> None:
    with writing(database) as connection:
        save_report(connection, make(connection, Period.parse(ReportKind.MONTHLY, MONTH), CATALOGUE, AS_OF))


def bridge(database: Engine) -> Bridge | None:
    with reading(database) as connection:
        return bridge_of(connection, MONTH)


def figures(database: Engine) -> list[int]:
    found = bridge(database)
    assert found
    return [getattr(found, name) for name in Bridge.model_fields]


def enter(database: Engine, called: datetime, *steps: Step) -> str:
    """Write a case that was called in then, by an agent, and that the repair crew works on."""
    start = Registration(
        number=f"{called:%y%m%d%H%M}017",
        at=called,
        actor=OWNER,
        owner=OWNER.id,
        intake=Intake(service_code="no_water", description="x", location=Location(district="west")),
        terms=CATALOGUE.terms("no_water", "west", called),
    )
    of_crew = (SignFor, Arrive, Complete, RequestApproval)
    return play(database, start, *((then, body, CREW if isinstance(body, of_crew) else None) for then, body in steps))


def work(day: int, number: int = 9) -> list[Step]:
    """Signed for, arrived at and resolved in time after a call at 21:00."""
    bodies = Dispatch(department="repair"), SignFor(), Arrive(), Complete(result="x")
    return [
        (at(day, clock, number), body) for clock, body in zip(("21:02", "21:05", "21:30", "23:00"), bodies, strict=True)
    ]


def end(day: int, number: int = 9) -> list[Step]:
    """Replied to and followed up in time, after midnight."""
    return [(at(day, "00:30", number), Reply(message="x")), (at(day, "10:00", number), FollowUp(outcome="satisfied"))]


def test_each_term_of_the_bridge_is_counted(database: Engine) -> None:
    """One promise to resolve counts in another month, one comes from there, and one is taken back after the report."""
    enter(database, at(31, "21:00", 8), *work(31, 8), *end(1))
    excluded = enter(database, at(10, "21:00"), *work(10), *end(11))
    asked, answered = RequestApproval(subject="Pipes"), DecideApproval(approved=True)
    money = (at(20, "21:40"), asked), (at(20, "21:50"), answered)
    enter(database, at(20, "21:00"), *work(20)[:3], *money, work(20)[3], *end(21))
    enter(database, at(30, "20:58"), *work(30), *end(1, 10))
    enter(database, at(30, "21:00"), *work(30))
    assert bridge(database) is None
    report(database)
    assert bridge(database) is None
    wanted = Exclusion(
        id="0" * 32,
        number=excluded,
        ground="force_majeure",
        reason="x",
        evidence=None,
        requested_by=OWNER.id,
        requested_at=UNTIL,
    )
    with writing(database) as connection:
        request(connection, wanted.decide("40001", UNTIL, approved=True, reason="x"))
    enter(database, at(30, "21:00"), *work(30), (at(1, "00:20", 10), SendBack(reason="x")))
    publish(database, month())
    assert figures(database) == [19, 1, 1, 1, 5, -1, 12]


@pytest.mark.slow
def test_the_bridge_of_a_random_month_adds_up_without_a_remainder(database: Engine) -> None:
    made = random_month(100)
    made.write(database, None, AS_OF)
    report(database)
    publish(database, made.assessment)
    reported, approvals, elsewhere, added, excluded, changed, assessed = figures(database)
    assert (changed, assessed) == (0, reported - approvals - elsewhere + added - excluded)
    assert all((approvals, elsewhere, added, excluded))
