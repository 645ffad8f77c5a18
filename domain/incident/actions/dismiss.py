"""dismiss 排除: the calls have no common cause."""

from domain.incident.state import CONTROL_ROOM, IncidentAction, IncidentState
from domain.kit.event import Reasoned


class Dismiss(Reasoned):
    """排除, with the reason."""


ACTION = IncidentAction(
    name="dismiss",
    zh="排除",
    description="It is no common cause. Cases that were linked go their own way.",
    roles=CONTROL_ROOM,
    sources={IncidentState.SUSPECTED, IncidentState.CONFIRMED},
    targets=(IncidentState.DISMISSING,),
    example=Dismiss(reason="One street, one owner's pump."),
)
