"""Shapes of requests and answers about incidents."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.responses import ALL_FIELDS, HIDDEN, EventItem, body_like, masked_for, timeline_of
from domain.case.actions.link_incident import KEPT, SETTLED, OwnMatter
from domain.case.lifecycle import State
from domain.incident.actions import INCIDENT_TABLE
from domain.incident.incident import INCIDENT_KINDS, Incident
from domain.incident.state import (
    CIRCLE_OR_STREETS,
    NOT_LINKED,
    PLACE_UNKNOWN,
    Around,
    Circle,
    IncidentFields,
    IncidentState,
    Scope,
)
from domain.shared.actors import Actor
from domain.shared.codes import DistrictCode, ServiceCode
from domain.shared.value import Immutable, Instant, Name, omit_default
from readmodel.incidents import IncidentCandidate, IncidentCounts


class NewIncident(Around):
    """Incident that is known before callers report it (上报).

    Its place is one or several districts, a circle, or streets; districts with either of these narrow it further.
    """

    model_config = body_like(
        {"title": "Salt tide 咸潮", "services": ["water_quality"], "districts": ["west", "south"]}, **CIRCLE_OR_STREETS
    )

    title: Name = Field(description="Title.")
    services: tuple[ServiceCode, ...] = Field(min_length=1, description="Calls about any of these belong to it.")
    districts: tuple[DistrictCode, ...] = Field((), description="Calls from any of these belong to it.")
    since: Instant | None = Field(
        None, description="Cases registered from then on belong to it; by default the catalogue's window."
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if not (self.districts or self.streets or self.circle):
            raise PydanticCustomError("no_place", "Districts, a circle (lat, lng, radius_m) or streets are needed")
        return self

    @property
    def scope(self) -> Scope:
        return Scope(services=self.services, districts=self.districts).narrowed(self)


class IncidentLinks(BaseModel):
    """Addresses of related resources."""

    self: str = Field(examples=["/v1/incidents/i26080347119"])
    timeline: str
    complaints: str = Field(description="Its cases.")
    candidates: str = Field(description="Cases that match its scope, and are linked by name only.")
    actions: str = Field(description="`{action}` stands for one of `available_actions`.")

    @classmethod
    def of(cls, number: str) -> Self:
        here, complaints = f"/v1/incidents/{number}", f"/v1/complaints?incident={number}"
        below = {name: f"{here}/{name}" for name in ("timeline", "candidates")}
        return cls(self=here, complaints=complaints, **below, actions=f"{here}/actions/{{action}}")


CandidateReason = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [*OwnMatter, PLACE_UNKNOWN, NOT_LINKED], "title": "CandidateReason"})
]
IncidentActionName = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [*INCIDENT_TABLE], "title": "IncidentAction"})
]


class IncidentItem(IncidentFields):
    """Incident (突发事件): one cause behind many calls."""

    model_config = ALL_FIELDS

    scope: HIDDEN = None
    state_before_merge: HIDDEN = None
    timezone: HIDDEN = None
    services: list[str] = Field(description="Codes of its scope: calls about any of these belong to it.")
    districts: list[str] = Field(description="Codes of its scope: calls from any of these belong to it; empty for any.")
    circle: Circle | None = Field(description="Circle of its scope, in WGS 84 degrees and metres; null without one.")
    streets: list[str] = Field(description="Words of its scope, one of which the address contains; empty without any.")
    further: list[Scope] = omit_default(
        [], "Scopes of incidents that were merged into it, if the lists cannot hold both."
    )
    cases: int = Field(description="Number of its cases, as SQL shows them; 0 in lists.")
    cases_by_state: dict[State, int] = Field(description="The same by state; empty in lists.")
    settled_cases: int = Field(description="Cases that were completed and replied to with it, once it is over.")
    kept_cases: int = Field(description="Cases that went on with their department at its end.")
    available_actions: list[IncidentActionName] = Field(description="Actions that your role permits now.")
    links: IncidentLinks

    @classmethod
    def of(cls, item: Incident, reader: Actor, counts: IncidentCounts) -> Self:
        found = cls(
            **dict(item),
            **dict(item.scope),
            cases=sum(counts.states.values()),
            cases_by_state=dict(counts.states),
            settled_cases=counts.outcomes.get(SETTLED, 0),
            kept_cases=counts.outcomes.get(KEPT, 0),
            available_actions=[*item.available_actions(reader)],
            links=IncidentLinks.of(item.number),
        )
        return masked_for(reader, found)


class CandidatePlace(BaseModel):
    """Place of a candidate."""

    district: str | None
    address: str | None = Field(description="Masked for dispatchers, as in every answer.")


class CandidateLinks(BaseModel):
    """Addresses of related resources."""

    self: str = Field(description="The case.")
    link: str = Field(description="The action that links it.")


class Candidate(Immutable):
    """Case that matches the scope of an incident, and is linked by name only (待并工单)."""

    number: str
    state: State
    service_code: str
    department: str | None
    registered_at: datetime
    location: CandidatePlace
    description: str = Field(description="Words of the caller, as the agent took them down.")
    reasons: list[CandidateReason] = Field(description="Why the incident has not taken it by itself.")
    links: CandidateLinks

    @classmethod
    def of(cls, item: IncidentCandidate, reader: Actor) -> Self:
        case, place = item.case, item.case.intake.location
        here = f"/v1/complaints/{case.number}"
        found = cls.taken_from(
            case,
            case.intake,
            location=CandidatePlace(district=place.district, address=place.address),
            reasons=item.reasons,
            links=CandidateLinks(self=here, link=f"{here}/actions/link_incident"),
        )
        return masked_for(reader, found, case.state)


IncidentTimeline = timeline_of("IncidentTimeline", EventItem[IncidentState], INCIDENT_KINDS)
"""Events of an incident."""
