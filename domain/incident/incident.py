"""The incident: one cause behind many calls (一因多诉), handled once. Pure and event-sourced, as the case is.

Which cases are linked is no part of it: its workflow keeps that (`workflows.incident`), each case says it of itself.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.calendar.work_calendar import USUAL_ZONE, is_usual_zone
from domain.case.actions.link_incident import SAME_INCIDENT
from domain.incident.lifecycle import (
    ABSORB,
    ENDS,
    FINISH,
    INCIDENT_TABLE,
    MERGE_FAILED,
    SUSPECT,
    IncidentAction,
    IncidentEvent,
    IncidentState,
    Scope,
)
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.command import Command
from domain.shared.errors import OTHER_DEPARTMENT, OUT_OF_TURN, WRONG_ROLE, Refused

EVERYBODY = 100
"""Percent of the callers whose cases are followed up, where the catalogue does not say otherwise."""


class SurgeRule(BaseModel):
    """From how many cases on, within how long, one cause is suspected behind calls from one district."""

    model_config = ConfigDict(frozen=True)

    services: tuple[str, ...]
    more_than: int
    window_seconds: int
    follow_up_percent: int = EVERYBODY
    timezone: str = Field(default=USUAL_ZONE, exclude_if=is_usual_zone)


class Opening(BaseModel):
    """What an incident starts from: by somebody's hand, or by the number of calls."""

    model_config = ConfigDict(frozen=True)

    number: str = ""
    at: datetime
    actor: Actor = SYSTEM
    title: str
    scope: Scope
    since: datetime = Field(description="Cases of the scope that were registered from then on belong to it.")
    follow_up_percent: int = Field(
        default=EVERYBODY, ge=0, le=100, description="How many of its cases are followed up."
    )
    calls: int = Field(default=0, description="How many raised the suspicion.")
    timezone: str = Field(default=USUAL_ZONE, exclude_if=is_usual_zone, description="That callers are told times in.")


