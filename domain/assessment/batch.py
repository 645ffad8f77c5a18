"""Messages between the workflow of an assessment and its activities, and the draw of its sample (质检抽样)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from domain.assessment.assessment import Assessment
from domain.assessment.state import AssessmentEvent, Sampled
from domain.shared.value import Immutable


class AssessmentBatch(Immutable):
    """One publication of one assessment. Written again, it writes the same rows."""

    assessment: Assessment
    events: tuple[AssessmentEvent, ...] = Field(min_length=1)


class Computing(Immutable):
    """Order to compute the figures of a month, with what counted until `as_of`; `serial` names what is written."""

    assessment: Assessment
    as_of: datetime
    serial: int


class DrawingSample(Immutable):
    """Order to draw so many cases of each agent of a computed month, by the seed."""

    month: str
    computation: int
    seed: str
    per_agent: int


class SampleDrawn(Immutable):
    """Sample of a month, by case."""

    sample: tuple[Sampled, ...]


def draw(seed: str, per_agent: int, cases: Iterable[tuple[str, str]]) -> tuple[Sampled, ...]:
    """Return so many cases of each agent, of pairs of number and agent; the same seed draws the same cases.

    An agent with fewer cases has all of them drawn.
    """
    of_agents: dict[str, list[tuple[bytes, str]]] = {}
    for number, agent in cases:
        lot = hashlib.sha256(f"{seed}\0{number}".encode()).digest()
        of_agents.setdefault(agent, []).append((lot, number))
    return tuple(
        Sampled(complaint=number, agent=agent)
        for agent, lots in sorted(of_agents.items())
        for _, number in sorted(lots)[:per_agent]
    )
