"""hand_over 移交: another agent owns the case from now on."""

from datetime import datetime

from domain.case.kind import Action, Decision
from domain.case.lifecycle import OPEN
from domain.case.state import CaseState
from domain.shared.actors import Actor, Role
from domain.shared.errors import ProblemType, Refused
from domain.shared.event import ActionBody
from domain.shared.text import Name

SAME_OWNER = ProblemType("invalid", "same_owner", "Owner unchanged", "首问责任人未变更")


class HandOver(ActionBody):
    """移交 to the new owner."""

    owner: Name


class HandedOver(HandOver):
    """New owner, and the one before."""

    previous_owner: str


def decide(case: CaseState, body: HandOver, _: Actor, __: datetime) -> Decision:
    """Refuse the owner of the case."""
    if body.owner == case.owner:
        raise Refused(SAME_OWNER, f"{case.owner} owns the case already.", ("another person's id or name",))
    return Decision(HandedOver.of(body, previous_owner=case.owner))


ACTION = Action(
    name="hand_over",
    zh="移交",
    description="A new owner; the owner changes in no other way.",
    roles={Role.SUPERVISOR},
    sources=OPEN,
    body=HandOver,
    example=HandOver(owner="陈静", note="The agent is on leave."),
    problems=(SAME_OWNER,),
    data=HandedOver,
    decide=decide,
    sets=("owner",),
    notifies=("owner", "owner:{previous_owner}"),
)
