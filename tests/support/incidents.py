"""What tests build incidents from: an opening, people's actions, and the road to every state."""

from datetime import datetime
from typing import Any

from domain.incident.incident import Incident, Opening
from domain.incident.lifecycle import (
    Confirm,
    Dismiss,
    DispatchIncident,
    IncidentAction,
    IncidentBody,
    IncidentEvent,
    IncidentState,
    Inform,
    Merge,
    Resolve,
    Scope,
    SignForIncident,
)
from domain.shared.actors import SYSTEM, Actor
from domain.shared.command import Command
from tests.support.build import ADMIN, DISPATCHER, INCIDENT, MONDAY, OTHER_INCIDENT, THEN

WEST = Scope(services=("no_water",), districts=("west",))
BODIES: dict[IncidentAction, IncidentBody] = {
    body.action: body
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
_A = IncidentAction
ROAD: dict[IncidentState, tuple[IncidentAction, ...]] = {
    IncidentState.SUSPECTED: (),
    IncidentState.CONFIRMED: (_A.CONFIRM,),
    IncidentState.DISPATCHED: (_A.CONFIRM, _A.DISPATCH),
    IncidentState.IN_PROGRESS: (_A.CONFIRM, _A.DISPATCH, _A.SIGN_FOR),
    IncidentState.SETTLING: (_A.CONFIRM, _A.RESOLVE),
    IncidentState.MERGING: (_A.MERGE,),
    IncidentState.DISMISSING: (_A.DISMISS,),
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
    incident: Incident, body: IncidentBody, actor: Actor = DISPATCHER, at: datetime = THEN, key: str = ""
) -> IncidentEvent:
    """Apply a body."""
    (event,) = incident.apply(Command(actor=actor, body=body, key=key), at)
    return event
