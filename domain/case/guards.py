"""Guards: conditions beyond the state that an action needs."""

from datetime import datetime

from domain.case.kind import Action, NotPossible
from domain.case.lifecycle import State
from domain.case.parts import UNFINISHED, Part
from domain.case.state import CaseState
from domain.shared.actors import Actor
from domain.shared.errors import OUT_OF_TURN, ProblemType

RETURN_TOO_LATE = ProblemType("conflict", "return_too_late", "Return after its time limit", "已过退单时限")


def not_possible(action: Action, case: CaseState, actor: Actor, at: datetime) -> NotPossible | None:
    if case.state not in action.sources:
        return action.out_of_turn(f"it is {case.state}")
    return action.guard(action, case, actor, at)


def part_not_possible(action: Action, part: Part, case: CaseState, at: datetime) -> NotPossible | None:
    rules = action.part
    if rules is None or case.state not in rules.states:
        return action.out_of_turn(f"it is {case.state}")
    if part.state not in rules.sources:
        return action.out_of_turn(f"the part of {part.department} is {part.state}")
    if completes_the_work(action, part, case) and case.state is not State.IN_PROGRESS:
        why = f"it is {case.state}; the last part ends when the case is in_progress again"
        return NotPossible(OUT_OF_TURN, why)
    return rules.guard(case, part, at)


def completes_the_work(action: Action, part: Part, case: CaseState) -> bool:
    """Return True if the reply is due after the action: the case is completed, and no other part is unfinished."""
    ends = action.part is not None and action.part.target not in {None, *UNFINISHED}
    return case.completed and ends and all(other.serial == part.serial for other in case.unfinished)


def while_incomplete(action: Action, case: CaseState, _: Actor, __: datetime) -> NotPossible | None:
    """Refuse once the department has completed the case and only the parts of others are unfinished."""
    if not case.completed:
        return None
    others = ", ".join(part.department for part in case.unfinished)
    return action.out_of_turn(f"{case.department} has completed it, it waits for {others}")


def while_active(action: Action, case: CaseState, _: Actor, at: datetime) -> NotPossible | None:
    """Refuse once the case has ended and can neither be reopened nor reinstated any more."""
    return None if case.is_active(at) else action.out_of_turn(f"it is {case.state}")


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