class Incident(BaseModel):
    """One incident. Instants are UTC and given by whoever acts on it."""

    number: str
    title: str
    state: IncidentState
    scope: Scope
    since: datetime
    opened_at: datetime
    opened_by: str
    follow_up_percent: int = EVERYBODY
    version: int = 1
    department: str | None = None
    assignee: str | None = None
    expected_at: datetime | None = None
    news: str | None = None
    result: str | None = None
    reply: str | None = None
    into: str | None = Field(default=None, description="The incident that this one was merged into.")
    state_before_merge: IncidentState | None = Field(
        default=None, description="Where it stood when it was to be merged."
    )
    closed_at: datetime | None = None
    timezone: str = Field(default=USUAL_ZONE, exclude_if=is_usual_zone)

    @classmethod
    def open(cls, start: Opening) -> tuple["Incident", IncidentEvent]:
        """The incident as it begins (上报, or 预警 where the system suspects it), with its first event."""
        suspected = start.actor.role is Role.SYSTEM
        state = IncidentState.SUSPECTED if suspected else IncidentState.CONFIRMED
        opened = cls(
            number=start.number,
            title=start.title,
            state=state,
            scope=start.scope,
            since=start.since,
            opened_at=start.at,
            opened_by=start.actor.name,
            follow_up_percent=start.follow_up_percent,
            timezone=start.timezone,
        )
        event = IncidentEvent(
            seq=1,
            at=start.at,
            actor=start.actor.name,
            role=start.actor.role,
            action=SUSPECT if suspected else IncidentAction.DECLARE,
            to_state=state,
            data=start.model_dump(mode="json", include={"title", "scope", "since", "calls"}),
        )
        return opened, event

    @property
    def over(self) -> bool:
        """Nothing can happen to it any more."""
        return self.state in ENDS.values()

    @property
    def end(self) -> IncidentState | None:
        """What it is about to be, or is: resolved, merged or dismissed; None while it is open."""
        return self.state if self.over else ENDS.get(self.state)

    def available_actions(self, actor: Actor) -> tuple[IncidentAction, ...]:
        """What this person may do to it now, in table order."""
        return tuple(row.action for row in INCIDENT_TABLE.values() if self._objection(row.action, actor) is None)

    def check(self, command: Command[Any], at: datetime) -> None:  # noqa: ARG002 - as a case is checked
        """Raise Refused if `apply` would."""
        body = command.body
        if refused := self._objection(body.action, command.actor):
            raise refused
        if body.action is IncidentAction.MERGE and body.into == self.number:
            raise Refused(SAME_INCIDENT, "It cannot be merged into itself.", ("another incident",))

    def apply(self, command: Command[Any], at: datetime) -> tuple[IncidentEvent, ...]:
        """Carry out a command at `at`. Raises Refused and changes nothing."""
        self.check(command, at)
        body = command.body
        data = {**body.model_dump(mode="json", exclude_none=True), **self._besides(body, command.actor)}
        target = INCIDENT_TABLE[body.action].target or self.state
        return (self._happened(body.action, command.actor, at, target, data),)

    def absorb(self, other: str, scope: Scope, at: datetime) -> IncidentEvent:
        """Another was merged into this one."""
        both = self.scope.with_(scope).model_dump(mode="json")
        return self._happened(ABSORB, SYSTEM, at, self.state, {"incident": other, "scope": both})

    def fail_merge(self, at: datetime) -> IncidentEvent:
        """It could not be merged."""
        return self._happened(
            MERGE_FAILED, SYSTEM, at, self.state_before_merge or IncidentState.CONFIRMED, {"into": self.into}
        )

    def note_cancellation(self, reason: str, at: datetime) -> tuple[IncidentEvent, ...]:
        """Note that a cancellation of the workflow was requested."""
        return (self._happened("cancellation_requested", SYSTEM, at, self.state, {"reason": reason} if reason else {}),)

    def finish(self, at: datetime, counts: dict[str, int]) -> IncidentEvent:
        """Every linked case has been seen to: how many were settled, kept open, or had ended before."""
        return self._happened(FINISH, SYSTEM, at, ENDS[self.state], dict(counts))

    def _besides(self, body: Any, actor: Actor) -> dict[str, Any]:  # noqa: ANN401 - a body of the table
        """What is noted beside the words of the body: an event tells by itself what it led to."""
        match body.action:
            case IncidentAction.CONFIRM:
                wider = Scope(
                    services=body.services or self.scope.services, districts=body.districts or self.scope.districts
                )
                both = self.scope.with_(wider).model_dump(mode="json")
                return {"title": body.title or self.title, "scope": both}
            case IncidentAction.SIGN_FOR:
                return {"assignee": body.assignee or actor.name}
            case _:
                return {}

    def _offered(self, actor: Actor) -> tuple[IncidentAction, ...]:
        rows = INCIDENT_TABLE.values()
        return tuple(row.action for row in rows if self.state in row.sources and actor.role in {*row.roles, Role.ADMIN})

    def _objection(self, action: IncidentAction, actor: Actor) -> Refused | None:
        row = INCIDENT_TABLE[action]
        if actor.role not in {*row.roles, Role.ADMIN}:
            allowed = tuple(sorted(row.roles))
            message = f"{action} is not for the role {actor.role}; it takes {' or '.join(allowed)}."
            return Refused(WRONG_ROLE, message, allowed)
        if self.state not in row.sources:
            message = f"The incident {self.number} is {self.state}, and {action} is not possible now."
            return Refused(OUT_OF_TURN, message, self._offered(actor))
        if actor.role is Role.CREW and actor.department not in (None, self.department):
            message = f"The incident is with the department {self.department}; your key acts for {actor.department}."
            return Refused(OTHER_DEPARTMENT, message, (str(self.department),))
        return None

    def _happened(
        self, action: str, actor: Actor, at: datetime, target: IncidentState, data: dict[str, Any]
    ) -> IncidentEvent:
        event = IncidentEvent(
            seq=self.version + 1,
            at=at,
            actor=actor.name,
            role=actor.role,
            action=action,
            from_state=self.state,
            to_state=target,
            data=data,
        )
        self._evolve(event)
        return event

    def _evolve(self, event: IncidentEvent) -> None:
        data: dict[str, Any] = event.data
        self.version = event.seq
        for field, key in _NOTED.get(event.action, {}).items():
            setattr(self, field, data.get(key))
        if event.action == IncidentAction.MERGE:
            self.state_before_merge = event.from_state
        if "scope" in data:
            self.scope = Scope.model_validate(data["scope"])
        if "expected_at" in data:
            self.expected_at = datetime.fromisoformat(data["expected_at"])
        self.state = event.to_state
        if self.over:
            self.closed_at = self.closed_at or event.at


_NOTED: dict[str, dict[str, str]] = {
    IncidentAction.CONFIRM: {"title": "title"},
    IncidentAction.DISPATCH: {"department": "department", "assignee": "assignee"},
    IncidentAction.SIGN_FOR: {"assignee": "assignee"},
    IncidentAction.INFORM: {"news": "message"},
    IncidentAction.RESOLVE: {"result": "result", "reply": "message"},
    IncidentAction.MERGE: {"into": "into"},
    MERGE_FAILED: {"into": "nothing", "state_before_merge": "nothing"},
}
"""What an event leaves on the incident: the field, and under which name the event has it."""
