"""Event of an incident, and the shape of its kinds, which are in `actions` and `automatic`."""

from dataclasses import dataclass
from typing import ClassVar

from domain.incident.lifecycle import IncidentState
from domain.incident.state import IncidentFields
from domain.kit.entity import EntityAction
from domain.kit.event import BaseEvent, BaseKind, EventData


class IncidentEvent(BaseEvent):
    """One fact about one incident, in the order of `seq`."""

    DATA: ClassVar[dict[str, type[EventData]]] = {}

    from_state: IncidentState | None = None
    to_state: IncidentState


@dataclass(frozen=True, kw_only=True)
class IncidentKind(BaseKind[IncidentFields, IncidentEvent]):
    """Kind of event of an incident."""

    EVENT = IncidentEvent


@dataclass(frozen=True, kw_only=True)
class IncidentAction(IncidentKind, EntityAction[IncidentFields, IncidentEvent, IncidentState]):
    """Action of a person on an incident."""
