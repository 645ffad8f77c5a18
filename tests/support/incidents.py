"""Building blocks of incidents for tests: an opening, people's actions, and the road to every state."""

from datetime import datetime
from typing import Any

from domain.incident.actions import (
    INCIDENT_ACTION_OF,
    Confirm,
    Dismiss,
    DispatchIncident,
    Inform,
    Merge,
    Resolve,
    SignForIncident,
)
from domain.incident.incident import Incident
from domain.incident.state import IncidentEvent, IncidentState, Opening, Scope
from domain.kit.event import ActionBody, Command
from domain.shared.actors import SYSTEM, Actor
from tests.support.build import ADMIN, DISPATCHER, INCIDENT, MONDAY, OTHER_INCIDENT, THEN

WEST = Scope(services=("no_water",), districts=("west",))
BODIES: dict[str, ActionBody] = {
    INCIDENT_ACTION_OF[type(body)].name: body
    for body in (
        Confirm(),
        Dismiss(reason="Every one has a cause of its own."),
        Merge(into=OTHER_INCIDENT),
        DispatchIncident(department="repair"),
        SignForIncident(),
        Inform(message="正在抢修", message_en="We are at work."),
        Resolve(result="The main was replaced.", message="Water is back."),
    )
}
"""A body for every action that would do if the moment is right."""
ROAD: dict[IncidentState, tuple[str, ...]] = {
    IncidentState.SUSPECTED: (),
    IncidentState.CONFIRMED: ("confirm",),
    IncidentState.DISPATCHED: ("confirm", "dispatch"),
    IncidentState.IN_PROGRESS: ("confirm", "dispatch", "sign_for"),
    IncidentState.SETTLING: ("confirm", "resolve"),
    IncidentState.MERGING: ("merge",),
    IncidentState.DISMISSING: ("dismiss",),
}
"""The shortest way from the suspicion to every state but the ends, which `finish` makes of the last three."""


def opening(actor: Actor = SYSTEM, at: datetime = MONDAY, number: str = INCIDENT, **changes: Any) -> Opening:
    """Taps run dry in the West District; suspected by the system unless somebody else opens it."""
    usual = {"number": number, "at": at, "actor": actor, "title": "停水 no water", "scope": WEST, "since": MONDAY}
    return Opening.model_validate(usual | changes)


def incident_in(state: IncidentState, **changes: Any) -> Incident:
    """An incident that came to this state."""
    incident, _ = Incident.open(opening(**changes))
    for action in ROAD[state]:
        do(incident, BODIES[action], ADMIN)
    return incident


def do(
    incident: Incident, body: ActionBody, actor: Actor = DISPATCHER, at: datetime = THEN, key: str = ""
) -> IncidentEvent:
    """Apply a body."""
    (event,) = incident.apply(Command(actor=actor, body=body, key=key), at)
    return event
