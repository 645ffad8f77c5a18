"""finish 全部办结: nothing is left to do for any linked case."""

from domain.incident.kind import IncidentKind
from domain.shared.event import EventData


class Finished(EventData):
    """Cases by their answer: settled, kept open, over before; or linked to another incident, refused, gone."""

    settled: int = 0
    kept: int = 0
    over: int = 0
    linked: int = 0
    refused: int = 0
    gone: int = 0


KIND = IncidentKind(
    name="finish",
    zh="全部办结",
    description="The last case was processed.",
    data=Finished,
    notifies=("dispatcher", "supervisor"),
)
