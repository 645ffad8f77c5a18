"""inspect 质检: a case of the sample is given points by the form of the catalogue."""

from typing import Annotated

from pydantic import Field

from domain.assessment.state import AssessmentAction, AssessmentEvent, AssessmentFields, AssessmentState, Inspection
from domain.kit.event import ActionBody, Decision
from domain.shared.actors import Actor, Role
from domain.shared.codes import Code
from domain.shared.errors import ProblemType, Refused

NOT_SAMPLED = ProblemType("invalid", "not_sampled", "Case not in the sample", "不在质检样本中")
INSPECTED_ALREADY = ProblemType("conflict", "inspected_already", "Case inspected already", "已经质检")
OWN_CASE = ProblemType("forbidden", "own_case", "Inspection of one's own case", "不能质检本人的工单")
WRONG_FORM = ProblemType("invalid", "wrong_form", "Points that do not fit the form", "评分与质检表不符")


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
            raise Refused(OWN_CASE, f"{actor.id} owned the case {self.complaint}.", ("another supervisor",))
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


ACTION = AssessmentAction(
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
