"""States, scope, fields and events of an incident (突发事件), and how one opens.

Its scope are the cases that it explains, by service and place. Its linked cases are no part of it: its workflow keeps
them, and each case names it.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from itertools import product
from math import cos, radians
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from domain.calendar.work_calendar import USUAL_ZONE
from domain.kit.event import BaseAction, BaseEvent, BaseKind, EventData
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.codes import Code
from domain.shared.phones import without_mobiles
from domain.shared.value import Immutable, Instant, Name, NamedCode, exhaustive, omit_default

METRES_OF_A_DEGREE = 111_320.0
"""Length of a degree of latitude."""
LARGEST_RADIUS_M = 50_000
MOST_STREETS = 20
PLACE_UNKNOWN = "place_unknown"
"""Reason why a case is only proposed: it has no coordinates for a circle, or no address for streets."""
NOT_LINKED = "not_taken"
"""Reason why a case is proposed that the incident takes by itself: its searches missed it, or it has left since."""
_ALL_THREE = ("lat", "lng", "radius_m")
CIRCLE_OR_STREETS: dict[str, Any] = {
    "dependentRequired": {name: [each for each in _ALL_THREE if each != name] for name in _ALL_THREE},
    "anyOf": [
        {"properties": {name: {"type": "number"} for name in _ALL_THREE} | {"streets": {"maxItems": 0}}},
        {"properties": {name: {"type": "null"} for name in _ALL_THREE}},
    ],
}
"""Schema of the rule that `Around` checks."""


class CasePlace(NamedTuple):
    """Place of a case as far as it is known: district, address in words, coordinates in WGS 84 degrees."""

    district: str | None = None
    address: str | None = None
    lat: float | None = None
    lng: float | None = None


def street_words(address: str | None) -> str:
    """In lower case, without mobile numbers: whoever sees these masked would find them by trying digits."""
    return without_mobiles(address or "").lower()


class Circle(Immutable):
    """Circle around a point in WGS 84 degrees; the radius is in metres."""

    lat: float = Field(ge=-90, le=90)
    lng: float = Field(ge=-180, le=180)
    radius_m: float = Field(ge=1, le=LARGEST_RADIUS_M)

    def distance_squared(self, lat: Any, lng: Any) -> Any:  # noqa: ANN401 - numbers, or columns of them
        """From the centre, in square metres, with degrees of longitude as long as there: exact enough for a city."""
        north = (lat - self.lat) * METRES_OF_A_DEGREE
        east = (lng - self.lng) * (METRES_OF_A_DEGREE * cos(radians(self.lat)))
        return north * north + east * east

    def contains(self, place: CasePlace) -> bool:
        """Return False for a place without coordinates."""
        if place.lat is None or place.lng is None:
            return False
        return bool(self.distance_squared(place.lat, place.lng) <= self.radius_m**2)


class Around(BaseModel):
    """Circle or streets to which a request narrows a scope."""

    model_config = ConfigDict(json_schema_extra=CIRCLE_OR_STREETS)

    lat: float | None = Field(None, ge=-90, le=90, strict=True, description="Centre of a circle, in WGS 84 degrees.")
    lng: float | None = Field(None, ge=-180, le=180, strict=True, description="Centre of a circle, in WGS 84 degrees.")
    radius_m: float | None = Field(
        None, ge=1, le=LARGEST_RADIUS_M, strict=True, description="Radius of the circle in metres."
    )
    streets: tuple[Name, ...] = Field(
        (), max_length=MOST_STREETS, description="Words, one of which the address contains."
    )

    @model_validator(mode="after")
    def _is_a_circle_or_streets(self) -> Self:
        given = [getattr(self, name) is not None for name in _ALL_THREE]
        if any(given) and not all(given):
            raise PydanticCustomError("half_circle", "A circle needs lat, lng and radius_m, all three or none")
        if all(given) and self.streets:
            raise PydanticCustomError("circle_and_streets", "A circle or streets, not both")
        return self

    @property
    def circle(self) -> Circle | None:
        if self.lat is None or self.lng is None or self.radius_m is None:
            return None
        return Circle(lat=self.lat, lng=self.lng, radius_m=self.radius_m)


class Scope(Immutable):
    """Cases that an incident explains: of its services, in its districts, inside the circle or on one of the streets.

    Without districts any will do, and without circle and streets the whole district. A case without a district is
    judged by circle or streets alone. `further` are the scopes of incidents that were merged into it, if lists of
    services and districts cannot hold both.
    """

    services: tuple[Code, ...] = Field(min_length=1)
    districts: tuple[Code, ...] = ()
    circle: Circle | None = omit_default(None)
    streets: tuple[str, ...] = omit_default((), "Words, one of which the address contains.")
    further: tuple["Scope", ...] = omit_default(())

    @property
    def each(self) -> tuple["Scope", ...]:
        return (self.model_copy(update={"further": ()}), *self.further)

    @property
    def is_narrow(self) -> bool:
        return self.circle is not None or bool(self.streets)

    def covers(self, service: str, place: CasePlace) -> bool:
        return any(_covers(one, service, place) for one in self.each)

    def names(self, service: str, district: str) -> bool:
        """Return True if it names both, for all of the district or for some of it."""
        return any(service in one.services and district in one.districts for one in self.each)

    def names_all_of(self, service: str, district: str) -> bool:
        return any(one.names(service, district) and not one.is_narrow for one in self.each)

    def services_in(self, district: str) -> tuple[str, ...]:
        """Empty if it does not reach the district."""
        there = (one for one in self.each if not one.districts or district in one.districts)
        return tuple(dict.fromkeys(service for one in there for service in one.services))

    def widened(self, services: Iterable[str], districts: Iterable[str]) -> "Scope":
        """Add services and districts; without districts, it has any already."""
        more = dict.fromkeys((*self.services, *services))
        where = dict.fromkeys((*self.districts, *districts)) if self.districts else ()
        return self.model_copy(update={"services": tuple(more), "districts": tuple(where)})

    def narrowed(self, around: Around) -> "Scope":
        """Narrow it to the circle or streets; leave it as it is if none are given.

        Of the further scopes, a narrow one keeps its place: it was merged with it.
        """
        if around.circle is None and not around.streets:
            return self
        further = tuple(one if one.is_narrow else one.narrowed(around) for one in self.further)
        return self.model_copy(update={"circle": around.circle, "streets": around.streets, "further": further})

    def joined(self, other: "Scope") -> "Scope":
        """Cover what either covers, and nothing else."""
        both = (self, other)
        wide = self.widened(other.services, other.districts)
        pairs = product(wide.services, wide.districts)
        are_lists = not any(each.is_narrow or each.further or not each.districts for each in both)
        if are_lists and all(any(each.names(*pair) for each in both) for pair in pairs):
            return wide
        further = (each for each in other.each if each not in self.each)
        return self.model_copy(update={"further": (*self.further, *further)})


def _covers(scope: Scope, service: str, place: CasePlace) -> bool:
    is_near = not scope.districts or place.district in scope.districts or (place.district is None and scope.is_narrow)
    if service not in scope.services or not is_near:
        return False
    if scope.circle:
        return scope.circle.contains(place)
    words = street_words(place.address)
    return not scope.streets or any(street.lower() in words for street in scope.streets)


ALL_CALLERS = 100
"""Percent of the callers whose cases are followed up, unless the catalogue says otherwise."""


def sampled(incident: str, number: str, percent: int) -> bool:
    """Return True if the case is among so many percent of the incident's; always the same for one case."""
    draw = int.from_bytes(hashlib.sha256(f"{incident}\0{number}".encode()).digest()[:8])
    return draw % ALL_CALLERS < percent


