"""Whose part of a case an action is about, where several departments handle it together (部门联动)."""

from typing import Any

from domain import commands as c
from domain.errors import Refused
from domain.intake import Actor
from domain.lifecycle import Action, Role
from domain.parts import AT_WORK, PART_TABLE, UNFINISHED, Part, PartState
from domain.record import Record


def own_part(record: Record, actor: Actor) -> Part | None:
    """The part that this crew's department has to do; None where the case itself is theirs, or nothing is."""
    if actor.role is not Role.CREW or actor.department in (None, record.department):
        return None
    part = record.part_of(actor.department)
    return part if part and part.state in AT_WORK else None


def part_meant(record: Record, command: c.Command[Any]) -> Part | None:
    """The part that the action is about: that of the department named, else the actor's own; None for the case itself.

    Raises Refused: the named department has no part, or a crew names another's.
    """
    action: Action = command.body.action
    if action not in PART_TABLE:
        return None
    named: str | None = command.body.department
    if named is None:
        return own_part(record, command.actor)
    if named == record.department and action is not Action.RELEASE:
        return None
    mine = command.actor.department
    if command.actor.role is Role.CREW and mine not in (None, named):
        message = f"The part is for the department {named}; your key acts for {mine}."
        raise Refused("forbidden", "other_department", message, (named,))
    part = record.part_of(named)
    if part is None:
        departments = tuple(dict.fromkeys(part.department for part in record.parts if part.cycle == record.cycle))
        message = f"{named} has no part in the case {record.number}."
        raise Refused("invalid", "no_such_part", message, departments or ("involve the department first",))
    return part


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
