"""Events that nobody asks for: the number of calls, another incident or the end of the work on cases brings them."""

from domain.incident.automatic import absorb, cancellation, finish, merge_failed, suspect
from domain.incident.kind import IncidentKind

INCIDENT_AUTOMATIC: tuple[IncidentKind, ...] = (
    cancellation.KIND,
    suspect.KIND,
    absorb.KIND,
    merge_failed.KIND,
    finish.KIND,
)
