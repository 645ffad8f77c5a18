"""decide_objection 申诉裁决: somebody who has no part in it accepts an objection, or does not."""

from domain.assessment.state import AssessmentAction, AssessmentEvent, AssessmentFields, AssessmentState, Objection
from domain.catalogue.figures import QUALITY_FIGURE, Subject
from domain.kit.event import ActionBody, Decision
from domain.shared.actors import Actor, Role
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import ShortText

NO_SUCH_OBJECTION = ProblemType("invalid", "no_such_objection", "Objection not found", "没有这项申诉")
OBJECTION_DECIDED = ProblemType("conflict", "objection_decided", "Objection decided already", "申诉已裁决")
OWN_OBJECTION = ProblemType("forbidden", "own_objection", "Decision by a party to the objection", "当事人不能裁决")


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
            raise Refused(OWN_OBJECTION, f"{actor.id} {why}.", ("another supervisor or manager",))
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
    """None unless it is the author, the subject, the inspector, or somebody of the case."""
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


ACTION = AssessmentAction(
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
