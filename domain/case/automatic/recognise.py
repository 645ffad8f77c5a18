"""recognise 补充识别: what is known of the caller came too late for the intake."""

from datetime import datetime

from domain.case.events import Event
from domain.case.kind import EventKind
from domain.case.state import CaseState
from domain.customers.customer import IntakeFlag, Recognised
from domain.shared.event import EventData


class CallerRecognised(EventData):
    """Flags of the caller, and cases that may be the same matter."""

    flags: tuple[IntakeFlag, ...]
    possible_duplicates: tuple[str, ...]


def is_news(case: CaseState, known: Recognised, at: datetime) -> bool:
    """Return True if the case does not know it, and people can still act on the case."""
    return not set(known.flags) <= set(case.flags) and case.is_active(at)


def evolve(case: CaseState, data: CallerRecognised, _: Event) -> None:
    """Flag the case."""
    case.add_flags(*data.flags)


def text(number: str, _: CallerRecognised, __: Event) -> tuple[str, str]:
    """Say that there is more to know."""
    return f"工单{number}:来电人情况已补充", f"Case {number}: more is known of its caller"


KIND = EventKind(
    name="recognise",
    zh="补充识别",
    data=CallerRecognised,
    evolve=evolve,
    notifies=("assignee", "owner"),
    text=text,
)
