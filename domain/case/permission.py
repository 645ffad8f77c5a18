"""Permission: whose work an action is about, if this person may do it there, and if it is possible now."""

from datetime import datetime

from domain.case.kind import Action
from domain.case.lifecycle import State
from domain.case.parts import NO_SUCH_PART, PART_AT_WORK, UNFINISHED, Part
from domain.case.state import CaseState
from domain.kit.event import NotPossible
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.errors import OTHER_DEPARTMENT, OUT_OF_TURN, ProblemType, Refused


def department_meant(case: CaseState, actor: Actor, action: Action, named: str | None = None) -> str | None:
    """Return the department whose work the action is about: the one named, the actor's own, or that of the case."""
    if named is not None:
        return named
    part = _own_part(case, actor) if action.part or action.shared_with_parts else None
    return part.department if part else case.department


def departments_involved(case: CaseState) -> tuple[str, ...]:
    """Return the departments that have, or had, a part in the current cycle."""
    return tuple(dict.fromkeys(part.department for part in case.parts if part.cycle == case.cycle))


def is_on_part(case: CaseState, action: Action, department: str | None) -> bool:
    """Return True if the action on that department's work is one on a part, False if on the case itself."""
    return action.part is not None and (action.part.always or department != case.department)


def roles_held(action: Action, case: CaseState, actor: Actor, department: str | None) -> frozenset[Role]:
    """Return the roles in which this person may do it to that department's work; the administrator has all."""
    roles = frozenset(action.roles)
    if actor.role is Role.ADMIN:
        return roles
    mine = set() if _is_foreign(case, actor, department) else {actor.role}
    # A crew owns no case, also if the owner joined one since.
    return roles & (mine | {Role.OWNER} if actor.id == case.owner and actor.role in OWNERS else mine)


def forbidden(action: Action, case: CaseState, actor: Actor, department: str | None) -> Refused | None:
    if roles_held(action, case, actor, department):
        return None
    mine = actor.department
    if actor.role not in action.roles:
        return action.wrong_role(actor)
    theirs = case.department if department == mine else department
    whose = f"that of the department {theirs}" if theirs else "with no department yet"
    message = f"The work is {whose}; you act for {mine}."
    return Refused(OTHER_DEPARTMENT, message, (theirs or "a case of your department",))


def no_such_part(case: CaseState, department: str | None) -> Refused:
    accepted = departments_involved(case) or ("involve the department first",)
    return Refused(NO_SUCH_PART, f"{department} has no part in the case {case.number}.", accepted)


def _own_part(case: CaseState, actor: Actor) -> Part | None:
    """Return the open part of this crew's department; None if it has the case itself, or nothing to do."""
    if actor.role is not Role.CREW or actor.department in (None, case.department):
        return None
    part = case.part_of(actor.department)
    return part if part and part.state in PART_AT_WORK else None


def _is_foreign(case: CaseState, actor: Actor, department: str | None) -> bool:
    """Return True if a crew's key is for another department than that one, or for one with no work on the case."""
    mine = actor.department
    if actor.role is not Role.CREW or mine is None:
        return False
    return department not in (None, mine) or (case.department != mine and case.part_of(mine) is None)


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
