"""Decide and evolve: a command and a case give one event, or a refusal; an event and a case give the next case.

An attempt says whose work an action is about, if this person may do it there, and if it is possible now.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, Self

from domain.case.actions import ACTION_OF, ACTIONS, COMMANDS, link_incident
from domain.case.automatic import AUTOMATIC, lateness, left_out
from domain.case.lifecycle import ENDED, NO_SUCH_PART, PART_AT_WORK, Event, PartBody, PartData, State
from domain.case.state import Action, CaseState, EventKind, GuardResult, PartAction
from domain.kit.entity import receive
from domain.kit.event import ActionBody, Command, Decision, NotPossible, by_name
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.errors import CASE_OF_DEPARTMENT, OTHER_DEPARTMENT, Refused

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
    lateness.run_countdown(case, event.at)


def available_actions(case: CaseState, actor: Actor, at: datetime) -> tuple[str, ...]:
    """Actions possible now, on the case or on a part of it, in table order."""
    possible = _possible_actions(case.state, has_parts=bool(case.parts))
    departments = {case.department, *departments_involved(case)}
    return tuple(action.name for action in possible if _is_available(action, case, actor, at, departments))


@cache
def _possible_actions(state: State, *, has_parts: bool) -> tuple[Action, ...]:
    return tuple(
        action
        for action in COMMANDS.values()
        if state in action.sources | action.changeable or (has_parts and action.part and state in action.part.states)
    )


def decide(case: CaseState, command: Command[Any], at: datetime) -> Event:
    """Raise Refused: `forbidden` for the wrong person, `conflict` for the wrong state, `invalid` for wrong words."""
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


class Attempt(NamedTuple):
    """Action that a person is to do now to the work of one department: to the case, or to its part in it."""

    action: Action
    case: CaseState
    actor: Actor
    at: datetime
    department: str | None

    @classmethod
    def of(cls, action: Action, case: CaseState, actor: Actor, at: datetime, body: ActionBody | None = None) -> Self:
        """On the work of the department that the body names, else of the actor's own, else of that of the case.

        A crew's own work is the open part of its department, unless that has the case itself.
        """
        named = getattr(body, "department", None) if action.part else None
        by_crew = actor.role is Role.CREW and (action.part or action.shared_with_parts)
        part = case.part_of(actor.department) if by_crew and actor.department != case.department else None
        own = part.department if part and part.state in PART_AT_WORK else None
        return cls(action, case, actor, at, named or own or case.department)

    @property
    def part_rules(self) -> PartAction | None:
        """Rules of the action if it is one on a part; None if it is one on the case itself."""
        rules = self.action.part
        return rules if rules and (rules.always or self.department != self.case.department) else None

    def roles_held(self) -> frozenset[Role]:
        """All of the action, for the administrator."""
        actor, roles = self.actor, frozenset(self.action.roles)
        if actor.role is Role.ADMIN:
            return roles
        mine = set() if self._is_foreign() else {actor.role}
        # A crew owns no case, also if the owner joined one since.
        return roles & (mine | {Role.OWNER} if actor.id == self.case.owner and actor.role in OWNERS else mine)

    def against(self) -> Refused | NotPossible | None:
        """First the person, then the state of the case or of the part, then the action's own rules."""
        return self.forbidden() or self._not_possible() or self.action.forbidden(self.case, self.actor)

    def forbidden(self) -> Refused | None:
        if self.roles_held():
            return None
        mine = self.actor.department
        if self.actor.role not in self.action.roles:
            return self.action.wrong_role(self.actor)
        theirs = self.case.department if self.department == mine else self.department
        whose = f"that of the department {theirs}" if theirs else "with no department yet"
        message = f"The work is {whose}; you act for {mine}."
        return Refused(OTHER_DEPARTMENT, message, (theirs or CASE_OF_DEPARTMENT,))

    def decision(self, body: ActionBody) -> Decision | NotPossible:
        """Apply the action's own rules; a part of the case changes its state only if it was the last.

        Trap: ask it only if nothing is against the attempt.
        """
        rules, part = self.part_rules, self.case.part_of(self.department)
        if rules is None or part is None:
            return self.action.decision(self.case, body, self.actor, self.at)
        state = State.PENDING_REPLY if rules.completes_the_work(self.case, part) else rules.leads_to
        facts = body.facts_of_part(part) if isinstance(body, PartBody) else {}
        return Decision(self.action.data.of(body, part=part.serial, department=self.department, **facts), state)

    def _is_foreign(self) -> bool:
        """Return True if a crew's key is for another department than that one, or for one with no work on the case."""
        mine = self.actor.department
        if self.actor.role is not Role.CREW or mine is None:
            return False
        return self.department not in (None, mine) or (self.case.department != mine and self.case.part_of(mine) is None)

    def _not_possible(self) -> Refused | NotPossible | None:
        """Refused if that department has no part in the case."""
        action, case, rules, part = self.action, self.case, self.part_rules, self.case.part_of(self.department)
        why: GuardResult = None
        if rules and part:
            why = rules.not_possible(case, part, self.at)
        # If there is no part at all that the action is for, that is the reason, whatever department is named.
        elif rules is None or rules.always:
            possible = case.state in action.sources | action.changeable
            why = action.guard(case, self.actor, self.at) if possible else f"it is {case.state}"
        if isinstance(why, str):
            return action.out_of_turn(why)
        if why or part or rules is None:
            return why
        accepted = departments_involved(case) or (("先请该部门协办", "involve the department first"),)
        return Refused(NO_SUCH_PART, f"{self.department} has no part in the case {case.number}.", accepted)


def departments_involved(case: CaseState) -> tuple[str, ...]:
    """Departments with a part in the current cycle, over or not."""
    return tuple(dict.fromkeys(part.department for part in case.parts if part.cycle == case.cycle))


def _is_available(
    action: Action, case: CaseState, actor: Actor, at: datetime, departments: AbstractSet[str | None]
) -> bool:
    """Return True on the work of any of these `departments`, for an action on parts; else on that of the case."""
    if not action.offers(case, actor, at):
        return False
    if not action.part:
        return Attempt.of(action, case, actor, at).against() is None
    return any(Attempt(action, case, actor, at, each).against() is None for each in departments)


def _refused(why: Refused | NotPossible, case: CaseState, actor: Actor, at: datetime) -> Refused:
    if isinstance(why, Refused):
        return why
    allowed = available_actions(case, actor, at)
    may = f"You may: {', '.join(allowed)}." if allowed else "There is nothing your role may do to it now."
    message = f"The case {case.number} (version {case.version}): {why.message}. {may}"
    return Refused(why.problem, message, allowed)
