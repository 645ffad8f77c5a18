"""Follow-ups of a month, counted by SQL and by brute force; and their rows, however the batches arrive."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine

from domain.case.actions.correct import CatalogueTerms, Correction
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.case import Case
from domain.case.intake import Location
from domain.case.lifecycle import State
from domain.case.progress import Satisfaction
from domain.case.state import ProjectionBatch
from domain.catalogue.terms import Edition
from readmodel.base.database import reading, writing
from readmodel.cases.tables import follow_ups
from readmodel.projection import write
from readmodel.reports.follow_ups import FollowUpCounts, FollowUpSubject, counts
from tests.support.batches import batch, call
from tests.support.build import ADMIN, AGENT, BODIES, CALLER, do, terms
from tests.support.rows import clear, rows

CASES = 300
FIRST, LAST = datetime(2026, 7, 30, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)
MONTHS = [datetime(2026, month, 1, tzinfo=UTC) - timedelta(hours=8) for month in (7, 8, 9, 10, 11)]
"""First instants of months in Beijing."""
CONTENT = ("very_satisfied", "satisfied", "fairly_satisfied")


@dataclass
class Told:
    """A follow-up that ended: when, about which department's work, and what the caller said."""

    at: datetime
    department: str | None
    said: dict[str, Any]


@dataclass
class Course:
    """A case with its batches, what its callers said, and what it is counted under at its end."""

    case: Case
    batches: list[ProjectionBatch]
    told: list[Told] = field(default_factory=list)

    def act(self, body: Any, at: datetime, actor: Any = ADMIN) -> None:
        self.batches.append(batch(self.case, (*self.case.advance(at), *do(self.case, body, at, actor))))


def said_at_random(rng: random.Random) -> dict[str, Any]:
    kind = rng.random()
    if kind < 0.25:
        return rng.choice([{"contacted": False}, {"outcome": "unreachable"}])
    if kind < 0.45:
        return {"outcome": rng.choice(["satisfied", "dissatisfied"])}
    return {"contacted": True, "solved": rng.random() < 0.7, "satisfaction": rng.choice([*Satisfaction]).value}


def is_reached(said: dict[str, Any]) -> bool:
    return said not in ({"outcome": "unreachable"}, {"contacted": False})


def course(place: int, rng: random.Random) -> Course:
    """A case that is followed up, in up to three cycles; some are left with a caller who is to be called again."""
    start = call(
        place,
        FIRST + (LAST - FIRST) * rng.random(),
        location=Location(district=rng.choice([None, "west", "south"])),
        service_code=rng.choice(["no_water", "leak"]),
        answer_needs_follow_up=True,
    )
    case, events = Case.register(start)
    made = Course(case, [batch(case, events)])
    at = start.at
    steps: Sequence[Any] = [Dispatch(department=rng.choice(["repair", "metering"])), *work()]
    if rng.random() < 0.1:
        steps = [BODIES["answer"]]
    for _ in range(3):
        for body in steps:
            at += timedelta(minutes=rng.randint(1, 90))
            made.act(body, at)
        at = follow_up(made, at, rng)
        if case.state is not State.DISPATCHED:
            break
        steps = work()
    change(made, at, rng)
    return made


def work() -> Sequence[Any]:
    return [BODIES["sign_for"], BODIES["complete"], BODIES["reply"]]


def follow_up(made: Course, at: datetime, rng: random.Random) -> datetime:
    """Follow up until the caller is reached, three times at most, or not so often."""
    department = made.case.department
    for attempt in (1, 2, 3):
        at += timedelta(hours=rng.randint(24, 54))
        if rng.random() < 0.1:
            made.act(FollowUp(contacted=False), at, CALLER)
        said = said_at_random(rng)
        made.act(FollowUp.model_validate(said), at)
        if is_reached(said) or attempt == 3:
            made.told.append(Told(at, department, said))
            return at
        if rng.random() < 0.1:
            return at
    return at


def change(made: Course, at: datetime, rng: random.Random) -> None:
    """Another owner, or another service, while the case is open."""
    if made.case.state is not State.CLOSED and rng.random() < 0.5:
        made.act(HandOver(owner=AGENT.id), at)
        in_force = CatalogueTerms(
            terms=terms(service_code="meter"),
            edition=Edition(digest="0" * 12, name="New", name_zh="新"),
            district=made.case.intake.location.district,
        )
        made.act(Correction(reason="x", service_code="meter", in_force=in_force), at)


@pytest.fixture(scope="module")
def courses() -> Sequence[Course]:
    rng = random.Random(13)  # noqa: S311 - cases that can be repeated, no secret
    return [course(place, rng) for place in range(1, CASES + 1)]


