"""Opening of an incident: its scope, and the rule by which the system suspects one."""

from pydantic import Field

from domain.calendar.work_calendar import USUAL_ZONE
from domain.shared.actors import SYSTEM, Actor
from domain.shared.codes import Code
from domain.shared.event import EventData
from domain.shared.text import Instant
from domain.shared.value import Immutable, omit_default

EVERYBODY = 100
"""Percent of the callers whose cases are followed up, unless the catalogue says otherwise."""


class Scope(Immutable):
    """Calls that an incident explains: those about any of these services, from any of these districts."""

    services: tuple[Code, ...] = Field(min_length=1)
    districts: tuple[Code, ...] = Field(min_length=1)

    def covers(self, service: str, district: str | None) -> bool:
        """Return True if a case of this service and district belongs to it."""
        return service in self.services and district in self.districts

    def with_(self, services: tuple[str, ...], districts: tuple[str, ...]) -> "Scope":
        """Return the scope with these as well."""
        both = dict.fromkeys((*self.services, *services)), dict.fromkeys((*self.districts, *districts))
        return Scope(services=tuple(both[0]), districts=tuple(both[1]))


class SurgeRule(Immutable):
    """Number of cases, and the time, from which one cause is suspected behind calls from one district."""

    services: tuple[str, ...]
    more_than: int
    window_seconds: int
    follow_up_percent: int = EVERYBODY
    timezone: str = omit_default(USUAL_ZONE)


class Opened(EventData):
    """First facts of an incident."""

    title: str
    scope: Scope
    since: Instant = Field(description="Cases of the scope that were registered from then on belong to it.")
    calls: int = Field(default=0, description="How many raised the suspicion.")


class Opening(Opened):
    """Values that an incident starts from, by somebody's hand or by the number of calls."""

    number: str = ""
    at: Instant
    actor: Actor = SYSTEM
    follow_up_percent: int = Field(
        default=EVERYBODY, ge=0, le=100, description="How many of its cases are followed up."
    )
    timezone: str = omit_default(USUAL_ZONE, "That callers are told times in.")
