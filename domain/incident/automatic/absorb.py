"""absorb 并入: another incident was merged into this one, which covers its scope from now on."""

from domain.incident.events import IncidentEvent
from domain.incident.kind import IncidentKind
from domain.incident.opening import Scope
from domain.incident.state import IncidentFields
from domain.shared.event import EventData


class Widened(EventData):
    """Other incident, and both scopes as one."""

    incident: str
    scope: Scope


def evolve(incident: IncidentFields, data: Widened, _: IncidentEvent) -> None:
    """Widen the scope."""
    incident.scope = data.scope


KIND = IncidentKind(
    name="absorb", zh="并入", description="Another incident was merged into this one.", data=Widened, evolve=evolve
)