class SurgeRule(Immutable):
    """Number of cases, and the time, from which one cause is suspected behind calls from one district."""

    services: tuple[str, ...]
    more_than: int
    window_seconds: int
    follow_up_percent: int = ALL_CALLERS
    timezone: str = omit_default(USUAL_ZONE)


class Opened(EventData):
    """First facts of an incident."""

    title: str
    scope: Scope
    since: Instant = Field(description="Cases of the scope that were registered from then on belong to it.")
    calls: int = Field(0, description="How many raised the suspicion.")


class Opening(Opened):
    """Values that an incident starts from, by somebody's hand or by the number of calls."""

    number: str = ""
    at: Instant
    actor: Actor = SYSTEM
    follow_up_percent: int = Field(ALL_CALLERS, ge=0, le=100, description="How many of its cases are followed up.")
    timezone: str = omit_default(USUAL_ZONE, "That callers are told times in.")


class IncidentState(NamedCode):
    """State of an incident."""

    SUSPECTED = "suspected", "疑似"
    CONFIRMED = "confirmed", "已确认"
    DISPATCHED = "dispatched", "待签收"
    IN_PROGRESS = "in_progress", "处理中"
    SETTLING = "settling", "批量办结中"
    RESOLVED = "resolved", "已解决"
    MERGING = "merging", "并入中"
    MERGED = "merged", "已并入"
    DISMISSING = "dismissing", "排除中"
    DISMISSED = "dismissed", "已排除"


