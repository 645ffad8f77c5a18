"""Every kind of event of an incident, and what one does to it."""

from domain.incident.actions import INCIDENT_ACTIONS
from domain.incident.automatic import INCIDENT_AUTOMATIC
from domain.incident.events import IncidentEvent
from domain.incident.kind import IncidentKind
from domain.incident.state import IncidentFields

INCIDENT_KINDS: dict[str, IncidentKind] = {kind.name: kind for kind in (*INCIDENT_ACTIONS, *INCIDENT_AUTOMATIC)}


def evolve(incident: IncidentFields, event: IncidentEvent) -> None:
    """Bring the incident from version `seq - 1` to `seq`."""
    incident.version = event.seq
    INCIDENT_KINDS[event.action].evolve(incident, event.data, event)
    incident.state = event.to_state
    if incident.over:
        incident.closed_at = incident.closed_at or event.at
