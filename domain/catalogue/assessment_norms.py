"""Norms of the monthly assessment (考核) as an operator writes them: every figure with its source beside it."""

from collections import Counter
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from domain.catalogue.figures import FIGURE_OF, Subject
from domain.catalogue.norms import CheckedNorm, Count, Sources, WorkingDays, by_code
from domain.catalogue.standard import Criterion, GivenPoints, Grade, Ground, Weight

HUNDRED = 100


class WeightNorm(Weight):
    """A weight, and where it comes from."""

    source: Sources

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.zero_at == self.full_at:
            raise ValueError(f"zero_at and full_at are both {self.full_at:g}; accepted: two values, linear between")
        return self


class GradeNorm(Grade):
    """A grade, and where it comes from."""

    source: Sources


class GroundNorm(Ground):
    """A ground of exclusion, and where it comes from."""

    source: Sources


class CriterionNorm(Criterion):
    """A criterion of inspection, and where it comes from."""

    source: Sources


class GivenNorm(GivenPoints):
    """Points from outside, and who says that they count."""

    source: Sources


def _hundred(form: tuple[CriterionNorm, ...]) -> tuple[CriterionNorm, ...]:
    if form and (points := sum(each.points for each in form)) != HUNDRED:
        raise ValueError(f"the points of the form add up to {points}; accepted: {HUNDRED}")
    return form


class AssessmentNorms(CheckedNorm):
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

    def _problem(self) -> str | None:
        if taken := [each.code for each in self.given if each.code in FIGURE_OF]:
            return f"given.{taken[0]} has the name of a figure; accepted: a code of your own"
        if self.sample_per_agent.count and not self.form:
            return "sample_per_agent takes a form; accepted: [assessment.form], or count = 0"
        if 0 in (self.objections.working_days, self.decisions.working_days):
            return "objections and decisions take time; accepted: at least one working day"
        sums = Counter[Subject]()
        for weight in self.weights:
            if weight.figure not in (accepted := self._figures_of(weight.by)):
                return f"weights: {weight.by} has no figure {weight.figure!r}; accepted: {', '.join(accepted)}"
            sums[weight.by] += weight.weight
        twice = [key for key, times in Counter((each.by, each.figure) for each in self.weights).items() if times > 1]
        if twice:
            return f"weights: {twice[0][0]} has several weights of {twice[0][1]}; accepted: one"
        wrong = [f"those of {by} add up to {total}" for by, total in sums.items() if total != HUNDRED]
        return f"weights: {'; '.join(wrong)}; accepted: {HUNDRED} for each" if wrong else None

    def _figures_of(self, by: Subject) -> list[str]:
        return [*FIGURE_OF, *(each.code for each in self.given if by in each.by)]
