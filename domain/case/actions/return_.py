"""return 退单: the department gives the case back, with the reason."""

from datetime import datetime

from domain.case.lifecycle import AT_WORK, NO_SUCH_PART, PART_AT_WORK, Part, PartBody, PartData, PartState, State
from domain.case.state import Action, CaseState, Event, GuardResult, NotPossible, PartAction, Reasoned, while_incomplete
from domain.shared.actors import Actor, Role
from domain.shared.errors import ProblemType

RETURN_TOO_LATE = ProblemType("conflict", "return_too_late", "Return after its time limit", "已过退单时限")


class Return(PartBody, Reasoned):
    """退单, with the reason."""


class Returned(PartData, Return):
    """Return of the case, or of a part."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.signed_before = case.signed_before or event.from_state is State.IN_PROGRESS
        case.assignee = None
        case.extension = None

    def evolve_part(self, case: CaseState, part: Part, event: Event) -> None:
        case.put_part(part, state=PartState.RETURNED, assignee=None)
        case.cancel_clocks(event.at, part=part.serial)


def guard(case: CaseState, _: Actor, at: datetime) -> GuardResult:
    return while_incomplete(case) or within_return_limit(case.dispatched_at, case, at)


def guard_part(case: CaseState, part: Part, at: datetime) -> NotPossible | None:
    return within_return_limit(part.involved_at, case, at)


def within_return_limit(since: datetime | None, case: CaseState, at: datetime) -> NotPossible | None:
    """Refuse a return after its time limit, which counts working days from `since`, without those of a withdrawal."""
    days = case.terms.process.return_within_days
    if since is None:
        return None
    away = sum(case.calendar.between(max(start, since), end) for start, end in case.away)
    limit = case.calendar.add(since, days * case.calendar.day_seconds + away)
    if at <= limit:
        return None
    return NotPossible(RETURN_TOO_LATE, f"a return within {days} working days was possible until {limit.isoformat()}")


ACTION = Action(
    name="return",
    zh="退单",
    description="The department gives the case back, with the reason.",
    roles={Role.CREW},
    sources=AT_WORK,
    targets=(State.PENDING_REDISPATCH,),
    example=Return(reason="The fault is in the meter: for metering."),
    problems=(RETURN_TOO_LATE, NO_SUCH_PART),
    data=Returned,
    guard=guard,
    notifies=("dispatcher", "owner"),
    part=PartAction(sources=PART_AT_WORK, target=PartState.RETURNED, guard=guard_part),
)
