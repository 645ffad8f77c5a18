"""Permission: whose work an action is about, if this person may do it there, and if it is possible now."""

from datetime import datetime
from typing import NamedTuple, Self

from domain.case.kind import Action, Objection, PartAction
from domain.case.lifecycle import State
from domain.case.parts import NO_SUCH_PART, PART_AT_WORK
from domain.case.state import CaseState
from domain.kit.event import ActionBody, Decision, NotPossible
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.errors import OTHER_DEPARTMENT, ProblemType, Refused

RETURN_TOO_LATE = ProblemType("conflict", "return_too_late", "Return after its time limit", "已过退单时限")


class Attempt(NamedTuple):
    """Action that a person is to do now to the work of one department: to the case, or to its part in it."""

    action: Action
    case: CaseState
    actor: Actor
    at: datetime
    department: str | None

    @classmethod
    def of(cls, action: Action, case: CaseState, actor: Actor, at: datetime, body: ActionBody | None = None) -> Self:
        """Return the attempt on the work of the department that the body names, the actor's own, or that of the case.

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
        """Return the roles in which this person may do it; the administrator has all."""
        actor, roles = self.actor, frozenset(self.action.roles)
        if actor.role is Role.ADMIN:
            return roles
        mine = set() if self._is_foreign() else {actor.role}
        # A crew owns no case, also if the owner joined one since.
        return roles & (mine | {Role.OWNER} if actor.id == self.case.owner and actor.role in OWNERS else mine)

    def against(self) -> Refused | NotPossible | None:
        """Return what is against it: the person, the state of the case or of the part, or the action's own rules."""
        return self.forbidden() or self._not_possible() or self.action.objection(self.case, self.actor)

    def forbidden(self) -> Refused | None:
        if self.roles_held():
            return None
        mine = self.actor.department
        if self.actor.role not in self.action.roles:
            return self.action.wrong_role(self.actor)
        theirs = self.case.department if self.department == mine else self.department
        whose = f"that of the department {theirs}" if theirs else "with no department yet"
        message = f"The work is {whose}; you act for {mine}."
        return Refused(OTHER_DEPARTMENT, message, (theirs or "a case of your department",))

    def decision(self, body: ActionBody) -> Decision | NotPossible:
        """Return the decision of the action's own rules; a part of the case changes its state only if it was the last.

        Trap: it is asked if nothing is against the attempt.
        """
        rules, part = self.part_rules, self.case.part_of(self.department)
        if rules is None or part is None:
            return self.action.decision(self.case, body, self.actor, self.at)
        state = State.PENDING_REPLY if rules.completes_the_work(self.case, part) else rules.leads_to
        facts = rules.facts(part, body)
        return Decision(self.action.data.of(body, part=part.serial, department=self.department, **facts), state)

    def _is_foreign(self) -> bool:
        """Return True if a crew's key is for another department than that one, or for one with no work on the case."""
        mine = self.actor.department
        if self.actor.role is not Role.CREW or mine is None:
            return False
        return self.department not in (None, mine) or (self.case.department != mine and self.case.part_of(mine) is None)

    def _not_possible(self) -> Refused | NotPossible | None:
        """Return why the action is not possible now; Refused if that department has no part in the case."""
        action, case, rules, part = self.action, self.case, self.part_rules, self.case.part_of(self.department)
        why: Objection = None
        if rules and part:
            why = rules.objection(case, part, self.at)
        # If there is no part at all that the action is for, that is the reason, whatever department is named.
        elif rules is None or rules.always:
            why = action.guard(case, self.actor, self.at) if case.state in action.sources else f"it is {case.state}"
        if isinstance(why, str):
            return action.out_of_turn(why)
        if why or part or rules is None:
            return why
        accepted = departments_involved(case) or ("involve the department first",)
        return Refused(NO_SUCH_PART, f"{self.department} has no part in the case {case.number}.", accepted)


def departments_involved(case: CaseState) -> tuple[str, ...]:
    """Return the departments that have, or had, a part in the current cycle."""
    return tuple(dict.fromkeys(part.department for part in case.parts if part.cycle == case.cycle))


def while_incomplete(case: CaseState, *_: object) -> str | None:
    """Refuse once the department has completed the case and only the parts of others are unfinished."""
    if not case.completed:
        return None
    others = ", ".join(part.department for part in case.unfinished)
    return f"{case.department} has completed it, it waits for {others}"


def while_active(case: CaseState, _: Actor, at: datetime) -> str | None:
    """Refuse once the case has ended and can neither be reopened nor reinstated any more."""
    return None if case.is_active(at) else f"it is {case.state}"


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
