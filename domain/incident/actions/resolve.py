"""resolve 解决: the cause is gone."""

from domain.incident.state import CONTROL_ROOM, LINKS_NEW_CASES, IncidentAction, IncidentFields, IncidentState
from domain.kit.event import ActionBody
from domain.shared.actors import Role
from domain.shared.value import Text


class Resolve(ActionBody):
    """解决: what was done, and what callers are told."""

    result: Text
    message: Text

    def evolve(self, incident: IncidentFields, *_: object) -> None:
        incident.result, incident.reply = self.result, self.message


ACTION = IncidentAction(
    name="resolve",
    zh="解决",
    description="The cause is gone: linked cases are completed and replied to, unless somebody works on them.",
    roles=CONTROL_ROOM | {Role.CREW},
    sources=LINKS_NEW_CASES,
    targets=(IncidentState.SETTLING,),
    example=Resolve(
        result="Fresh water was led in; chloride is below 250 mg/L.",
        message="水质已恢复正常，感谢谅解。Water is as it should be again.",
    ),
    notifies=("dispatcher", "supervisor"),
)
