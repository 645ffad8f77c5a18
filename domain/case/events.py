"""Events of a complaint."""

from datetime import datetime

from pydantic import Field

from domain.case.lifecycle import State
from domain.kit.event import BaseEvent, EventData
from domain.shared.value import omit_default


class OfDepartment(EventData):
    """Facts about the work of one department, by its code; None: of the one that has the case."""

    department: str | None = omit_default(None)


class OfIncident(EventData):
    """Facts of an event that an incident may bring: its number, and the result for the case, if this ends it."""

    incident: str | None = None
    settled: str | None = None


class MayClose(EventData):
    """Facts of an event that may end the case: when it can be reopened or reinstated no more; None if it does not."""

    reopen_ends_at: datetime | None = omit_default(None)


class Names(EventData):
    """Names of a department, of a service, or of the hotline."""

    name: str
    name_zh: str


class Event(BaseEvent[State]):
    """One fact about one case, in the order of `seq`."""

    cycle: int = Field(ge=1, description="1 for the first handling, one more for each rework (重办).")
    recipients: tuple[str, ...] = omit_default(
        (), "Addresses that are told of it, as they were when it happened; in SQL, the rows of notifications."
    )


def text_of(number: str, event: Event, done_zh: str, done_en: str) -> tuple[str, str]:
    """Return what a notification says of an event, in Chinese and in English."""
    return (
        f"工单{number}:{done_zh},现为{event.to_state.zh}",
        f"Case {number}: {done_en} by {event.role}, now {event.to_state}",
    )
