"""Figures of calls in an assessment: recounted one by one over random calls, and kept until the next computation."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.testing import ActivityEnvironment

from activities.assessments import AssessmentActivities, verify
from domain.assessment.assessment import PUBLISH, Assessment, Computing
from domain.assessment.state import Computation
from domain.calls.call import Call, CallOutcome, Duty, Timing
from domain.catalogue.figures import ANSWERED_IN_15S, CALLS_ANSWERED, CONNECTED_RATE, Subject
from domain.shared.value import rate
from readmodel.base.database import writing
from readmodel.calls.calls import save_calls
from readmodel.calls.report import replace_duties
from readmodel.writer import GroupWriter
from tests.support.assessment import SINCE, UNTIL, month, play, results
from tests.support.batches import PLAIN, call
from tests.support.build import BODIES

CALLS = 600
AGENTS = ("chen", "he", "li", "wu", None)
WAITS = (0, 4_999, 5_000, 14_000, 14_001, 14_999, 15_000, 15_001, 16_000, 60_000)
"""Milliseconds: those on which a limit lies, and their neighbours."""
KINDS = ("answered", "answered", "answered", "talking", "gone", "asked", "waiting", "cut_off", "untimed")
OF_CALLS = {CALLS_ANSWERED.name, CONNECTED_RATE.name, ANSWERED_IN_15S.name}
AS_OF = UNTIL + timedelta(minutes=20)
FIFTEEN = timedelta(seconds=15)

Shown = tuple[float | None, int | None, int | None]


def ms(number: int) -> timedelta:
    return timedelta(milliseconds=number)


def random_calls(seed: int, count: int = CALLS) -> list[Call]:
    """Return calls of every outcome, some of them outside of the month, and many at both of its ends."""
    pick = random.Random(seed)  # noqa: S311 - the same calls every time, no secrets
    length = (UNTIL - SINCE) // ms(1)

    def one(number: int) -> Call:
        if pick.random() < 0.2:
            started = pick.choice((SINCE, UNTIL)) + ms(pick.choice((-60_000, -1, 0, 1, 60_000)))
        else:
            started = SINCE + ms(pick.randrange(-length // 10, length + length // 10))
        waited = ms(pick.choice(WAITS) if pick.random() < 0.6 else pick.randrange(60_000))
        kind = pick.choice(KINDS)
        answered = started + waited if kind in {"answered", "talking"} else None
        talked = ms(pick.randrange(600_000)) if answered else timedelta()
        ended = None if kind in {"talking", "waiting", "cut_off"} else started + waited + talked
        return Call(
            f"{seed}-{number}",
            started,
            answered,
            ended,
            agent=pick.choice(AGENTS),
            asked_at=ended if kind == "asked" else None,
            timing=Timing.UNTIMED if kind == "untimed" else pick.choice((Timing.CHANNEL, Timing.QUEUE)),
            hung_up=kind == "cut_off",
        )

    return [one(number) for number in range(count)]


class Recount:
    """Calls of the month, recounted one by one with nothing of the product."""

    def __init__(self, calls: Sequence[Call]) -> None:
        timed = [one for one in calls if SINCE <= one.started_at < UNTIL and one.timing != Timing.UNTIMED]
        answered = [one for one in timed if one.answered_at]
        waits = [one.answered_at - one.started_at for one in answered if one.answered_at]
        self.answered = len(answered)
        self.offered = len([one for one in timed if one.answered_at or one.ended_at])
        self.in_time = len([wait for wait in waits if wait <= FIFTEEN])
        self.of_agents = Counter(one.agent for one in answered if one.agent)

    @property
    def company(self) -> dict[str, Shown]:
        """Figures of the company."""
        return {
            "calls_answered": (self.answered, self.answered, None),
            "connected_rate": (rate(self.answered, self.offered), self.answered, self.offered),
            "answered_in_15s": (rate(self.in_time, self.answered), self.in_time, self.answered),
        }

    @property
    def agents(self) -> dict[str, dict[str, Shown]]:
        """Figures of the agents."""
        return {agent: {"calls_answered": (count, count, None)} for agent, count in self.of_agents.items()}


def reported(database: Engine, calls: Sequence[Call]) -> None:
    with writing(database) as connection:
        save_calls(connection, calls)


def run(database: Engine, of: Assessment) -> Computation:
    """Compute the month as its workflow does."""

    async def compute() -> Computation:
        async with GroupWriter(database) as writer:
            computing = Computing(assessment=of, as_of=AS_OF, serial=1)
            return await ActivityEnvironment().run(AssessmentActivities(writer, database).compute, computing)

    return asyncio.run(compute())


def of_calls(database: Engine, by: Subject) -> dict[str, dict[str, Shown]]:
    """Return the figures of calls that have a value, by subject; subjects without any are left out."""
    found: dict[str, dict[str, Shown]] = {}
    for subject, item in results(database, by).items():
        for name in OF_CALLS & item.figures.keys():
            value = item.figures[name]
            if value.value is not None:
                shown = float(value.value), value.numerator, value.denominator
                found.setdefault(subject, {})[name] = shown
    return found


def with_case(database: Engine) -> None:
    """Write a case of the month, so that every kind of subject has a result."""
    steps = [(SINCE + timedelta(hours=n), BODIES[name], None) for n, name in enumerate(PLAIN, start=1)]
    play(database, call(1, SINCE), *steps)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_figures_of_calls_agree_with_a_count_by_brute_force(database: Engine, seed: int) -> None:
    given = random_calls(seed)
    inside = [one for one in given if SINCE <= one.started_at < UNTIL]
    assert {one.outcome for one in inside} == {*CallOutcome}
    assert {wait for one in inside if one.answered_at and (wait := one.waited)} >= {ms(n) for n in (15_000, 15_001)}
    reported(database, given)
    run(database, month())
    recount = Recount(given)
    assert of_calls(database, Subject.COMPANY) == {"company": recount.company}
    assert of_calls(database, Subject.AGENT) == recount.agents
    # An answered call of nobody counts for the company alone.
    assert 0 < sum(recount.of_agents.values()) < recount.answered < recount.offered < len(inside)


def test_calls_are_figures_of_the_company_and_their_number_of_agents(database: Engine) -> None:
    with_case(database)
    reported(database, random_calls(3, 60))
    run(database, month())
    assert {name for item in of_calls(database, Subject.AGENT).values() for name in item} == {"calls_answered"}
    for by in Subject:
        assert results(database, by)
        assert bool(of_calls(database, by)) is (by in {Subject.COMPANY, Subject.AGENT}), by


def test_calls_that_are_reported_later_count_from_the_next_computation(database: Engine) -> None:
    first, later = random_calls(4, 100), random_calls(5, 100)
    reported(database, first)
    made = month()
    made.note_computation(run(database, made), PUBLISH, AS_OF)
    reported(database, later)
    assert of_calls(database, Subject.COMPANY) == {"company": Recount(first).company}
    assert of_calls(database, Subject.AGENT) == Recount(first).agents
    assert verified(database, made) == made.computed
    run(database, month())
    assert of_calls(database, Subject.COMPANY) == {"company": Recount([*first, *later]).company}
    assert of_calls(database, Subject.AGENT) == Recount([*first, *later]).agents


def verified(database: Engine, of: Assessment) -> Any:
    """Return the computation of the month, computed again, under the number of the one that is kept."""

    assert of.computed
    found = asyncio.run(verify(database, of, of.computed.as_of))
    return found.model_copy(update={"serial": of.computed.serial})


def test_without_an_offered_call_there_are_no_data(database: Engine) -> None:
    under_way = Call("1", SINCE)
    before = Call("2", SINCE - ms(1), SINCE, SINCE + FIFTEEN, agent="chen")
    reported(database, [under_way, before])
    with writing(database) as connection:
        replace_duties(connection, [Duty("li", SINCE, SINCE + timedelta(hours=8))], SINCE, UNTIL)
    run(database, month())
    assert [of_calls(database, by) for by in Subject] == [{}] * len(Subject)


def test_of_calls_that_nobody_answered_the_share_is_nothing(database: Engine) -> None:
    reported(database, [Call(f"{n}", SINCE, None, SINCE + timedelta(seconds=n)) for n in (4, 30)])
    run(database, month())
    assert of_calls(database, Subject.COMPANY) == {
        "company": {"calls_answered": (0, 0, None), "connected_rate": (0, 0, 2)}
    }
