"""reply 回复: the owner tells the caller what was done."""

from domain.case.lifecycle import MayEnd, OfIncident
from domain.case.state import Action, ActionBody, CaseState, Event, Role, State
from domain.shared.value import Text


class Reply(ActionBody):
    """回复: what the caller is told."""

    message: Text


class Replied(Reply, OfIncident, MayEnd):
    """Reply, by the owner or by the incident that the case is linked to."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.reply = self.message
        case.stop_clocks(event.at, "reply")
        case.start_clocks(event.at, "reply")
        case.follow_up_since = event.at


ACTION = Action(
    name="reply",
    zh="回复",
    description="The owner tells the caller what was done.",
    roles={Role.OWNER},
    sources={State.PENDING_REPLY},
    targets=(State.PENDING_FOLLOW_UP,),
    example=Reply(message="Water is back; please fit a new valve. 已恢复供水。"),
    data=Replied,
    notifies=("caller", "follow_up"),
    notifies_by_incident=("caller",),
)
