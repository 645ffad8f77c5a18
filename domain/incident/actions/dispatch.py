"""dispatch 派单: one dispatch for all linked cases."""

from domain.incident.state import CONTROL_ROOM, LINKS_NEW_CASES, IncidentAction, IncidentState
from domain.kit.event import ActionBody
from domain.shared.codes import DepartmentCode
from domain.shared.value import Name


class DispatchIncident(ActionBody):
    """派单 to a department of the catalogue, to a person there if known."""

    department: DepartmentCode
    assignee: Name | None = None


ACTION = IncidentAction(
    name="dispatch",
    zh="派单",
    description="One dispatch for all linked cases; again, to another department.",
    roles=CONTROL_ROOM,
    sources=LINKS_NEW_CASES,
    targets=(IncidentState.DISPATCHED,),
    example=DispatchIncident(department="water_quality"),
    sets=("department", "assignee"),
    notifies=("department:{department}",),
)