S = IncidentState
ENDS = {S.SETTLING: S.RESOLVED, S.MERGING: S.MERGED, S.DISMISSING: S.DISMISSED}
"""States in which an incident acts on its cases, one after the other, each with the state that follows."""
LINKS_NEW_CASES = frozenset({S.CONFIRMED, S.DISPATCHED, S.IN_PROGRESS})
"""New cases of its scope are linked to it as they are registered."""
LINKABLE = LINKS_NEW_CASES | {S.SUSPECTED}
"""A case can be linked to it by hand."""
exhaustive("LINKABLE or ENDS", IncidentState, LINKABLE | {*ENDS, *ENDS.values()})
CONTROL_ROOM = frozenset({Role.DISPATCHER, Role.SUPERVISOR})


class IncidentFields(BaseModel):
    """Fields of one incident. Instants are UTC and given by the caller."""

    number: str = Field(description="`i` and eleven digits, the last one a check digit.")
    title: str = Field(description="Title: service and district, until a dispatcher gives another.")
    state: IncidentState
    scope: Scope
    since: datetime = Field(description="Cases registered from then on belong to it.")
    opened_at: datetime = Field(description="Time of the suspicion or declaration.")
    opened_by: str = Field(description="`system` if the number of calls raised the suspicion.")
    follow_up_percent: int = Field(ALL_CALLERS, description="Percentage of the callers who are followed up (回访).")
    version: int = Field(1, description="Number of its last event.")
    department: str | None = Field(None, description="Department that all of its cases were dispatched to.")
    assignee: str | None = Field(None, description="Person of that department who has it.")
    people: dict[str, str] = omit_default({}, "Names of the people of the incident, by id, where they differ.")
    expected_at: datetime | None = Field(None, description="Time at which water is expected back.")
    news: str | None = Field(None, description="Latest message to the callers.")
    news_en: str | None = omit_default(None, "The same in English, where that differs.")
    result: str | None = Field(None, description="Result: the work that was done.")
    reply: str | None = Field(None, description="Message to the callers at its end.")
    absorbed: tuple[str, ...] = omit_default((), "The incidents that were merged into it.")
    into: str | None = Field(None, description="The incident that it was merged into.")
    state_before_merge: IncidentState | None = Field(None, description="Where it stood when it was to be merged.")
    closed_at: datetime | None = Field(None, description="Time at which the last of its cases was settled.")
    timezone: str = omit_default(USUAL_ZONE)

    @property
    def over(self) -> bool:
        return self.state in ENDS.values()

    @property
    def end(self) -> IncidentState | None:
        """State in which it ends or has ended: resolved, merged or dismissed; None while it is open."""
        return self.state if self.over else ENDS.get(self.state)


class IncidentEvent(BaseEvent[IncidentState]):
    """One fact about one incident, in the order of `seq`."""


class IncidentKind(BaseKind[IncidentFields, IncidentEvent]):
    """Kind of event of an incident."""

    EVENT = IncidentEvent


class IncidentAction(IncidentKind, BaseAction[IncidentFields, IncidentEvent, IncidentState]):
    """Action of a person on an incident."""
