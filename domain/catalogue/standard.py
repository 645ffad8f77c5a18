"""Standard of assessment (考核标准): what one month is judged by, as an immutable value of its start message."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue.figures import Subject
from domain.catalogue.terms import USUAL_CURRENCY
from domain.shared.value import Coded, Value

Threshold = Annotated[float, Field(allow_inf_nan=False, strict=True)]


class Weight(Value):
    """Weight of a figure in the score of one kind of subject: no points at `zero_at`, all at `full_at`."""

    by: Subject = Field(description="Kind of subjects whose score it is part of.")
    figure: str = Field(description="Name of a figure, or code of points from outside.")
    weight: int = Field(gt=0, le=100, description="Of 100 for each kind of subject.")
    zero_at: Threshold = Field(description="The value that earns nothing; above `full_at` if less is better.")
    full_at: Threshold = Field(description="The value that earns all points; linear between the two.")

    def share(self, value: Decimal) -> Decimal:
        """Return the share of the points that a value earns, from 0 to 1."""
        zero, full = Decimal(str(self.zero_at)), Decimal(str(self.full_at))
        return min(max((value - zero) / (full - zero), Decimal(0)), Decimal(1))


class Grade(Coded):
    """Grade (等级) of scores from `least` on."""

    least: int = Field(ge=0, le=100, description="The lowest score of the grade.")


class Ground(Coded):
    """Ground (剔除理由) on which a case is excluded from the figures."""

    needs_evidence: bool = Field(default=False, description="Whether it takes evidence.", strict=True)


class Criterion(Coded):
    """Criterion of the form by which a case is inspected (质检项目)."""

    points: int = Field(gt=0, le=100, description="The most that an inspector gives; all together 100.")


class GivenPoints(Coded):
    """Points that are given from outside, as for training (培训), and imported."""

    by: tuple[Subject, ...] = Field(min_length=1, description="Kinds of subjects that have them.")


class Standard(Value):
    """Standard of one month. Times are seconds of working time."""

    objection_seconds: int = Field(gt=0)
    decision_seconds: int = Field(gt=0)
    inspection_seconds: int = Field(ge=0)
    rungs: tuple[int, ...] = Field(description="Percentages of a time at which people are told.")
    weights: tuple[Weight, ...] = ()
    grades: tuple[Grade, ...] = ()
    grounds: tuple[Ground, ...] = ()
    form: tuple[Criterion, ...] = ()
    sample_per_agent: int = Field(default=0, ge=0)
    given: tuple[GivenPoints, ...] = ()
    currency: str = USUAL_CURRENCY
    calendar: WorkCalendar

    def weights_of(self, by: Subject) -> tuple[Weight, ...]:
        """Return the weights of such subjects; empty if they get no score."""
        return tuple(weight for weight in self.weights if weight.by is by)

    def grade_of(self, score: Decimal) -> str | None:
        """Return the code of the grade of a score; None without grades."""
        reached = [grade for grade in self.grades if score >= grade.least]
        return max(reached, key=lambda grade: grade.least).code if reached else None

    def limit(self, start: datetime, seconds: float) -> datetime:
        """Return the instant at which so much working time has passed."""
        return self.calendar.add(start, seconds)
