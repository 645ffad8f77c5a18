"""Events of an incident."""

from typing import ClassVar

from domain.incident.lifecycle import IncidentState
from domain.shared.event import BaseEvent, EventData


class IncidentEvent(BaseEvent):
    """One fact about one incident, in the order of `seq`."""

    DATA: ClassVar[dict[str, type[EventData]]] = {}

    from_state: IncidentState | None = None
    to_state: IncidentState
