"""Assessments for tests: a month of the test's catalogue, computed from cases in SQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select

from activities.assessments import compute
from domain.assessment.assessment import Assessment, AssessmentBatch, AssessmentOpening
from domain.assessment.score import Item
from domain.assessment.state import Computation
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.catalogue.figures import Standard, Subject
from domain.catalogue.terms import Edition
from domain.kit.event import ActionBody
from domain.shared.actors import Actor
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.assessments import months
from readmodel.assessments.computation import figure_entries
from readmodel.assessments.months import items
from readmodel.base.database import reading, writing
from readmodel.projection import write
from readmodel.writer import GroupWriter
from tests.support.batches import batch
from tests.support.build import do, walked

SINCE, UNTIL = datetime(2026, 8, 31, 16, tzinfo=UTC), datetime(2026, 9, 30, 16, tzinfo=UTC)
"""September 2026, in Beijing."""
MONTH = "2026-09"
BEIJING = ZoneInfo("Asia/Shanghai")
EDITION = Edition(digest="0123456789ab", name="Test", name_zh="测试")


def standard(**changes: Any) -> Standard:
    """Return the standard of the default catalogue."""
    found = load_catalogue(DEFAULT_CATALOGUE).standard(UNTIL)
    assert found is not None
    return found.model_copy(update=changes)


def opening(**changes: Any) -> AssessmentOpening:
    """Return the opening of the assessment of that month."""
    values: dict[str, Any] = {
        "month": MONTH,
        "at": UNTIL + timedelta(minutes=20),
        "since": SINCE,
        "until": UNTIL,
        "seed": "seed",
        "standard": standard(),
        "edition": EDITION,
    }
    return AssessmentOpening(**values | changes)


def month(**changes: Any) -> Assessment:
    """Return the assessment of that month as it begins."""
    return Assessment.open(opening(**changes))[0]


def computed(
    engine: Engine, of: Assessment, as_of: datetime = UNTIL + timedelta(minutes=20), serial: int = 1
) -> Computation:
    """Compute the month from the cases in SQL, under this number."""

    async def run() -> Computation:
        async with GroupWriter(engine) as writer:
            return await compute(engine, writer, of, as_of, serial)

    return asyncio.run(run())


def publish(engine: Engine, of: Assessment) -> None:
    """Compute the month, and write it as its workflow does."""
    opened, noted = Assessment.open(opening(month=of.number, since=of.since, until=of.until))[1], of.model_copy()
    event = noted.note_computation(computed(engine, of), None, UNTIL + timedelta(minutes=20))
    with writing(engine) as connection:
        months.write(connection, AssessmentBatch(assessment=noted, events=(opened, event)))


def results(engine: Engine, by: Subject) -> dict[str, Item]:
    """Return the results of that computation, by subject."""
    with reading(engine) as connection:
        return {item.subject: item for item in items(connection, MONTH, 1, by)}


def entries(engine: Engine) -> list[dict[str, Any]]:
    """Return the entries of that computation, in order."""
    query = select(figure_entries).order_by(figure_entries.c.number, figure_entries.c.serial)
    with reading(engine) as connection:
        return [dict(found) for found in connection.execute(query).mappings()]


def at(day: int, clock: str, month: int = 9) -> datetime:
    """Return an instant of 2026 by the clock of Beijing."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, month, day, hour, minute, tzinfo=BEIJING).astimezone(UTC)


def play(engine: Engine, start: Registration, *steps: tuple[datetime, ActionBody, Actor | None]) -> str:
    """Write a case as its workflow does, which rings what falls due on time; return its number."""
    case, first = Case.register(start)
    batches = [batch(case, first)]
    for instant, body, actor in steps:
        escalation = walked(case, instant)
        batches.append(batch(case, (*escalation, *do(case, body, instant, actor))))
    with writing(engine) as connection:
        for each in batches:
            write(connection, [each])
    return case.number
