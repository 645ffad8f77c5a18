"""Decide and evolve: a command and a case give one event, or a refusal; an event and a case give the next case."""

from datetime import datetime
from functools import cache
from typing import Any

from domain.case.actions import ACTION_OF, ACTIONS, COMMANDS, link_incident
from domain.case.automatic import AUTOMATIC, left_out, notice
from domain.case.events import Event
from domain.case.kind import Action, EventKind
from domain.case.lifecycle import ENDED, State
from domain.case.parts import PartData
from domain.case.permission import Attempt, departments_involved
from domain.case.state import CaseState
from domain.kit.entity import receive
from domain.kit.event import Command, NotPossible, by_name
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
        data.evolve_part(case, case.parts[data.part - 1], event)
    else:
        kind.change(case, event)
    if case.terms.credits and not kind.by_time:
        case.acted_at = event.at
    case.enter(event.to_state, event.at)
    link_incident.wait(case, event)
    if event.to_state in ENDED and case.state not in ENDED:
        case.close(event)
    case.state = event.to_state
    case.note_standstill(event.at)
    notice.run_countdown(case, event.at)


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
    attempt = Attempt.of(action, case, actor, at, body)
    if against := attempt.against():
        raise _refused(against, case, actor, at)
    body.check(case)
    decision = attempt.decision(body)
    if isinstance(decision, NotPossible):
        raise _refused(decision, case, actor, at)
    held = {Role.ADMIN, *attempt.roles_held()}
    acting = actor if actor.role in held else actor.model_copy(update={"role": Role.OWNER})
    return action.next_event(case, at, decision, acting, command.people)


def _is_available(action: Action, case: CaseState, actor: Actor, at: datetime) -> bool:
    if not action.offers(case, actor, at):
        return False
    attempt = Attempt.of(action, case, actor, at)
    departments = {case.department, *departments_involved(case)} if action.part else {attempt.department}
    return any(attempt._replace(department=each).against() is None for each in departments)


def _refused(why: Refused | NotPossible, case: CaseState, actor: Actor, at: datetime) -> Refused:
    if isinstance(why, Refused):
        return why
    allowed = available_actions(case, actor, at)
    may = f"You may: {', '.join(allowed)}." if allowed else "There is nothing your role may do to it now."
    message = f"The case {case.number} (version {case.version}): {why.message}. {may}"
    return Refused(why.problem, message, allowed)
