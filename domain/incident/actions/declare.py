"""declare 上报: the incident is known before callers tell."""

from domain.incident.state import CONTROL_ROOM, IncidentAction, IncidentState, Opened
from domain.kit.event import ActionBody

ACTION = IncidentAction(
    name="declare",
    zh="上报",
    description="Known before callers tell.",
    roles=CONTROL_ROOM,
    sources=set(),
    targets=(IncidentState.CONFIRMED,),
    example=ActionBody(),
    data=Opened,
    notifies=("supervisor",),
)
