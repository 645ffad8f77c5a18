"""Shapes of assessments (考核), and how they are shown."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from pydantic_core import to_jsonable_python

from api.responses import ALL_FIELDS, HIDDEN, body_like
from domain.assessment.actions import INSPECT, OBJECT, OBJECTIONS
from domain.assessment.assessment import Assessment
from domain.assessment.score import Item
from domain.assessment.state import AssessmentState, Exclusion, Objection
from domain.calls.call import OFFERED_OUTCOMES, CallOutcome
from domain.catalogue import figures
from domain.reports.report import Bridge, Cell
from domain.shared.actors import Actor
from domain.shared.codes import Code
from domain.shared.value import Immutable, Name, ShortText, Text, exhaustive
from readmodel.assessments.months import CountedCase

ASSESSMENTS = "/v1/assessments"
_SHOWN: Mapping[figures.FigureUnit, Callable[[Decimal], int | float | str]] = exhaustive(
    "_SHOWN",
    figures.FigureUnit,
    {
        figures.FigureUnit.COUNT: int,
        figures.FigureUnit.RATE: float,
        figures.FigureUnit.POINTS: float,
        figures.FigureUnit.MONEY: str,
    },
)
"""Forms in which values are shown, by unit."""
_OUTCOMES: Mapping[figures.Figure, AbstractSet[CallOutcome]] = exhaustive(
    "_OUTCOMES",
    figures.CALL_FIGURES,
    {
        figures.CALLS_ANSWERED: {CallOutcome.ANSWERED},
        figures.CONNECTED_RATE: OFFERED_OUTCOMES,
        figures.ANSWERED_IN_15S: {CallOutcome.ANSWERED},
    },
)
"""Outcomes of the calls that a figure counts."""


def _list_link(month: Assessment, by: figures.Subject, subject: str, figure: figures.Figure) -> str:
    if figure.kinds:
        return f"{ASSESSMENTS}/{month.number}/cases?{urlencode({'by': by, 'subject': subject, 'figure': figure.name})}"
    period = {"from": month.since.isoformat(), "to": month.until.isoformat(), "outcome": sorted(_OUTCOMES[figure])}
    agent = {"agent": subject} if by is figures.Subject.AGENT else {}
    return f"/v1/calls?{urlencode({**agent, **period}, doseq=True)}"


def _case_link(number: str | None) -> dict[str, str]:
    return {"complaint": f"/v1/complaints/{number}"} if number else {}


class FigureItem(BaseModel):
    """Figure of one subject."""

    value: int | float | str | None = Field(
        description="A count, a rate from 0 to 1, points, or an amount as a decimal string; null without data."
    )
    numerator: int | None = Field(description="Entries in favour, or all entries of a count; null for points given.")
    denominator: int | None = Field(description="Entries or cases that it is a share of; null for a count.")
    excluded: int = Field(
        description="Entries left out by exclusions (剔除) and accepted objections; but `cases` counts excluded cases."
    )
    weight: float | None = Field(description="Share of the score, scaled up to what has data; null: no part of it.")
    points: float | None = Field(description="What the value earns of the weight.")
    left_out: str | None = Field(description="Why a figure with a weight is no part of it: `no_data`, `objection`.")
    link: str | None = Field(description="List of the cases, or calls, that it counts; null for points given.")

    @classmethod
    def of(cls, month: Assessment, item: Item, name: str) -> Self:
        value, figure = item.figures[name], figures.FIGURE_OF.get(name)
        shown = (
            None if value.value is None else _SHOWN[figure.unit if figure else figures.FigureUnit.POINTS](value.value)
        )
        link = _list_link(month, item.by, item.subject, figure) if figure else None
        return cls(**{**dict(value), "value": shown, "link": link})


class AssessedItem(BaseModel):
    """Result of one subject."""

    subject: str = Field(description="Id of the person, or code; `company`.")
    name: str | None = Field(description="Name of the person, or the English name of the code; null if not known.")
    name_zh: str | None = Field(description="The Chinese name of the code; null if there is none.")
    figures: dict[str, FigureItem]
    score: float | None = Field(description="Of 100; null if such subjects have no weights, or without data.")
    grade: str | None = Field(description="Code of the grade.")

    @classmethod
    def of(cls, month: Assessment, item: Item, names: tuple[str | None, str | None]) -> Self:
        figures = {each: FigureItem.of(month, item, each) for each in item.figures}
        return cls(**{**dict(item), "name": names[0], "name_zh": names[1], "figures": figures})


class MonthSummary(Immutable):
    """Assessment of one month, and where it stands."""

    month: str = Field(examples=["2026-08"])
    status: AssessmentState
    opened_at: datetime
    published_at: datetime | None
    objections_end_at: datetime | None = Field(description="Until when objections are taken; null if they are not.")
    final_at: datetime | None
    computed_as_of: datetime | None = Field(description="Exclusions that were decided later do not count yet.")
    digest: str | None = Field(description="SHA-256 of all entries and results.")
    catalogue: str = Field(description="Checksum of the catalogue whose standard it is judged by.")
    seed: str = Field(description="By which the sample was drawn; docs/assessment.md says how to draw it again.")
    inspected: int = Field(description="Cases of the sample that were inspected (质检).")
    sampled: int
    objections: int
    undecided: int = Field(description="Objections that wait for a decision.")
    available_actions: list[str] = Field(description="What your role may do now.")
    links: dict[str, str]

    @classmethod
    def of(cls, month: Assessment, reader: Actor, **more: Any) -> Self:  # noqa: ANN401 - fields of a subclass
        """Assessment as the reader may see it; `more` are the fields that a subclass adds."""
        here = f"{ASSESSMENTS}/{month.number}"
        objections, computed = month.limit_of(OBJECTIONS), month.computed
        links = {"self": here, "objections": f"{here}/objections", "inspections": f"{here}/inspections"}
        return cls.taken_from(
            month,
            month=month.number,
            status=month.state,
            objections_end_at=objections.ends_at if objections else None,
            final_at=month.closed_at,
            computed_as_of=computed.as_of if computed else None,
            digest=computed.digest if computed else None,
            catalogue=month.edition.digest,
            inspected=len(month.inspections),
            sampled=len(month.sample),
            objections=len(month.objections),
            undecided=len(month.undecided),
            available_actions=[*month.available_actions(reader)],
            links=links | {by.value: f"{here}?by={by}" for by in figures.Subject},
            **more,
        )


class StandardItem(BaseModel):
    """Standard (考核标准) by which the month is judged."""

    weights: tuple[figures.Weight, ...] = Field(description="Of the kind of subject; empty if it gets no score.")
    grades: tuple[figures.Grade, ...]
    grounds: tuple[figures.Ground, ...] = Field(description="Grounds of exclusion (剔除理由).")
    form: tuple[figures.Criterion, ...] = Field(
        description="Criteria of inspection (质检), with the most points of each."
    )
    given: tuple[figures.GivenPoints, ...] = Field(description="Points from outside, as for training.")

    @classmethod
    def of(cls, standard: figures.Standard, by: figures.Subject) -> Self:
        return cls.model_validate(dict(standard) | {"weights": standard.weights_of(by)})


class AssessedMonth(MonthSummary):
    """Assessment of one month, with the results of one kind of subject."""

    by: figures.Subject
    standard: StandardItem
    bridge: Bridge | None = Field(None, description="From the month's report; null: it has none.")
    items: list[AssessedItem] = Field(description="By subject.")


class CountedCaseItem(BaseModel):
    """Case behind a number."""

    number: str
    at: datetime = Field(description="When it was counted.")
    counts: bool = Field(description="False: it counts against the subject.")
    amount: str | None = Field(description="Money, or points of an inspection; null for all else.")
    excluded: str | None = Field(description="Ground of the exclusion, or `objection`; null if it counts.")
    links: dict[str, str]

    @classmethod
    def of(cls, counted: CountedCase) -> Self:
        return cls(**counted._asdict() | {"amount": amount_text(counted)}, links=_case_link(counted.number))


class NewObjection(BaseModel):
    """Objection (申诉) to a figure of a published month."""

    model_config = body_like(OBJECT.example.model_dump(exclude={"by"}, exclude_unset=True))

    by: figures.Subject | None = Field(None, description="Kind of the subject; needed if the code is of several kinds.")
    subject: Name
    figure: Code
    complaint: str | None = Field(None, description="The case that is counted wrongly; null: the whole figure.")
    reason: ShortText
    evidence: ShortText | None = Field(None, description="What proves it, or where it lies.")


class ObjectionDecision(BaseModel):
    """Decision on an objection (申诉裁决)."""

    model_config = body_like({"accepted": True, "reason": "The recording says so. 录音属实"})

    accepted: bool
    reason: ShortText


class ObjectionItem(Objection):
    """Objection to a figure."""

    model_config = ALL_FIELDS

    month: str
    parties: HIDDEN = None
    links: dict[str, str]

    @classmethod
    def of(cls, month: str, objection: Objection) -> Self:
        decision = f"{ASSESSMENTS}/{month}/objections/{objection.id}/decision"
        return cls(**dict(objection), month=month, links={"decision": decision, **_case_link(objection.complaint)})


class NewInspection(BaseModel):
    """Inspection (质检) of one case of the sample."""

    model_config = body_like(INSPECT.example.model_dump(exclude_unset=True))

    complaint: str
    scores: dict[Code, Annotated[int, Field(ge=0, le=100)]] = Field(
        description="Points of each criterion of the form.", json_schema_extra={"additionalProperties": False}
    )
    note: Text | None = None


class InspectionItem(BaseModel):
    """Case of the sample, and its inspection if there is one."""

    complaint: str
    agent: str = Field(description="Id of the agent who owned it.")
    scores: dict[str, int] | None
    points: int | None = Field(description="Of 100; null until it is inspected.")
    inspected_by: str | None
    inspected_at: datetime | None
    links: dict[str, str]

    @classmethod
    def all_of(cls, month: Assessment) -> list[Self]:
        made = {each.complaint: each for each in month.inspections}
        nothing = dict.fromkeys(("scores", "points", "inspected_by", "inspected_at"))
        return [
            cls(**{**nothing, **dict(made.get(each.complaint, each))}, links=_case_link(each.complaint))
            for each in month.sample
        ]


class NewExclusion(BaseModel):
    """Exclusion (剔除) that is asked for."""

    model_config = body_like({"ground": "beyond_duty", "reason": "The pipe is the neighbour's. 非供水设施"})

    ground: Code = Field(description="Code of a ground of the catalogue.")
    reason: Text
    evidence: Text | None = Field(None, description="What proves it, or where it lies; some grounds need it.")


class ExclusionDecision(BaseModel):
    """Decision on an exclusion."""

    model_config = body_like({"approved": True, "reason": "Seen on the map. 已核实"})

    approved: bool
    reason: Text


class ExclusionItem(Exclusion):
    """Exclusion of a case from assessments."""

    model_config = ALL_FIELDS

    links: dict[str, str]

    @classmethod
    def of(cls, exclusion: Exclusion) -> Self:
        decision = f"/v1/complaints/{exclusion.number}/exclusions/{exclusion.id}/decision"
        return cls(**dict(exclusion), links={"decision": decision, **_case_link(exclusion.number)})


def amount_text(counted: CountedCase) -> str | None:
    """Money or points as a decimal number; None for an entry that has none."""
    return None if counted.amount is None else f"{Decimal(counted.amount) / 100:.2f}"


EXPORTED_PAGE = 5000
"""Cases that are read at once, so that neither SQL nor memory holds more of them."""
CASE_COLUMNS = ("number", "at", "counts", "amount", "excluded")
SCORE_COLUMNS = ("subject", "name", "name_zh", "figure", *FigureItem.model_fields, "score", "grade")


def case_cells(page: Iterable[CountedCase]) -> list[list[Cell]]:
    return [[one.number, to_jsonable_python(one.at), one.counts, amount_text(one), one.excluded] for one in page]


def score_cells(items: Iterable[AssessedItem]) -> list[list[Cell]]:
    return [
        [item.subject, item.name, item.name_zh, figure, *dict(value).values(), item.score, item.grade]
        for item in items
        for figure, value in item.figures.items()
    ]
