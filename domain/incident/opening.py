"""Opening of an incident, and the rule by which the system suspects one."""

from pydantic import Field

from domain.calendar.work_calendar import USUAL_ZONE
from domain.incident.scope import Scope
from domain.kit.event import EventData
from domain.shared.actors import SYSTEM, Actor
from domain.shared.text import Instant
from domain.shared.value import Immutable, omit_default

EVERYBODY = 100
"""Percent of the callers whose cases are followed up, unless the catalogue says otherwise."""


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
