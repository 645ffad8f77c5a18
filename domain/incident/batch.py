"""Messages between the workflow of an incident and its activities: batches, and work on its cases."""

import hashlib

from pydantic import Field

from domain.incident.incident import Incident
from domain.incident.scope import Scope
from domain.incident.state import EVERYBODY, IncidentEvent
from domain.shared.actors import Actor
from domain.shared.text import Instant
from domain.shared.value import Immutable


class IncidentBatch(Immutable):
    """One publication of one incident. Written again, it writes the same rows."""

    incident: Incident
    events: tuple[IncidentEvent, ...] = Field(min_length=1)
    counts: dict[str, int] = Field(default={})


class Gathering(Immutable):
    """Search for the cases of the scope with a number after `after`, to link them."""

    incident: str
    scope: Scope
    since: Instant
    after: str = ""


class Gathered(Immutable):
    """Number of cases linked, and the number to continue after; None after the last."""

    linked: int
    after: str | None


class Asking(Immutable):
    """Cases that are asked if they are linked to the incident."""

    incident: str
    numbers: tuple[str, ...]


class NamedCases(Asking):
    """Cases that somebody has named, to link them in that person's name."""

    actor: Actor


class Settling(Asking):
    """Cases to settle, with the result and the reply."""

    result: str
    message: str
    follow_up_percent: int


class BatchResult(Immutable):
    """Number of cases by their answer, and the cases that did not answer."""

    counts: dict[str, int] = Field(default={})
    silent: tuple[str, ...] = ()


class Relinking(Asking):
    """Cases to link to another incident, or to none."""

    to: str | None


class Absorbed(Immutable):
    """Incident that is merged into another, `into`, and its scope."""

    incident: str
    into: str
    scope: Scope


def sampled(incident: str, number: str, percent: int) -> bool:
    """Return True if this case is among so many percent of the incident's; always the same for one case."""
    draw = int.from_bytes(hashlib.sha256(f"{incident}\0{number}".encode()).digest()[:8])
    return draw % EVERYBODY < percent
