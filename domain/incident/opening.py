"""Opening of an incident: its scope, and the rule by which the system suspects one."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.calendar.work_calendar import USUAL_ZONE, is_usual_zone
from domain.shared.actors import SYSTEM, Actor
from domain.shared.codes import Code
from domain.shared.event import EventData

EVERYBODY = 100
"""Percent of the callers whose cases are followed up, unless the catalogue says otherwise."""


class Scope(BaseModel):
    """Calls that an incident explains: those about any of these services, from any of these districts."""

    model_config = ConfigDict(frozen=True)

    services: tuple[Code, ...] = Field(min_length=1)
    districts: tuple[Code, ...] = Field(min_length=1)

    def covers(self, service: str, district: str | None) -> bool:
        """Return True if a case of this service and district belongs to it."""
        return service in self.services and district in self.districts

    def with_(self, services: tuple[str, ...], districts: tuple[str, ...]) -> "Scope":
        """Return the scope with these as well."""
        both = dict.fromkeys((*self.services, *services)), dict.fromkeys((*self.districts, *districts))
        return Scope(services=tuple(both[0]), districts=tuple(both[1]))


class SurgeRule(BaseModel):
    """Number of cases, and the time, from which one cause is suspected behind calls from one district."""

    model_config = ConfigDict(frozen=True)

    services: tuple[str, ...]
    more_than: int
    window_seconds: int
    follow_up_percent: int = EVERYBODY
    timezone: str = Field(default=USUAL_ZONE, exclude_if=is_usual_zone)


class Opening(BaseModel):
    """Values that an incident starts from, by somebody's hand or by the number of calls."""

    model_config = ConfigDict(frozen=True)

    number: str = ""
    at: datetime
    actor: Actor = SYSTEM
    title: str
    scope: Scope
    since: datetime = Field(description="Cases of the scope that were registered from then on belong to it.")
    follow_up_percent: int = Field(
        default=EVERYBODY, ge=0, le=100, description="How many of its cases are followed up."
    )
    calls: int = Field(default=0, description="How many raised the suspicion.")
    timezone: str = Field(default=USUAL_ZONE, exclude_if=is_usual_zone, description="That callers are told times in.")


class Opened(EventData):
    """First facts of an incident."""

    title: str
    scope: Scope
    since: datetime
    calls: int
