"""Messages between the workflow of an assessment and its activities."""

from datetime import datetime

from pydantic import Field

from domain.assessment.assessment import Assessment
from domain.assessment.kind import AssessmentEvent
from domain.assessment.state import Sampled
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
