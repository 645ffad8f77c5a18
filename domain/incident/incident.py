"""The incident: one cause behind many calls (一因多诉), handled once. Pure and event-sourced, as the case is."""

from datetime import datetime
from typing import Any

from domain.incident.actions import INCIDENT_ACTION_OF, INCIDENT_ACTIONS, INCIDENT_COMMANDS, declare
from domain.incident.automatic import (
    ABSORPTION,
    CANCELLATION,
    FINISH,
    INCIDENT_AUTOMATIC,
    MERGE_FAILED,
    SUSPECT,
    Finished,
    MergeFailed,
    Widened,
)
from domain.incident.kind import IncidentAction, IncidentEvent, IncidentKind
from domain.incident.lifecycle import ENDS, IncidentState
from domain.incident.opening import Opened, Opening
from domain.incident.scope import Scope
from domain.incident.state import IncidentFields
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from domain.shared.entity import happen, out_of_turn
from domain.shared.errors import OTHER_DEPARTMENT, Refused
from domain.shared.event import CancellationRequested

INCIDENT_KINDS: dict[str, IncidentKind] = {kind.name: kind for kind in (*INCIDENT_ACTIONS, *INCIDENT_AUTOMATIC)}
"""Every kind of event of an incident."""


class Incident(IncidentFields):
    """One incident, from the suspicion or declaration to its end."""

    @classmethod
    def open(cls, start: Opening) -> tuple["Incident", IncidentEvent]:
        """Return the incident as it begins (上报, or 预警 if the system suspects it), with its first event."""
        suspected = start.actor.role is Role.SYSTEM
        state = IncidentState.SUSPECTED if suspected else IncidentState.CONFIRMED
        by = start.actor
        opened = cls(**start.__dict__, state=state, opened_at=start.at, opened_by=by.id, people=by.people)
        event = IncidentEvent(
            seq=1,
            at=start.at,
            actor=by.id,
            role=by.role,
            people=by.people,
            action=SUSPECT.name if suspected else declare.ACTION.name,
            to_state=state,
            data=Opened.of(start, calls=start.calls),
        )
        return opened, event

    def available_actions(self, actor: Actor) -> tuple[str, ...]:
        """Return what this person may do to it now, in table order."""
        return tuple(name for name, row in INCIDENT_COMMANDS.items() if self._refusal(row, actor) is None)

    def check(self, command: Command[Any], at: datetime) -> None:  # noqa: ARG002 - as a case is checked
        """Raise Refused if `apply` would."""
        action = INCIDENT_ACTION_OF[type(command.body)]
        if refused := self._refusal(action, command.actor):
            raise refused
        action.check(self, command.body)

    def apply(self, command: Command[Any], at: datetime) -> tuple[IncidentEvent, ...]:
        """Carry out a command at `at`. Raises Refused and changes nothing."""
        self.check(command, at)
        body, actor = command.body, command.actor
        action = INCIDENT_ACTION_OF[type(body)]
        data = action.decide(self, body, actor) if action.decide else action.data.of(body)
        return (happen(self, action, at, data, action.targets[0] if action.targets else None, command),)

    def absorb(self, other: str, scope: Scope, at: datetime) -> IncidentEvent:
        """Widen the scope by that of another incident, which was merged into this one."""
        return happen(self, ABSORPTION, at, Widened(incident=other, scope=self.scope.joined(scope)))

    def fail_merge(self, at: datetime) -> IncidentEvent:
        """Go back to the state before the merge: the other incident had ended."""
        before = self.state_before_merge or IncidentState.CONFIRMED
        return happen(self, MERGE_FAILED, at, MergeFailed(into=self.into), before)

    def note_cancellation(self, reason: str, at: datetime) -> tuple[IncidentEvent, ...]:
        """Note that a cancellation of the workflow was requested."""
        return (happen(self, CANCELLATION, at, CancellationRequested.because(reason)),)

    def finish(self, at: datetime, counts: dict[str, int]) -> IncidentEvent:
        """End, as nothing is left to do for a linked case; `counts` are the cases by their answer."""
        return happen(self, FINISH, at, Finished(**counts), ENDS[self.state])

    def _refusal(self, action: IncidentAction, actor: Actor) -> Refused | None:
        if actor.role not in {*action.roles, Role.ADMIN}:
            return action.wrong_role(actor)
        if actor.role is Role.CREW and actor.department not in (None, self.department):
            message = f"The incident is with the department {self.department}; you act for {actor.department}."
            return Refused(OTHER_DEPARTMENT, message, (str(self.department),))
        if self.state not in action.sources:
            return out_of_turn(self, f"The incident {self.number}", action, actor, INCIDENT_COMMANDS)
        return None
