"""The incident: one cause behind many calls (一因多诉), handled once. Pure and event-sourced, as the case is."""

from datetime import datetime
from typing import ClassVar

from domain.incident.actions import INCIDENT_ACTION_OF, INCIDENT_ACTIONS, declare
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
from domain.incident.kind import IncidentEvent, IncidentKind
from domain.incident.lifecycle import ENDS, IncidentState
from domain.incident.opening import Opened, Opening
from domain.incident.scope import Scope
from domain.incident.state import IncidentFields
from domain.kit.entity import EntityRules, EntityTable, happen
from domain.shared.actors import Actor, Role
from domain.shared.errors import OTHER_DEPARTMENT, Refused

INCIDENT_KINDS: dict[str, IncidentKind] = {kind.name: kind for kind in (*INCIDENT_ACTIONS, *INCIDENT_AUTOMATIC)}
"""Every kind of event of an incident."""


class Incident(IncidentFields, EntityRules[IncidentEvent]):
    """One incident, from the suspicion or declaration to its end."""

    TABLE: ClassVar[EntityTable] = EntityTable("incident", INCIDENT_ACTION_OF, CANCELLATION)

    @classmethod
    def open(cls, start: Opening) -> tuple["Incident", IncidentEvent]:
        suspected = start.actor.role is Role.SYSTEM
        state = IncidentState.SUSPECTED if suspected else IncidentState.CONFIRMED
        opened = cls(**start.__dict__, state=state, version=0, opened_at=start.at, opened_by=start.actor.id)
        kind: IncidentKind = SUSPECT if suspected else declare.ACTION
        return opened, happen(opened, kind, start.at, Opened.of(start, calls=start.calls), by=start.actor)

    def absorb(self, other: str, scope: Scope, at: datetime) -> tuple[IncidentEvent, ...]:
        """Widen the scope by that of another incident, which was merged into this one; not again by the same."""
        if other in self.absorbed:
            return ()
        return (happen(self, ABSORPTION, at, Widened(incident=other, scope=self.scope.joined(scope))),)

    def fail_merge(self, at: datetime) -> IncidentEvent:
        before = self.state_before_merge or IncidentState.CONFIRMED
        return happen(self, MERGE_FAILED, at, MergeFailed(into=self.into), before)

    def finish(self, at: datetime, counts: dict[str, int]) -> IncidentEvent:
        """End, as nothing is left to do for a linked case; `counts` are the cases by their answer."""
        return happen(self, FINISH, at, Finished(**counts), ENDS[self.state])

    def forbidden(self, actor: Actor) -> Refused | None:
        if actor.role is not Role.CREW or actor.department in (None, self.department):
            return None
        message = f"The incident is with the department {self.department}; you act for {actor.department}."
        return Refused(OTHER_DEPARTMENT, message, (str(self.department),))
