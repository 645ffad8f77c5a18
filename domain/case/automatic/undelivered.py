"""undelivered 未送达: a notification of the case did not get through."""

from domain.case.kind import EventKind
from domain.shared.event import EventData

FLAG = "undelivered"


class Undelivered(EventData):
    """Key of the notification."""

    key: str


KIND = EventKind(
    name="undelivered",
    zh="未送达",
    description="A notification of the case was not delivered for minutes, or became a dead letter.",
    data=Undelivered,
    flags=(FLAG,),
)
