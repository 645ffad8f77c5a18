"""States, fields and events of an assessment (考核), and exclusions (剔除) of cases from it.

Its figures are in SQL: the digest tells which they are.
"""

from collections.abc import Collection
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel, Field

from domain.catalogue.figures import Standard, Subject
from domain.catalogue.terms import Edition
from domain.kit.event import BaseAction, BaseEvent, BaseKind
from domain.reports.report import month_of, next_month
from domain.shared.errors import ANOTHER_SUPERVISOR, ProblemType, Refused
from domain.shared.value import Immutable, NamedCode, omit_default


class AssessmentState(NamedCode):
    """State of an assessment."""

    DRAFT = "draft", "草案"
    OBJECTIONS = "objections", "公示申诉期"
    FINAL = "final", "已定稿"


S = AssessmentState


class Sampled(Immutable):
    """Case that was drawn to be inspected, and the agent who owned it."""

    complaint: str
    agent: str


class Inspection(Sampled):
    """Inspection (质检) of one case: the points of each criterion, and who gave them."""

    scores: dict[str, int]
    points: int = Field(description="All together, of 100.")
    inspected_by: str
    inspected_at: datetime


class Objection(Immutable):
    """Objection (申诉) to a figure of a subject, of one case or as a whole; `accepted` is None until it is decided."""

    id: int = Field(description="1, 2, 3 ... within the month.")
    by: Subject
    subject: str
    figure: str
    complaint: str | None = None
    reason: str
    evidence: str | None = None
    parties: tuple[str, ...] = omit_default((), "Ids and departments of those whom the entries of the case count for.")
    raised_by: str
    raised_at: datetime
    due_at: datetime = Field(description="By when it is to be decided.")
    accepted: bool | None = Field(None, description="Null until it is decided.")
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    def is_about(self, inspection: Inspection) -> bool:
        """Return True if the points are what it is to: those of one case, of an agent, or of all agents."""
        if self.complaint:
            return inspection.complaint == self.complaint
        return self.by is not Subject.AGENT or inspection.agent == self.subject


class Result(Immutable):
    """Score and grade of one subject."""

    by: Subject
    subject: str
    score: Decimal
    grade: str | None = None


class Computation(Immutable):
    """Computation of the figures: what counted until `as_of`, and what tells the result from any other."""

    serial: int = Field(description="Names its entries and results in SQL.")
    as_of: datetime = Field(description="Exclusions that were decided later do not count.")
    digest: str = Field(description="SHA-256 of all entries and results.")
    entries: int
    results: tuple[Result, ...] = Field(description="Of the subjects that have a score.")


class TimeLimit(Immutable):
    """Time in which something is to be done; `rung` is the highest percentage of it at which people were reminded."""

    name: str = Field(description="`inspections`, `objections`, or `decision-` and the id of the objection.")
    starts_at: datetime
    ends_at: datetime
    seconds: int = Field(description="Its length in working time.")
    rung: int = 0


class AssessmentFields(BaseModel):
    """Fields of the assessment of one month. Instants are UTC and given by the caller."""

    number: str = Field(description="The month, as 2026-08.")
    state: AssessmentState = S.DRAFT
    since: datetime = Field(description="First instant of the month, in the time zone of the company.")
    until: datetime = Field(description="First instant of the next month.")
    opened_at: datetime
    seed: str = Field(description="By which the sample of inspections is drawn.")
    standard: Standard
    edition: Edition = Field(description="The catalogue that the standard is of.")
    version: int = 1
    people: dict[str, str] = omit_default({}, "Names of the people of the assessment, by id, where they differ.")
    drawn: bool = Field(False, description="The sample was drawn; it may be empty.")
    sample: tuple[Sampled, ...] = ()
    inspections: tuple[Inspection, ...] = ()
    objections: tuple[Objection, ...] = ()
    computed: Computation | None = None
    published_at: datetime | None = None
    closed_at: datetime | None = None
    limits: tuple[TimeLimit, ...] = omit_default(())

    @property
    def over(self) -> bool:
        return self.state is S.FINAL

    @property
    def serial(self) -> int:
        """Number of its last computation; before the first -1, which none has."""
        return self.computed.serial if self.computed else -1

    @property
    def undecided(self) -> tuple[Objection, ...]:
        return tuple(each for each in self.objections if each.accepted is None)

    @property
    def uninspected(self) -> tuple[Sampled, ...]:
        done = {each.complaint for each in self.inspections}
        return tuple(each for each in self.sample if each.complaint not in done)

    def objection(self, serial: int) -> Objection | None:
        return next((each for each in self.objections if each.id == serial), None)

    def open_limit(self, name: str, at: datetime, seconds: int) -> TimeLimit:
        limit = TimeLimit(name=name, starts_at=at, ends_at=self.standard.limit(at, seconds), seconds=seconds)
        self.limits = (*self.limits, limit)
        return limit

    def close_limit(self, name: str) -> None:
        self.limits = tuple(each for each in self.limits if each.name != name)

    def limit_of(self, name: str) -> TimeLimit | None:
        """None if it does not run."""
        return next((each for each in self.limits if each.name == name), None)


