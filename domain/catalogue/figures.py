"""Figures (指标) by which staff and departments are assessed, and the standard (考核标准) by which a month is judged.

A new figure is an entry of `FIGURES`. It is computed from entries (`domain.assessment.entry`): each counts one case
once, for whoever had it then. The standard is an immutable value of the start message; `AssessmentNorms` is what an
operator writes of it, with the source of every figure beside it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue.norms import Count, Sourced, WorkingDays, by_code
from domain.catalogue.terms import CLOCKS, USUAL_CURRENCY
from domain.shared.codes import Coded
from domain.shared.value import NamedCode, Value, exhaustive


class Subject(NamedCode):
    """Kind of subject that is assessed."""

    AGENT = "agent", "话务员"
    CREW = "crew", "抢修人员"
    DEPARTMENT = "department", "部门"
    SERVICE = "service", "服务项目"
    DISTRICT = "district", "区域"
    COMPANY = "company", "公司"


class EntryKind(NamedCode):
    """Kind of an entry: what is counted."""

    REGISTERED = "registered", "受理"
    RECEIVED = "received", "接单"
    SIGNED_FOR = "signed_for", "承办"
    ACKNOWLEDGE = "acknowledge", "签收"
    ARRIVE = "arrive", "到场"
    RESOLVE = "resolve", "处理"
    REPLY = "reply", "回复"
    FOLLOW_UP = "follow_up", "回访"
    RETURNED = "returned", "退单"
    REWORKED = "reworked", "重办"
    REOPENED = "reopened", "重开"
    URGED = "urged", "催办"
    EXTENDED = "extended", "延期"
    CONTACTED = "contacted", "响应"
    SOLVED = "solved", "解决"
    SATISFIED = "satisfied", "满意"
    THANKS = "thanks", "表扬"
    MONEY = "money", "批准金额"
    INSPECTED = "inspected", "质检"


exhaustive("EntryKind", CLOCKS, list(EntryKind))


class FigureUnit(NamedCode):
    """Unit of a value."""

    COUNT = "count", "件"
    RATE = "rate", "率"
    MONEY = "money", "元"
    POINTS = "points", "分"


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """Figure of a subject.

    Attributes:
        kind: what is counted; None for calls and for points that are given from outside.
        kind_by_subject: kinds that are counted instead for some subjects.
        per_case: True for the share of the subject's cases that such an entry is made of.
    """

    name: str
    title: str
    zh: str
    unit: FigureUnit
    kind: EntryKind | None = None
    kind_by_subject: Mapping[Subject, EntryKind] = field(default_factory=dict)
    per_case: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def kinds(self) -> frozenset[EntryKind]:
        return frozenset(kind for kind in (self.kind, *self.kind_by_subject.values()) if kind)

    def kind_for(self, by: Subject) -> EntryKind | None:
        return self.kind_by_subject.get(by, self.kind)


def _rate(name: str, title: str, zh: str, kind: EntryKind) -> Figure:
    return Figure(name=name, title=title, zh=zh, unit=FigureUnit.RATE, kind=kind)


def _share(kind: EntryKind, title: str, zh: str) -> Figure:
    return Figure(name=kind.value, title=title, zh=zh, unit=FigureUnit.RATE, kind=kind, per_case=True)


CASES_FIGURE = Figure(
    name="cases",
    title="Cases",
    zh="工单量",
    unit=FigureUnit.COUNT,
    kind=EntryKind.REGISTERED,
    kind_by_subject={Subject.DEPARTMENT: EntryKind.RECEIVED, Subject.CREW: EntryKind.SIGNED_FOR},
)
"""Cases registered; of a department, those that it received; of a member of a crew, those taken on."""
QUALITY_FIGURE = Figure(
    name="quality", title="Quality inspection", zh="质检得分", unit=FigureUnit.POINTS, kind=EntryKind.INSPECTED
)
CALLS_ANSWERED = Figure(name="calls_answered", title="Calls answered", zh="接听量", unit=FigureUnit.COUNT)
CONNECTED_RATE = Figure(name="connected_rate", title="Calls connected", zh="接通率", unit=FigureUnit.RATE)
ANSWERED_IN_15S = Figure(
    name="answered_in_15s", title="Calls answered within 15 s", zh="15 秒接通率", unit=FigureUnit.RATE
)
FIGURES: tuple[Figure, ...] = (
    CASES_FIGURE,
    _rate("signed_in_time", "Signed for in time", "按时签收率", EntryKind.ACKNOWLEDGE),
    _rate("arrived_in_time", "Arrived in time", "按时到场率", EntryKind.ARRIVE),
    _rate("resolved_in_time", "Resolved in time", "按时处理率", EntryKind.RESOLVE),
    _rate("replied_in_time", "Replied in time", "按时回复率", EntryKind.REPLY),
    _rate("followed_up_in_time", "Followed up in time", "按时回访率", EntryKind.FOLLOW_UP),
    _share(EntryKind.RETURNED, "Returned", "退单率"),
    _share(EntryKind.REWORKED, "Reworked", "重办率"),
    _share(EntryKind.REOPENED, "Reopened", "重开率"),
    _share(EntryKind.URGED, "Urged", "催办率"),
    _share(EntryKind.EXTENDED, "Extended", "延期率"),
    _rate("response_rate", "Response rate", "响应率", EntryKind.CONTACTED),
    _rate("solution_rate", "Solution rate", "解决率", EntryKind.SOLVED),
    _rate("satisfaction_rate", "Satisfaction rate", "满意率", EntryKind.SATISFIED),
    Figure(name="thanks", title="Thanks", zh="表扬", unit=FigureUnit.COUNT, kind=EntryKind.THANKS),
    Figure(name="money_approved", title="Money approved", zh="批准金额", unit=FigureUnit.MONEY, kind=EntryKind.MONEY),
    CALLS_ANSWERED,
    CONNECTED_RATE,
    ANSWERED_IN_15S,
    QUALITY_FIGURE,
)
"""Figures of every subject, in the order in which they are shown. The catalogue may add points of its own."""
exhaustive("FIGURES", EntryKind, frozenset[EntryKind]().union(*(figure.kinds for figure in FIGURES)))
CALL_FIGURES = tuple(figure for figure in FIGURES if not figure.kinds)
"""Figures that are not computed from entries: those of calls."""
FIGURE_OF: dict[str, Figure] = {figure.name: figure for figure in FIGURES}

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
        """Share of the points that a value earns, from 0 to 1."""
        zero, full = Decimal(str(self.zero_at)), Decimal(str(self.full_at))
        return min(max((value - zero) / (full - zero), Decimal(0)), Decimal(1))


class Grade(Coded):
    """Grade (等级) of scores from `least` on."""

    least: int = Field(ge=0, le=100, description="The lowest score of the grade.")


class Ground(Coded):
    """Ground (剔除理由) on which a case is excluded from the figures."""

    needs_evidence: bool = Field(False, description="Whether it takes evidence.", strict=True)


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
    sample_per_agent: int = Field(0, ge=0)
    given: tuple[GivenPoints, ...] = ()
    currency: str = USUAL_CURRENCY
    calendar: WorkCalendar

    def weights_of(self, by: Subject) -> tuple[Weight, ...]:
        """Empty if such subjects get no score."""
        return tuple(weight for weight in self.weights if weight.by is by)

    def grade_of(self, score: Decimal) -> str | None:
        """Code of the grade; None without grades."""
        reached = [grade for grade in self.grades if score >= grade.least]
        return max(reached, key=lambda grade: grade.least).code if reached else None

    def limit(self, start: datetime, seconds: float) -> datetime:
        return self.calendar.add(start, seconds)


class WeightNorm(Sourced, Weight):
    """Weight, and where it comes from."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.zero_at == self.full_at:
            raise ValueError(f"zero_at and full_at are both {self.full_at:g}; accepted: two values, linear between")
        return self


class GradeNorm(Sourced, Grade):
    """Grade, and where it comes from."""


class GroundNorm(Sourced, Ground):
    """Ground of exclusion, and where it comes from."""


class CriterionNorm(Sourced, Criterion):
    """Criterion of inspection, and where it comes from."""


class GivenNorm(Sourced, GivenPoints):
    """Points from outside, and who says that they count."""


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
