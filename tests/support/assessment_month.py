"""Random month for the oracle: what people have excluded, objected to, inspected and given from outside."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import NamedTuple

from sqlalchemy import Engine

from domain.assessment.assessment import Assessment
from domain.assessment.state import Exclusion, Inspection, Objection
from domain.catalogue.figures import CALLS_ANSWERED, CONNECTED_RATE, FIGURES, EntryKind, Subject
from readmodel.assessments.exclusions import request
from readmodel.assessments.months import GivenValue, replace_given_values
from readmodel.base.database import writing
from readmodel.projection import write
from tests.support.assessment import MONTH, UNTIL, month
from tests.support.assessment_cases import AGENTS, END, Played, played
from tests.support.assessment_oracle import Counted, Oracle, counted_in

AS_OF = UNTIL + timedelta(minutes=20)
AT_ONCE = 500
"""Cases that are written in one transaction."""


class RandomMonth(NamedTuple):
    """Month of random cases, and all that its figures follow from."""

    cases: Sequence[Played]
    assessment: Assessment
    counted: Sequence[Counted]
    exclusions: Sequence[Exclusion]
    given: Sequence[GivenValue]

    @property
    def oracle(self) -> Oracle:
        """Oracle of the month."""
        return Oracle(self.assessment, self.counted, self.exclusions, self.given, AS_OF)

    def write(self, database: Engine, since: datetime | None, until: datetime = END + timedelta(days=1)) -> None:
        """Write what happened to the cases in this time; with their beginning, what else the figures follow from."""
        batches = [batch for case in self.cases if (batch := case.batch(since, until))]
        for start in range(0, len(batches), AT_ONCE):
            with writing(database) as connection:
                write(connection, batches[start : start + AT_ONCE])
        if since is None:
            with writing(database) as connection:
                for exclusion in self.exclusions:
                    request(connection, exclusion)
                replace_given_values(connection, MONTH, sorted({each.figure for each in self.given}), self.given)


@cache
def random_month(count: int, seed: int = 1) -> RandomMonth:
    """Return the month of so many random cases; the same seed makes the same month."""
    random = Random(seed)  # noqa: S311 - to be made again
    cases = played(seed, count)
    registered = counted_in((case.events for case in cases), month())
    inspected = month().model_copy(update={"inspections": tuple(_inspections(random, registered))})
    counted = counted_in((case.events for case in cases), inspected)
    assessment = inspected.model_copy(update={"objections": tuple(_objections(random, counted))})
    return RandomMonth(cases, assessment, counted, tuple(_exclusions(random, cases)), tuple(_given(random)))


def _inspections(random: Random, counted: Sequence[Counted]) -> list[Inspection]:
    registered = [each for each in counted if each.kind is EntryKind.REGISTERED]
    return [
        Inspection(
            complaint=each.number,
            agent=str(each.whose[Subject.AGENT]),
            scores={"greeting": points},
            points=points,
            inspected_by="40001",
            inspected_at=AS_OF,
        )
        for each in random.sample(registered, len(registered) // 10)
        for points in [random.randint(40, 100)]
    ]


def _objections(random: Random, counted: Sequence[Counted]) -> list[Objection]:
    """Return objections to a case of some figure of some subject, and to figures as a whole; not all are accepted."""
    made = []
    for serial, each in enumerate(random.sample(counted, len(counted) // 12), start=1):
        by = random.choice([by for by, subject in each.whose.items() if subject is not None])
        figures = [figure.name for figure in FIGURES if figure.kind_for(by) is each.kind]
        weights = [weight.figure for weight in month().standard.weights_of(by)]
        whole = bool(weights) and random.random() < 0.1
        if not (whole or figures):
            continue
        made.append(
            Objection(
                id=serial,
                by=by,
                subject=str(each.whose[by]),
                figure=random.choice(weights if whole else figures),
                complaint=None if whole else each.number,
                reason="x",
                raised_by="10020",
                raised_at=AS_OF,
                due_at=AS_OF,
                accepted=random.choice([True, True, False, None]),
            )
        )
    return made


def _exclusions(random: Random, cases: Sequence[Played]) -> list[Exclusion]:
    """Return exclusions that are approved before or after the computation, rejected or undecided; two of some cases."""
    numbers = [case.number for case in cases if case.events[0].at < AS_OF]
    return [
        Exclusion(
            id=f"{place:032}",
            number=random.choice(numbers),
            ground=random.choice(["force_majeure", "no_basis"]),
            reason="x",
            evidence="Report 7",
            requested_by="10020",
            requested_at=UNTIL,
            approved=approved,
            decided_by=None if approved is None else "40001",
            decided_at=None if approved is None else AS_OF + random.choice([-1, 0, 1]) * timedelta(seconds=1),
        )
        for place in range(len(cases) // 8)
        for approved in [random.choice([True, True, True, False, None])]
    ]


def _given(random: Random) -> list[GivenValue]:
    """Return points of a training and calls, of some agents, and calls of the company."""
    trained = [GivenValue("training", Subject.AGENT, each.id, random.randint(0, 100) / 2) for each in AGENTS[1:]]
    calls = [(Subject.AGENT, each.id, random.randint(1, 1000)) for each in AGENTS[:3]]
    answered = [
        GivenValue(CALLS_ANSWERED.name, by, subject, count, count)
        for by, subject, count in (*calls, (Subject.COMPANY, "company", 1500))
    ]
    return [*trained, *answered, GivenValue(CONNECTED_RATE.name, Subject.COMPANY, "company", 0.75, 1500, 2000)]
