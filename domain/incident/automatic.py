"""Events that nobody asks for: the number of calls, another incident or the end of the work on cases brings them."""

from domain.incident.scope import Scope
from domain.incident.state import IncidentEvent, IncidentFields, IncidentKind, Opened
from domain.kit.event import EventData


class Widened(EventData):
    """Other incident, and both scopes as one."""

    incident: str
    scope: Scope


class MergeFailed(EventData):
    """Incident that had ended."""

    into: str | None


class Finished(EventData):
    """Cases by their answer: settled, kept open, over before; or linked to another incident, refused, gone."""

    settled: int = 0
    kept: int = 0
    over: int = 0
    linked: int = 0
    refused: int = 0
    gone: int = 0


def keep_absorbed(incident: IncidentFields, data: Widened, _: IncidentEvent) -> None:
    incident.absorbed += (data.incident,)


def forget_merge(incident: IncidentFields, _: MergeFailed, __: IncidentEvent) -> None:
    incident.into = incident.state_before_merge = None


INCIDENT_CANCELLATION = IncidentKind.cancellation("incident")
SUSPECT = IncidentKind(
    name="suspect",
    zh="预警",
    description="A surge was found: more cases than chance brings.",
    data=Opened,
    notifies=("dispatcher", "supervisor"),
)
ABSORPTION = IncidentKind(
    name="absorb",
    zh="并入",
    description="Another incident was merged into this one.",
    data=Widened,
    sets=("scope",),
    evolve=keep_absorbed,
)
MERGE_FAILED = IncidentKind(
    name="merge_failed",
    zh="未能并入",
    description="The other incident had ended; this one continues.",
    data=MergeFailed,
    evolve=forget_merge,
    notifies=("dispatcher",),
)
INCIDENT_FINISH = IncidentKind(
    name="finish",
    zh="全部办结",
    description="The last case was processed.",
    data=Finished,
    notifies=("dispatcher", "supervisor"),
)
INCIDENT_AUTOMATIC: tuple[IncidentKind, ...] = (
    INCIDENT_CANCELLATION,
    SUSPECT,
    ABSORPTION,
    MERGE_FAILED,
    INCIDENT_FINISH,
)
