"""object 申诉: somebody objects to a figure of a published month."""

from datetime import datetime

from pydantic import Field

from domain.assessment.state import AssessmentAction, AssessmentEvent, AssessmentFields, AssessmentState, Objection
from domain.catalogue.figures import Subject
from domain.kit.event import ActionBody, Decision
from domain.shared.actors import Actor, Role
from domain.shared.codes import Code
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import Name, ShortText, omit_default

OBJECTION_TOO_LATE = ProblemType("conflict", "objection_too_late", "Objection after its time", "申诉期已过")
OBJECTED_ALREADY = ProblemType("conflict", "objected_already", "Objection raised already", "已有相同申诉")
TOO_MANY_OBJECTIONS = ProblemType("conflict", "too_many_objections", "Too many objections", "申诉过多")
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
        """Raise Refused after the time for it, or if raised before. SQL is asked if the case counts."""
        limit = month.limit_of(OBJECTIONS)
        if limit is None or at >= limit.ends_at:
            ended = f" ended at {limit.ends_at.isoformat()}" if limit else " has ended"
            raise Refused(OBJECTION_TOO_LATE, f"The time for objections to {month.number}{ended}.", ())
        same = ("by", "subject", "figure", "complaint")
        if len(month.objections) >= MOST_OBJECTIONS:
            message = f"There are {MOST_OBJECTIONS} objections to {month.number}."
            raise Refused(TOO_MANY_OBJECTIONS, message, ("to tell a supervisor, who may add it to an objection",))
        for other in month.objections:
            is_open = other.accepted is not False or other.raised_by == actor.id
            if is_open and all(getattr(other, name) == getattr(self, name) for name in same):
                message = f"The objection {other.id} is to the same figure and case."
                raise Refused(OBJECTED_ALREADY, message, ("an objection to another figure or case",))
        return Decision(Objected.of(self, id=len(month.objections) + 1))


class Objected(Object):
    """Objection, with its id."""

    id: int

    def evolve(self, month: AssessmentFields, event: AssessmentEvent) -> None:
        limit = month.open_limit(f"decision-{self.id}", event.at, month.standard.decision_seconds)
        raised = Objection.taken_from(self, raised_by=event.actor, raised_at=event.at, due_at=limit.ends_at)
        month.objections = (*month.objections, raised)


ACTION = AssessmentAction(
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
