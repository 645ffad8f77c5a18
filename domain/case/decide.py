"""Decide and evolve: a command and a case give one event, or a refusal; an event and a case give the next case."""

from datetime import datetime
from functools import cache
from typing import Any

from domain.case import incident_link, urging
from domain.case.actions import ACTION_OF, ACTIONS, COMMANDS
from domain.case.automatic import AUTOMATIC, left_out
from domain.case.events import Event
from domain.case.kind import Action, EventKind
from domain.case.lifecycle import ENDED, State
from domain.case.parts import PartData
from domain.case.permission import (
    completes_the_work,
    department_meant,
    departments_involved,
    forbidden,
    is_on_part,
    no_such_part,
    not_possible,
    part_not_possible,
    roles_held,
)
from domain.case.state import CaseState
from domain.kit.entity import receive
from domain.kit.event import Command, Decision, NotPossible, by_name
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused

CASE_KINDS: dict[str, EventKind] = by_name(*ACTIONS, *AUTOMATIC)


def evolve(case: CaseState, event: Event) -> None:
    """Bring the case from version `seq - 1` to `seq`. Raises ValueError for an event out of order.

    Trap: the order of the steps counts. The clocks of an ended case are cancelled while it still has its old state, and
    what stands still is noted under the new one.
    """
    receive(case, event)
    kind, data = CASE_KINDS[event.action], event.data
    if kind is left_out.KIND:  # no rule beyond its own, as any may be the one that fails
        kind.change(case, event)
        return
    if isinstance(kind, Action):
        case.left_out = ()
    if isinstance(kind, Action) and kind.part and isinstance(data, PartData) and data.part:
        kind.part.evolve(case, case.parts[data.part - 1], data, event)
    else:
        kind.change(case, event)
    if case.terms.credits and not kind.by_time:
        case.acted_at = event.at
    case.enter(event.to_state, event.at)
    incident_link.wait(case, event)
    if event.to_state in ENDED and case.state not in ENDED:
        case.close(event)
    case.state = event.to_state
    case.note_standstill(event.at)
    urging.run_countdown(case, event.at)


def available_actions(case: CaseState, actor: Actor, at: datetime) -> tuple[str, ...]:
    """Return what this person may do now, to the case or to a part of it, in table order."""
    possible = _possible_actions(case.state, has_parts=bool(case.parts))
    return tuple(action.name for action in possible if _is_available(action, case, actor, at))


@cache
def _possible_actions(state: State, *, has_parts: bool) -> tuple[Action, ...]:
    def possible(action: Action) -> bool:
        return state in action.sources or (has_parts and action.part is not None and state in action.part.states)

    return tuple(filter(possible, COMMANDS.values()))


def decide(case: CaseState, command: Command[Any], at: datetime) -> Event:
    """Return the event that the command makes of this case at this instant.

    Raises Refused: `forbidden` for the wrong person, `conflict` for the wrong state, `invalid` for the wrong words.
    """
    action, actor, body = ACTION_OF[type(command.body)], command.actor, command.body
    department = department_meant(case, actor, action, body.department if action.part else None)
    if against := _against(action, case, actor, department, at):
        raise _refused(against, case, actor, at)
    action.check(case, body)
    decision = _decision(action, case, command, department, at)
    if isinstance(decision, NotPossible):
        raise _refused(decision, case, actor, at)
    held = {Role.ADMIN, *roles_held(action, case, actor, department)}
    acting = actor if actor.role in held else actor.model_copy(update={"role": Role.OWNER})
    return action.next_event(case, at, decision, acting, command.people)


def _is_available(action: Action, case: CaseState, actor: Actor, at: datetime) -> bool:
    if not action.offers(case, actor, at):
        return False
    if not action.part:
        return _against(action, case, actor, department_meant(case, actor, action), at) is None
    departments = {case.department, *departments_involved(case)}
    return any(_against(action, case, actor, department, at) is None for department in departments)


def _against(
    action: Action, case: CaseState, actor: Actor, department: str | None, at: datetime
) -> Refused | NotPossible | None:
    """Return what is against this action by this person on that department's work: the case, or its part in it."""
    return (
        forbidden(action, case, actor, department)
        or _not_possible(action, case, actor, department, at)
        or action.objection(case, actor)
    )


def _not_possible(
    action: Action, case: CaseState, actor: Actor, department: str | None, at: datetime
) -> Refused | NotPossible | None:
    """Return why the action is not possible now; Refused if that department has no part in the case."""
    if action.part is None or not is_on_part(case, action, department):
        return not_possible(action, case, actor, at)
    if part := case.part_of(department):
        return part_not_possible(action, part, case, at)
    # If there is no part at all that the action is for, that is the reason, whatever department is named.
    nothing = not_possible(action, case, actor, at) if action.part.always else None
    return nothing or no_such_part(case, department)


def _decision(
    action: Action, case: CaseState, command: Command[Any], department: str | None, at: datetime
) -> Decision | NotPossible:
    """Return the decision of the action's own rules; a part of the case changes its state only if it was the last."""
    if not is_on_part(case, action, department):
        return action.decision(case, command.body, command.actor, at)
    part = case.part_of(department)
    if part is None or action.part is None:
        raise no_such_part(case, department)
    state = State.PENDING_REPLY if completes_the_work(action, part, case) else action.part.leads_to
    facts = action.part.facts(part, command.body)
    return Decision(action.data.of(command.body, part=part.serial, department=department, **facts), state)


def _refused(why: Refused | NotPossible, case: CaseState, actor: Actor, at: datetime) -> Refused:
    if isinstance(why, Refused):
        return why
    allowed = available_actions(case, actor, at)
    may = f"You may: {', '.join(allowed)}." if allowed else "There is nothing your role may do to it now."
    message = f"The case {case.number} (version {case.version}): {why.message}. {may}"
    return Refused(why.problem, message, allowed)
