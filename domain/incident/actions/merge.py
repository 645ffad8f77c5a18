"""merge 并入: its cause is that of another incident, which takes its cases over."""

from domain.incident.state import CONTROL_ROOM, LINKABLE, IncidentAction, IncidentEvent, IncidentFields, IncidentState
from domain.kit.event import ActionBody
from domain.shared.errors import SAME_INCIDENT, Refused
from domain.shared.value import IncidentNumber, Text


class Merge(ActionBody):
    """并入 another incident, with the reason."""

    into: IncidentNumber
    reason: Text | None = None

    def check(self, incident: IncidentFields) -> None:
        if self.into == incident.number:
            raise Refused(SAME_INCIDENT, "It cannot be merged into itself.", ("another incident",))

    def evolve(self, incident: IncidentFields, event: IncidentEvent) -> None:
        incident.into, incident.state_before_merge = self.into, event.from_state


ACTION = IncidentAction(
    name="merge",
    zh="并入",
    description="The cause of another: its cases go over.",
    roles=CONTROL_ROOM,
    sources=LINKABLE,
    targets=(IncidentState.MERGING,),
    example=Merge(into="i26080300014", reason="The same tide."),
    problems=(SAME_INCIDENT,),
)
