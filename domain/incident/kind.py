"""Event of an incident, and the shape of its kinds, which are in `actions` and `automatic`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.incident.lifecycle import IncidentState
from domain.incident.state import IncidentFields
from domain.shared.actors import Actor
from domain.shared.event import BaseAction, BaseEvent, BaseKind, EventData


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
class IncidentAction(IncidentKind, BaseAction[IncidentFields, IncidentEvent, IncidentState]):
    """Action of a person on an incident. `decide` returns the data of the event, if the body does not say it all."""

    decide: Callable[[IncidentFields, Any, Actor], EventData] | None = None
