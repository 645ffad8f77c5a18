"""Shape of an action on an incident, and of its other kinds of events: modules in `actions` and `automatic`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.incident.events import IncidentEvent
from domain.incident.lifecycle import IncidentState
from domain.incident.state import IncidentFields
from domain.shared.actors import Actor
from domain.shared.event import BaseAction, BaseKind, EventData


@dataclass(frozen=True, kw_only=True)
class IncidentKind(BaseKind[IncidentFields, IncidentEvent]):
    """Kind of event of an incident."""

    EVENT = IncidentEvent


@dataclass(frozen=True, kw_only=True)
class IncidentAction(IncidentKind, BaseAction[IncidentFields, IncidentEvent, IncidentState]):
    """Action of a person on an incident. `decide` returns the data of the event, if the body does not say it all."""

    decide: Callable[[IncidentFields, Any, Actor], EventData] | None = None
