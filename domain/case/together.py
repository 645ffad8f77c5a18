"""Whose part of a case an action is about, where several departments handle it together (部门联动)."""

from domain.case import commands as c
from domain.case.intake import Actor
from domain.case.lifecycle import TABLE, Action, Role
from domain.case.parts import AT_WORK, PART_TABLE, SHARED, UNFINISHED, Part, PartState
from domain.case.state import Record
from domain.shared.errors import Refused

_OF_PARTS = frozenset(PART_TABLE) | SHARED
"""The actions that a department with a part may do: on its part, or on the whole case."""


def own_part(record: Record, actor: Actor) -> Part | None:
    """The part that this crew's department has to do; None where the case itself is theirs, or nothing is."""
    if actor.role is not Role.CREW or actor.department in (None, record.department):
        return None
    part = record.part_of(actor.department)
    return part if part and part.state in AT_WORK else None


def department_meant(record: Record, actor: Actor, action: Action, named: str | None = None) -> str | None:
    """Return the department whose work the action is about: the one named, the actor's own, or that of the case."""
    if named is not None:
        return named
    part = own_part(record, actor) if action in _OF_PARTS else None
    return part.department if part else record.department


def departments_at_work(record: Record) -> tuple[str, ...]:
    """Return those that have, or had, a part in the present cycle."""
    return tuple(dict.fromkeys(part.department for part in record.parts if part.cycle == record.cycle))


def is_of_part(record: Record, action: Action, department: str | None) -> bool:
    """Return True if the action on that department's work is one on a part, False if on the case itself."""
    return action in PART_TABLE and (department != record.department or action is Action.RELEASE)


def _is_foreign(record: Record, actor: Actor, department: str | None) -> bool:
    """Return True if a crew's key is for another department than that one, or for one with no work on the case."""
    mine = actor.department
    if actor.role is not Role.CREW or mine is None:
        return False
    return department not in (None, mine) or (record.department not in (None, mine) and record.part_of(mine) is None)


def held(action: Action, record: Record, actor: Actor, department: str | None) -> frozenset[Role]:
    """Return the roles in which this person may do it to that department's work; the administrator has all."""
    roles = frozenset(TABLE[action].roles)
    if actor.role is Role.ADMIN:
        return roles
    mine = set() if _is_foreign(record, actor, department) else {actor.role}
    return roles & (mine | {Role.OWNER} if actor.name == record.owner else mine)


def forbidden(action: Action, record: Record, actor: Actor, department: str | None) -> Refused | None:
    """Return the refusal for a person who has no role for it, or a crew of another department; None for all others."""
    if held(action, record, actor, department):
        return None
    roles, mine = TABLE[action].roles, actor.department
    if actor.role not in roles:
        allowed = tuple(sorted(roles - {Role.SYSTEM}))
        message = f"{action} is not for the role {actor.role}; it takes {' or '.join(allowed)}."
        return Refused("forbidden", "wrong_role", message, allowed)
    whose = str(record.department if department == mine else department)
    message = f"The work is that of the department {whose}; your key acts for {mine}."
    return Refused("forbidden", "other_department", message, (whose,))


def no_such_part(record: Record, department: str | None) -> Refused:
    """Return the refusal for a department that has no part in the case."""
    accepted = departments_at_work(record) or ("involve the department first",)
    return Refused("invalid", "no_such_part", f"{department} has no part in the case {record.number}.", accepted)


def ends_the_wait(part: Part, action: Action, record: Record) -> bool:
    """Whether the reply is due after it: the case is completed, and no other part is waited for."""
    return (
        record.completed
        and PART_TABLE[action].target not in UNFINISHED
        and all(other.serial == part.serial for other in record.unfinished)
    )


def check_involved(record: Record, body: c.Involve) -> None:
    """Raise Refused where that department cannot get a part, or the one that it takes over is not there."""
    if body.department == record.department:
        message = f"{body.department} has the case itself."
        raise Refused("invalid", "already_involved", message, ("another department",))
    there = record.part_of(body.department)
    if there and there.state in AT_WORK:
        message = f"{body.department} has an open part already: {there.task}"
        raise Refused("invalid", "already_involved", message, ("another department", "a comment"))
    if body.takes_over is not None and not taken_over(record, body.department, body.takes_over):
        open_ones = tuple(part.department for part in record.unfinished)
        message = f"{body.takes_over} has no open part in the case {record.number} that could be taken over."
        raise Refused("invalid", "no_such_part", message, (*open_ones, "no takes_over"))


def taken_over(record: Record, department: str, takes_over: str | None) -> Part | None:
    """The unfinished part in whose place a new one comes: the one named, or what the same department has returned."""
    part = record.part_of(takes_over or department)
    if part is None or part.state not in UNFINISHED:
        return None
    return part if takes_over or part.state is PartState.RETURNED else None
