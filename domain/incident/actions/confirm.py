"""confirm 确认: it is one cause. It may be wider than the suspicion, or narrowed to a circle or to streets."""

from pydantic import Field

from domain.incident.state import CONTROL_ROOM, Around, IncidentAction, IncidentFields, IncidentState, Scope
from domain.kit.event import ActionBody, Decision
from domain.shared.codes import DistrictCode, ServiceCode
from domain.shared.numbers import CaseNumber
from domain.shared.value import Instant, Name

MOST_CASES = 100


class Confirm(Around, ActionBody):
    """确认; with a title, further services and districts, a circle or streets, and cases that it takes by name."""

    title: Name | None = None
    services: tuple[ServiceCode, ...] = ()
    districts: tuple[DistrictCode, ...] = ()
    cases: tuple[CaseNumber, ...] = Field(
        (), max_length=MOST_CASES, description="Cases that it takes by name, whatever their matters."
    )
    expected_at: Instant | None = Field(None, description="When water is expected back.")

    def decide(self, incident: IncidentFields, *_: object) -> Decision:
        services, districts = self.services, self.districts
        scope = incident.scope.widened(services, districts).narrowed(self)
        title = self.title or incident.title
        confirmed = Confirmed.of(self, title=title, services=services, districts=districts, scope=scope)
        return Decision(confirmed, IncidentState.CONFIRMED)


class Confirmed(Confirm):
    """Title and scope from now on, and what was added or named."""

    title: str
    scope: Scope

    def evolve(self, incident: IncidentFields, *_: object) -> None:
        if self.expected_at:
            incident.expected_at = self.expected_at


ACTION = IncidentAction(
    name="confirm",
    zh="确认",
    description="It is one cause, and takes the cases of its scope that have no work of their own.",
    roles=CONTROL_ROOM,
    sources={IncidentState.SUSPECTED},
    targets=(IncidentState.CONFIRMED,),
    example=Confirm(title="Salt tide 咸潮", districts=("west", "south")),
    data=Confirmed,
    sets=("title", "scope"),
    notifies=("supervisor",),
)
