"""assign 指派: another person of the department works on the case, or on its part of it."""

from typing import Any

from domain.case.lifecycle import NO_SUCH_PART, PART_AT_WORK, TO_DISPATCH, WORKABLE, Part, PartBody, PartData
from domain.case.state import Action, Addressees, CaseState, Decision, Event, PartAction, Role, while_incomplete
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import Name, omit_default

SAME_ASSIGNEE = ProblemType("invalid", "same_assignee", "Assignee unchanged", "经办人未变更")


class Assign(PartBody):
    """指派 to a person of the department that has the case, or a part."""

    assignee: Name

    def decide(self, case: CaseState, *_: object) -> Decision:
        return Decision(Assigned.of(self, **self.facts_of_part(case)))

    def facts_of_part(self, work: CaseState | Part) -> dict[str, Any]:
        """Assignee before, of the case or of the part. Raises Refused for the same one."""
        if self.assignee == work.assignee:
            raise Refused(
                SAME_ASSIGNEE,
                f"{work.assignee} works on it already.",
                (("本部门其他人员", "another person of the department"),),
            )
        return {"previous_assignee": work.assignee}


class Assigned(PartData, Assign):
    """New assignee, and the one before."""

    previous_assignee: str | None = omit_default(None)

    def evolve_part(self, case: CaseState, part: Part, _: Event) -> None:
        case.put_part(part, assignee=self.assignee)

    def notifies(self, _: CaseState, __: Event) -> Addressees:
        return tuple(f"assignee:{each}" for each in (self.assignee, self.previous_assignee) if each)


ACTION = Action(
    name="assign",
    zh="指派",
    description="Another person of the department works on it.",
    roles={Role.CREW, Role.DISPATCHER, Role.SUPERVISOR},
    sources=WORKABLE - TO_DISPATCH,
    example=Assign(assignee="黄强", note="The shift has changed."),
    problems=(SAME_ASSIGNEE, NO_SUCH_PART),
    data=Assigned,
    guard=while_incomplete,
    sets=("assignee",),
    part=PartAction(sources=PART_AT_WORK),
)
