"""Shape of an action and of every other kind of event. Each is one module in `actions` or `automatic`."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.case.events import Event, OfDepartment, OfIncident
from domain.case.lifecycle import WORKABLE, State
from domain.case.parts import UNFINISHED, Part, PartState
from domain.case.state import CaseState
from domain.kit.event import ActionBody, Addressees, BaseAction, BaseKind, Decision, EventData, NotPossible, Reasoned
from domain.shared.actors import Actor, Role
from domain.shared.errors import OUT_OF_TURN, Refused

__all__ = [
    "Action",
    "ActionBody",
    "Actor",
    "Addressees",
    "CaseState",
    "Decision",
    "Due",
    "Event",
    "EventData",
    "EventKind",
    "Holder",
    "NotPossible",
    "Objection",
    "PartAction",
    "Reasoned",
    "Role",
    "State",
    "holders_of",
]
"""Names that an action, or another kind of event, is written with: those of the kit and of the case among them."""

Objection = NotPossible | str | None
"""Reason why an action is not possible now; a text if this is not its time, None if nothing is against it."""


class Due(NamedTuple):
    """Event that time brings: when it falls due, its kind, its data, and the state it leads to if that is another.

    The data are made when the event happens: a case looks ahead far more often.
    """

    falls_at: datetime
    kind: "EventKind"
    data: Callable[[], EventData]
    state: State | None = None


class Holder(NamedTuple):
    """Department that has a case or a part, and the person at work on it; None for none."""

    department: str | None = None
    assignee: str | None = None


def holders_of(case: CaseState, data: EventData) -> Sequence[Holder]:
    """Return the department that the event names, or else the one that has the case, and the person there."""
    named = data.department if isinstance(data, OfDepartment) else None
    return (Holder(named or case.department, case.assignee),)


@dataclass(frozen=True, kw_only=True)
class EventKind(BaseKind[CaseState, Event]):
    """Kind of event of a complaint.

    `flags` are those that the event raises. `by_time`: nobody has acted on the case. `notifies_by_incident` are told in
    place of others if an incident brings the event.
    """

    EVENT = Event

    by_time: bool = False
    notifies_by_incident: Addressees | None = None
    flags: tuple[str, ...] = ()
    holders: Callable[[CaseState, Any], Sequence[Holder]] = holders_of

    def more_facts(self, case: CaseState, decision: Decision) -> dict[str, Any]:
        return {"cycle": decision.cycle or case.cycle}

    def change(self, entity: CaseState, event: Event) -> None:
        entity.add_flags(*self.flags)
        super().change(entity, event)

    def addressees(self, entity: CaseState, event: Event) -> Addressees:
        by_incident = isinstance(event.data, OfIncident) and event.data.incident is not None
        if by_incident and self.notifies_by_incident is not None:
            return self.notifies_by_incident
        return super().addressees(entity, event)


@dataclass(frozen=True, kw_only=True)
class PartAction:
    """Effect of an action on a part of a case: from which of its states, to which, and in which states of the case.

    Without `target` the state of the part stays. `always` is set if the action is never one on the case itself.
    """

    sources: AbstractSet[PartState]
    target: PartState | None = None
    states: AbstractSet[State] = WORKABLE
    leads_to: State | None = None
    guard: Callable[[CaseState, Part, datetime], Objection] = lambda *_: None
    always: bool = False

    def objection(self, case: CaseState, part: Part, at: datetime) -> Objection:
        if case.state not in self.states:
            return f"it is {case.state}"
        if part.state not in self.sources:
            return f"the part of {part.department} is {part.state}"
        if self.completes_the_work(case, part) and case.state is not State.IN_PROGRESS:
            why = f"it is {case.state}; the last part ends when the case is in_progress again"
            return NotPossible(OUT_OF_TURN, why)
        return self.guard(case, part, at)

    def completes_the_work(self, case: CaseState, part: Part) -> bool:
        """Return True if the reply is due after the action: the case is completed, and no other part is unfinished."""
        ends = self.target not in {None, *UNFINISHED}
        return case.completed and ends and all(other.serial == part.serial for other in case.unfinished)


@dataclass(frozen=True, kw_only=True)
class Action(EventKind, BaseAction[CaseState, Event, State]):
    """Action of a person on a complaint.

    Beyond its row (roles, sources, targets), an action may have these rules; they are asked in this order:

    1. `guard`: is it possible now? A condition beyond the state.
    2. `objection`: may this person do it? A condition beyond the role.
    3. `check` of the body: is it right?
    4. `decide` of the body: what happens?

    `part` says how a department that has only a part does it; of the rules above, `objection` and `check` count there.
    `offers` is False if this person has nothing to do it to, so that the action is not offered.
    `shared_with_parts`: a department that has only a part may do it to the whole case.
    """

    guard: Callable[[CaseState, Actor, datetime], Objection] = lambda *_: None
    objection: Callable[[CaseState, Actor], Refused | None] = lambda *_: None
    offers: Callable[[CaseState, Actor, datetime], bool] = lambda *_: True
    part: PartAction | None = None
    shared_with_parts: bool = False
