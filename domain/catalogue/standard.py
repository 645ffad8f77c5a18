"""Standard of assessment (考核标准): what one month is judged by, as an immutable value of its start message.

`AssessmentNorms` is what an operator writes of it, with the source of every figure beside it.
"""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue.figures import FIGURE_OF, Subject
from domain.catalogue.norms import Count, Sources, WorkingDays, by_code
from domain.catalogue.terms import USUAL_CURRENCY
from domain.shared.value import Coded, Value

HUNDRED = 100
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


class WeightNorm(Weight):
    """Weight, and where it comes from."""

    source: Sources

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.zero_at == self.full_at:
            raise ValueError(f"zero_at and full_at are both {self.full_at:g}; accepted: two values, linear between")
        return self


class GradeNorm(Grade):
    """Grade, and where it comes from."""

    source: Sources


class GroundNorm(Ground):
    """Ground of exclusion, and where it comes from."""

    source: Sources


class CriterionNorm(Criterion):
    """Criterion of inspection, and where it comes from."""

    source: Sources


class GivenNorm(GivenPoints):
    """Points from outside, and who says that they count."""

    source: Sources


def _hundred(form: tuple[CriterionNorm, ...]) -> tuple[CriterionNorm, ...]:
    if form and (points := sum(each.points for each in form)) != HUNDRED:
        raise ValueError(f"the points of the form add up to {points}; accepted: {HUNDRED}")
    return form


class AssessmentNorms(Value):
    """Norms of the monthly assessment; without weights there are figures, and no scores."""

    inspections: WorkingDays = Field(description="From the draw of the sample, for quality inspection (质检).")
    objections: WorkingDays = Field(description="From the publication, for objections (申诉).")
    decisions: WorkingDays = Field(description="From an objection, to decide on it.")
    sample_per_agent: Count = Field(description="Cases of each agent that are inspected; 0: none.")
    weights: tuple[WeightNorm, ...] = ()
    grades: Annotated[tuple[GradeNorm, ...], BeforeValidator(by_code)] = ()
    grounds: Annotated[tuple[GroundNorm, ...], BeforeValidator(by_code)] = ()
    form: Annotated[tuple[CriterionNorm, ...], BeforeValidator(by_code), AfterValidator(_hundred)] = ()
    given: Annotated[tuple[GivenNorm, ...], BeforeValidator(by_code)] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if taken := [each.code for each in self.given if each.code in FIGURE_OF]:
            raise ValueError(f"given.{taken[0]} has the name of a figure; accepted: a code of your own")
        if self.sample_per_agent.count and not self.form:
            raise ValueError("sample_per_agent takes a form; accepted: [assessment.form], or count = 0")
        if 0 in (self.objections.working_days, self.decisions.working_days):
            raise ValueError("objections and decisions take time; accepted: at least one working day")
        sums = Counter[Subject]()
        for weight in self.weights:
            accepted = [*FIGURE_OF, *(each.code for each in self.given if weight.by in each.by)]
            if weight.figure not in accepted:
                raise ValueError(
                    f"weights: {weight.by} has no figure {weight.figure!r}; accepted: {', '.join(accepted)}"
                )
            sums[weight.by] += weight.weight
        for (by, figure), times in Counter((weight.by, weight.figure) for weight in self.weights).items():
            if times > 1:
                raise ValueError(f"weights: {by} has several weights of {figure}; accepted: one")
        if wrong := [f"those of {by} add up to {total}" for by, total in sums.items() if total != HUNDRED]:
            raise ValueError(f"weights: {'; '.join(wrong)}; accepted: {HUNDRED} for each")
        return self
