"""sign_for 签收: the department takes it."""

from domain.incident.state import IncidentAction, IncidentFields, IncidentState
from domain.kit.event import ActionBody, Decision
from domain.shared.actors import Actor, Role
from domain.shared.value import Name


class SignForIncident(ActionBody):
    """签收; the assignee is the signer unless another is named."""

    assignee: Name | None = None

    def decide(self, _: IncidentFields, actor: Actor, *__: object) -> Decision:
        return Decision(SignForIncident.of(self, assignee=self.assignee or actor.id), IncidentState.IN_PROGRESS)


ACTION = IncidentAction(
    name="sign_for",
    zh="签收",
    description="The department takes it.",
    roles={Role.CREW},
    sources={IncidentState.DISPATCHED},
    targets=(IncidentState.IN_PROGRESS,),
    example=SignForIncident(assignee="梁伟"),
    sets=("assignee",),
    notifies=("dispatcher",),
)