class AssessmentEvent(BaseEvent[AssessmentState]):
    """One fact about one assessment, in the order of `seq`."""


class AssessmentKind(BaseKind[AssessmentFields, AssessmentEvent]):
    """Kind of event of an assessment."""

    EVENT = AssessmentEvent


class AssessmentAction(AssessmentKind, BaseAction[AssessmentFields, AssessmentEvent, AssessmentState]):
    """Action of a person on an assessment."""


UNKNOWN_EXCLUSION_GROUND = ProblemType(
    "invalid", "unknown_exclusion_ground", "Unknown ground of exclusion", "没有这个剔除理由"
)
EVIDENCE_NEEDED = ProblemType("invalid", "evidence_needed", "Exclusion without evidence", "剔除须写明证据或其存放处")
ASSESSMENT_FINAL = ProblemType("conflict", "assessment_final", "Assessment final", "考核已定稿，不能再剔除")
EXCLUSION_DECIDED = ProblemType("conflict", "exclusion_decided", "Exclusion decided already", "剔除已裁决")
OWN_EXCLUSION = ProblemType("forbidden", "own_exclusion", "Decision on one's own exclusion", "须由其他班长裁决此剔除")


class Exclusion(Immutable):
    """Exclusion of a case from assessments."""

    id: str
    number: str
    ground: str
    reason: str
    evidence: str | None
    requested_by: str
    requested_at: datetime
    approved: bool | None = Field(None, description="Null until it is decided.")
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    def decide(self, person: str, at: datetime, *, approved: bool, reason: str) -> "Exclusion":
        """Decide it; the same decision again changes nothing. Raises Refused."""
        if (self.decided_by, self.approved) == (person, approved):
            return self
        if self.approved is not None:
            raise Refused(EXCLUSION_DECIDED, f"{self.decided_by} has decided on it.", ())
        if person == self.requested_by:
            raise Refused(OWN_EXCLUSION, f"{person} has asked for it.", (ANOTHER_SUPERVISOR,))
        decided = {"approved": approved, "decided_by": person, "decided_at": at, "decision_reason": reason}
        return self.model_copy(update=decided)


class CasePeriod(NamedTuple):
    """Time in which something may have happened to a case; `until` is None while it is open."""

    since: datetime
    until: datetime | None

    def months(self, now: datetime, zone: tzinfo) -> list[str]:
        """In this time zone, until the present month."""
        found, last = [month_of(self.since, zone)], month_of(self.until or now, zone)
        while found[-1] < last:
            found.append(next_month(found[-1]))
        return found


def check_ground(standard: Standard | None, ground: str, evidence: str | None) -> None:
    """Raise Refused for a ground that the catalogue lacks, and for one that lacks its evidence."""
    grounds = {each.code: each for each in standard.grounds} if standard else {}
    if ground not in grounds:
        message = f"There is no ground {ground!r}; accepted: {', '.join(grounds) or 'none'}."
        raise Refused(UNKNOWN_EXCLUSION_GROUND, message, tuple(grounds))
    if grounds[ground].needs_evidence and not evidence:
        message = f"The ground {ground} needs evidence."
        raise Refused(
            EVIDENCE_NEEDED,
            message,
            (("evidence（证据）：证明材料或其存放处", "evidence: what proves it, or where it lies"),),
        )


def check_not_final(number: str, months: Collection[str], final: Collection[str]) -> None:
    """Raise Refused if the assessment of every month of a case is final: its exclusion would change nothing."""
    if months and {*months} <= {*final}:
        message = f"The case {number} is of {', '.join(months)}, whose assessment is final."
        raise Refused(
            ASSESSMENT_FINAL, message, (("所属月份考核尚未定稿的工单", "a case with a month that is not final"),)
        )
