"""confirm 确认: it is one cause. It may be wider than the suspicion."""

from pydantic import Field

from domain.incident.kind import IncidentAction, IncidentEvent
from domain.incident.lifecycle import CONTROL_ROOM, IncidentState
from domain.incident.opening import Scope
from domain.incident.state import IncidentFields
from domain.shared.actors import Actor
from domain.shared.codes import DistrictCode, ServiceCode
from domain.shared.event import ActionBody
from domain.shared.text import Instant, Name


class Confirm(ActionBody):
    """确认; with a title, and with further services and districts where it is wider than the suspicion."""

    title: Name | None = None
    services: tuple[ServiceCode, ...] = ()
    districts: tuple[DistrictCode, ...] = ()
    expected_at: Instant | None = Field(default=None, description="When water is expected back.")


class Confirmed(Confirm):
    """Title and scope from now on, and what was added."""

    title: str
    scope: Scope


def decide(incident: IncidentFields, body: Confirm, _: Actor) -> Confirmed:
    """Widen the scope by what is given; never narrow it."""
    services, districts = body.services, body.districts
    title, scope = body.title or incident.title, incident.scope.with_(services, districts)
    return Confirmed.of(body, title=title, services=services, districts=districts, scope=scope)


def evolve(incident: IncidentFields, data: Confirmed, _: IncidentEvent) -> None:
    """Keep the expected time if it is known."""
    if data.expected_at:
        incident.expected_at = data.expected_at


ACTION = IncidentAction(
    name="confirm",
    zh="确认",
    description="It is one cause. The cases of its scope are linked to it.",
    roles=CONTROL_ROOM,
    sources={IncidentState.SUSPECTED},
    targets=(IncidentState.CONFIRMED,),
    body=Confirm,
    example=Confirm(title="Salt tide 咸潮", districts=("west", "south")),
    data=Confirmed,
    decide=decide,
    sets=("title", "scope"),
    evolve=evolve,
    notifies=("supervisor",),
)
