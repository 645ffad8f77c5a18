"""What an incident publishes, and what it has done to its cases: the messages between its workflow and activities."""

import hashlib

from pydantic import BaseModel, ConfigDict, Field

from domain.incident.incident import EVERYBODY, Incident
from domain.incident.lifecycle import IncidentEvent, Scope
from domain.shared.text import Instant


class IncidentBatch(BaseModel):
    """One publication of one incident. Written again, it writes the same rows."""

    model_config = ConfigDict(frozen=True)

    incident: Incident
    events: tuple[IncidentEvent, ...] = Field(min_length=1)
    counts: dict[str, int] = {}


class Gathering(BaseModel):
    """Which cases are to be linked, because they are of its scope: those with a number after `after`."""

    model_config = ConfigDict(frozen=True)

    incident: str
    scope: Scope
    since: Instant
    after: str = ""


class Gathered(BaseModel):
    """How many were linked, and where to go on; None after the last."""

    model_config = ConfigDict(frozen=True)

    linked: int
    after: str | None


class Settling(BaseModel):
    """The cases to settle, and with which words."""

    model_config = ConfigDict(frozen=True)

    incident: str
    result: str
    message: str
    follow_up_percent: int
    numbers: tuple[str, ...]


class SeenTo(BaseModel):
    """What came of a portion: how many cases answered what, and which did not answer."""

    model_config = ConfigDict(frozen=True)

    counts: dict[str, int] = {}
    silent: tuple[str, ...] = ()


class HandingOn(BaseModel):
    """The cases that go over to another incident, or to none."""

    model_config = ConfigDict(frozen=True)

    incident: str
    to: str | None
    numbers: tuple[str, ...]


def sampled(incident: str, number: str, percent: int) -> bool:
    """Whether this case is among so many percent of the incident's: the same answer whenever it is asked."""
    draw = int.from_bytes(hashlib.sha256(f"{incident}\0{number}".encode()).digest()[:8])
    return draw % EVERYBODY < percent
