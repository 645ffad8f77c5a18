"""undelivered 未送达: a notification of the case did not get through."""

from domain.case.progress import FailedDelivery, recipient_of
from domain.case.state import CaseState, Event, EventData, EventKind

FLAG = "undelivered"


class Undelivered(EventData):
    """Key of the notification, the channel that did not take it, and the last error, without personal data."""

    key: str
    channel: str
    error: str

    def evolve(self, case: CaseState, event: Event) -> None:
        case.failed_deliveries += (FailedDelivery.taken_from(self, failed_at=event.at),)


def is_unknown_failure(case: CaseState, data: Undelivered) -> bool:
    """Return True if the case does not know yet that this channel fails for this recipient.

    Further notifications of the same way are not noted: an outage of a channel would fill the timelines.
    """
    recipient = recipient_of(data.key)
    return all((each.channel, each.recipient) != (data.channel, recipient) for each in case.failed_deliveries)


KIND = EventKind(
    name="undelivered",
    zh="未送达",
    description="A notification of the case was not delivered for minutes, or became a dead letter.",
    data=Undelivered,
    flags=(FLAG,),
)