SUBJECTS: dict[FollowUpSubject, Callable[[Case, Told], str | None]] = {
    FollowUpSubject.COMPANY: lambda _, __: "company",
    FollowUpSubject.DEPARTMENT: lambda _, told: told.department,
    FollowUpSubject.OWNER: lambda case, _: case.owner,
    FollowUpSubject.SERVICE: lambda case, _: case.intake.service_code,
    FollowUpSubject.DISTRICT: lambda case, _: case.intake.location.district,
}


def by_brute_force(
    courses: Sequence[Course], start: datetime, end: datetime, by: FollowUpSubject
) -> dict[str | None, FollowUpCounts]:
    found: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for each in courses:
        for told in each.told:
            if start <= told.at < end:
                found[SUBJECTS[by](each.case, told)].append(told.said)
    return {subject: counted(subject, all_said) for subject, all_said in found.items()}


def counted(subject: str | None, all_said: Sequence[dict[str, Any]]) -> FollowUpCounts:
    reached = [said for said in all_said if is_reached(said)]
    known = [said for said in reached if "solved" in said or said["outcome"] == "satisfied"]
    solved = [said for said in known if said.get("solved", True)]
    satisfied = [said for said in reached if said.get("satisfaction", said.get("outcome")) in CONTENT]
    return FollowUpCounts(subject, len(all_said), len(reached), len(known), len(solved), len(satisfied))


def spans(courses: Sequence[Course]) -> Iterator[tuple[datetime, datetime]]:
    """The months, and a span that begins and ends at a follow-up: the first is in it, the last is not."""
    yield from pairwise(MONTHS)
    at = sorted(told.at for each in courses for told in each.told)
    yield at[40], at[120]


@pytest.mark.slow
def test_counts_agree_with_brute_force(database: Engine, reader: Engine, courses: Sequence[Course]) -> None:
    with writing(database) as connection:
        write(connection, [made for each in courses for made in each.batches])
    seen = set()
    with reading(reader) as connection:
        for start, end in spans(courses):
            for by in FollowUpSubject:
                found = counts(connection, start, end, by)
                expected = by_brute_force(courses, start, end, by)
                empty = {"company": FollowUpCounts("company", 0, 0, 0, 0, 0)} if by is FollowUpSubject.COMPANY else {}
                assert {each.subject: each for each in found} == (expected or empty)
                assert [each.subject for each in found] == sorted(expected or empty, key=lambda one: (one is None, one))
                seen |= {(by, each.subject) for each in found}
    assert {subject for by, subject in seen if by is FollowUpSubject.DEPARTMENT} == {"repair", "metering", None}
    assert {subject for by, subject in seen if by is FollowUpSubject.SERVICE} == {"no_water", "leak", "meter"}
    assert {subject for by, subject in seen if by is FollowUpSubject.OWNER} == {"Chen Jing", AGENT.id}


@pytest.mark.slow
def test_rows_of_follow_ups_do_not_depend_on_how_batches_arrive(database: Engine, courses: Sequence[Course]) -> None:
    some = courses[:60]
    with writing(database) as connection:
        write(connection, [made for each in some for made in each.batches])
    usual = rows(database, follow_ups)
    assert len(usual) == sum(len(each.told) for each in some)
    clear(database)
    for each in some:
        events = [event for made in each.batches for event in made.events]
        for _ in range(2):
            with writing(database) as connection:
                write(connection, [batch(each.case, events)])
    assert rows(database, follow_ups) == usual


def test_a_row_holds_the_cycle_and_the_answers(database: Engine) -> None:
    case, events = Case.register(call(1, answer_needs_follow_up=True))
    made = Course(case, [batch(case, events)])
    at = case.registered_at
    dissatisfied = FollowUp(contacted=True, solved=False, satisfaction=Satisfaction.VERY_DISSATISFIED)
    not_reached = [FollowUp(outcome="unreachable")] * 3
    for body in (BODIES["dispatch"], *work(), dissatisfied, *work(), *not_reached, BODIES["reopen"], *work()):
        at += timedelta(days=body in not_reached, minutes=1)
        made.act(body, at)
    made.act(FollowUp(outcome="satisfied"), at)
    with writing(database) as connection:
        write(connection, made.batches)
    found = [
        (row["cycle"], row["outcome"], row["contacted"], row["solved"], row["satisfaction"])
        for row in rows(database, follow_ups)
    ]
    assert found == [
        (1, "dissatisfied", True, False, "very_dissatisfied"),
        (2, "unreachable", False, None, None),
        (3, "satisfied", True, None, None),
    ]
