"""merge_failed 未能并入: the incident that it was to be merged into had ended."""

from domain.incident.events import IncidentEvent
from domain.incident.kind import IncidentKind
from domain.incident.state import IncidentFields
from domain.shared.event import EventData


class MergeFailed(EventData):
    """Incident that had ended."""

    into: str | None


def evolve(incident: IncidentFields, _: MergeFailed, __: IncidentEvent) -> None:
    """Forget the merge."""
    incident.into = incident.state_before_merge = None


KIND = IncidentKind(
    name="merge_failed",
    zh="未能并入",
    description="The other incident had ended; this one continues.",
    data=MergeFailed,
    evolve=evolve,
    notifies=("dispatcher",),
)
