"""Actions on an assessment, in the order of the table. A new one is an `AssessmentAction` here and a line below."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from domain.assessment.state import (
    AssessmentAction,
    AssessmentEvent,
    AssessmentFields,
    AssessmentState,
    Inspection,
    Objection,
)
from domain.catalogue.figures import QUALITY_FIGURE, Subject
from domain.kit.event import ActionBody, Decision, by_body, by_name
from domain.shared.actors import Actor, Role
from domain.shared.codes import Code
from domain.shared.errors import ANOTHER_SUPERVISOR, ProblemType, Refused
from domain.shared.value import Name, ShortText, omit_default

NOT_SAMPLED = ProblemType("invalid", "not_sampled", "Case not in the sample", "不在质检样本中")
INSPECTED_ALREADY = ProblemType("conflict", "inspected_already", "Case inspected already", "已经质检")
OWN_CASE = ProblemType("forbidden", "own_case", "Inspection of one's own case", "不能质检本人的工单")
WRONG_FORM = ProblemType("invalid", "wrong_form", "Points that do not fit the form", "请按质检表逐项评分，不超满分")


class Inspect(ActionBody):
    """质检 of one case of the sample: the points of every criterion of the form."""

    complaint: str
    scores: dict[Code, Annotated[int, Field(ge=0, le=100, strict=True)]]

    def decide(self, month: AssessmentFields, actor: Actor, *_: object) -> Decision:
        drawn = {each.complaint: each.agent for each in month.sample}
        waiting = tuple(each.complaint for each in month.uninspected)
        if self.complaint not in drawn:
            message = f"The case {self.complaint} is not in the sample of {month.number}."
            raise Refused(NOT_SAMPLED, message, waiting)
        if self.complaint not in waiting:
            raise Refused(INSPECTED_ALREADY, f"The case {self.complaint} is inspected already.", waiting)
        if actor.id == drawn[self.complaint]:
            raise Refused(OWN_CASE, f"{actor.id} owned the case {self.complaint}.", (ANOTHER_SUPERVISOR,))
        form = {each.code: each.points for each in month.standard.form}
        if self.scores.keys() != form.keys() or any(self.scores[code] > most for code, most in form.items()):
            wanted = tuple(f"{code}: 0 to {most}" for code, most in form.items())
            raise Refused(WRONG_FORM, f"The form takes points for each of {', '.join(wanted)}.", wanted)
        return Decision(Inspected.of(self, agent=drawn[self.complaint], points=sum(self.scores.values())))


class Inspected(Inspect):
    """Inspection, with the agent and the points all together."""

    agent: str
    points: int

    def evolve(self, month: AssessmentFields, event: AssessmentEvent) -> None:
        made = Inspection.taken_from(self, inspected_by=event.actor, inspected_at=event.at)
        month.inspections = (*month.inspections, made)


INSPECT = AssessmentAction(
    name="inspect",
    zh="质检",
    description="A case of the sample gets the points of each criterion of the form.",
    roles={Role.SUPERVISOR},
    sources={AssessmentState.DRAFT},
    example=Inspect(
        complaint="2608034711004", scores={"greeting": 20, "understanding": 20, "record": 25, "handling": 30}
    ),
    problems=(NOT_SAMPLED, INSPECTED_ALREADY, OWN_CASE, WRONG_FORM),
    data=Inspected,
)


OBJECTION_TOO_LATE = ProblemType("conflict", "objection_too_late", "Objection after its time", "申诉期已过")
OBJECTED_ALREADY = ProblemType("conflict", "objected_already", "Objection raised already", "已有相同申诉，不再受理")
TOO_MANY_OBJECTIONS = ProblemType("conflict", "too_many_objections", "Too many objections", "申诉已满")
MOST_OBJECTIONS = 200
"""Objections to one month: with the longest reasons they stay below a third of what Temporal takes as one message."""
OBJECTIONS = "objections"
"""Name of the time in which objections are taken."""


class Object(ActionBody):
    """申诉 to a figure of a subject: to one case that it counts, or to the figure as a whole."""

    by: Subject = Field(description="Kind of the subject.")
    subject: Name = Field(description="Id of the person, or code of the department, service or district.")
    figure: Code
    complaint: str | None = omit_default(None, "The case that is counted wrongly; null: the figure as a whole.")
    reason: ShortText
    evidence: ShortText | None = omit_default(None, "What proves it, or where it lies.")
    parties: tuple[Name, ...] = omit_default((), "Ids and departments of those whom the entries of the case count for.")

    def decide(self, month: AssessmentFields, actor: Actor, at: datetime) -> Decision:
        """Raise Refused after the time for it, or if the same was raised before. SQL is asked if the case counts."""
        limit = month.limit_of(OBJECTIONS)
        if limit is None or at >= limit.ends_at:
            ended = f" ended at {limit.ends_at.isoformat()}" if limit else " has ended"
            raise Refused(OBJECTION_TOO_LATE, f"The time for objections to {month.number}{ended}.", ())
        same = ("by", "subject", "figure", "complaint")
        if len(month.objections) >= MOST_OBJECTIONS:
            message = f"There are {MOST_OBJECTIONS} objections to {month.number}."
            raise Refused(
                TOO_MANY_OBJECTIONS,
                message,
                (("请告知班长，由其补入已有异议", "to tell a supervisor, who may add it to an objection"),),
            )
        for other in month.objections:
            is_open = other.accepted is not False or other.raised_by == actor.id
            if is_open and all(getattr(other, name) == getattr(self, name) for name in same):
                message = f"The objection {other.id} is to the same figure and case."
                raise Refused(
                    OBJECTED_ALREADY, message, (("对其他指标或工单的异议", "an objection to another figure or case"),)
                )
        return Decision(Objected.of(self, id=len(month.objections) + 1))


class Objected(Object):
    """Objection, with its id."""

    id: int

    def evolve(self, month: AssessmentFields, event: AssessmentEvent) -> None:
        limit = month.open_limit(f"decision-{self.id}", event.at, month.standard.decision_seconds)
        raised = Objection.taken_from(self, raised_by=event.actor, raised_at=event.at, due_at=limit.ends_at)
        month.objections = (*month.objections, raised)


OBJECT = AssessmentAction(
    name="object",
    zh="申诉",
    description="Somebody objects to a figure of the published month.",
    roles={Role.AGENT, Role.CREW, Role.DISPATCHER, Role.FOLLOW_UP, Role.SUPERVISOR, Role.MANAGER},
    sources={AssessmentState.OBJECTIONS},
    example=Object(
        by=Subject.AGENT,
        subject="10023",
        figure="replied_in_time",
        complaint="2608034711004",
        reason="The caller asked to be called on Monday. 来电人要求周一回复",
    ),
    problems=(OBJECTION_TOO_LATE, OBJECTED_ALREADY, TOO_MANY_OBJECTIONS),
    data=Objected,
    notifies=("supervisor", "manager"),
)


NO_SUCH_OBJECTION = ProblemType("invalid", "no_such_objection", "Objection not found", "没有这项申诉")
OBJECTION_DECIDED = ProblemType("conflict", "objection_decided", "Objection decided already", "申诉已裁决")
OWN_OBJECTION = ProblemType("forbidden", "own_objection", "Decision by a party to the objection", "须由非当事人裁决")


class DecideObjection(ActionBody):
    """申诉裁决 on one objection, with the reason."""

    objection: int
    accepted: bool
    reason: ShortText

    def decide(self, month: AssessmentFields, actor: Actor, *_: object) -> Decision:
        objection = month.objection(self.objection)
        undecided = tuple(str(each.id) for each in month.undecided)
        if objection is None:
            message = f"There is no objection {self.objection} to {month.number}."
            raise Refused(NO_SUCH_OBJECTION, message, undecided)
        if objection.accepted is not None:
            message = f"{objection.decided_by} has decided on the objection {objection.id}."
            raise Refused(OBJECTION_DECIDED, message, undecided)
        if why := _party(month, objection, actor):
            raise Refused(
                OWN_OBJECTION, f"{actor.id} {why}.", (("其他班长或审批领导", "another supervisor or manager"),)
            )
        return Decision(ObjectionDecided.of(self, raised_by=objection.raised_by))


class ObjectionDecided(DecideObjection):
    """Decision, and who had raised the objection."""

    raised_by: str

    def evolve(self, month: AssessmentFields, event: AssessmentEvent) -> None:
        month.close_limit(f"decision-{self.objection}")
        decided = {"decided_by": event.actor, "decided_at": event.at, "decision_reason": self.reason}
        month.objections = tuple(
            each.model_copy(update={"accepted": self.accepted, **decided}) if each.id == self.objection else each
            for each in month.objections
        )


def _party(month: AssessmentFields, objection: Objection, actor: Actor) -> str | None:
    """Tell why the person is a party: author, subject, inspector, or somebody of the case; None for others."""
    if actor.id == objection.raised_by:
        return "has raised the objection"
    person = objection.by in (Subject.AGENT, Subject.CREW) and objection.subject == actor.id
    if person or (objection.by is Subject.DEPARTMENT and objection.subject == actor.department):
        return f"is the subject {objection.subject}, or of it"
    # If it is accepted, the case no longer counts for any subject.
    if {actor.id, actor.department} & {*objection.parties}:
        return f"has a part in the case {objection.complaint}, or the department has"
    about = {each.inspected_by for each in month.inspections if objection.is_about(each)}
    if objection.figure == QUALITY_FIGURE.name and actor.id in about:
        return "has given points for it"
    return None


DECIDE_OBJECTION = AssessmentAction(
    name="decide_objection",
    zh="申诉裁决",
    description="An objection is accepted or rejected by somebody who is no party to it.",
    roles={Role.SUPERVISOR, Role.MANAGER},
    sources={AssessmentState.OBJECTIONS},
    example=DecideObjection(objection=1, accepted=True, reason="The recording says so. 录音属实"),
    problems=(NO_SUCH_OBJECTION, OBJECTION_DECIDED, OWN_OBJECTION),
    data=ObjectionDecided,
    notifies=("owner:{raised_by}",),  # the author, who is reached as the owner of a case is
)


ASSESSMENT_ACTIONS: tuple[AssessmentAction, ...] = (INSPECT, OBJECT, DECIDE_OBJECTION)
ASSESSMENT_COMMANDS: dict[str, AssessmentAction] = by_name(*ASSESSMENT_ACTIONS)
ASSESSMENT_ACTION_OF: dict[type[ActionBody], AssessmentAction] = by_body(*ASSESSMENT_ACTIONS)
