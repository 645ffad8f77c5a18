"""States, fields and events of an incident (突发事件), and how one opens.

Its linked cases are no part of it: its workflow keeps them, and each case names it.
"""

from datetime import datetime

from pydantic import BaseModel, Field

from domain.calendar.work_calendar import USUAL_ZONE
from domain.incident.scope import Scope
from domain.kit.event import BaseAction, BaseEvent, BaseKind, EventData
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.value import Immutable, Instant, NamedCode, complete, omit_default

EVERYBODY = 100
"""Percent of the callers whose cases are followed up, unless the catalogue says otherwise."""


class SurgeRule(Immutable):
    """Number of cases, and the time, from which one cause is suspected behind calls from one district."""

    services: tuple[str, ...]
    more_than: int
    window_seconds: int
    follow_up_percent: int = EVERYBODY
    timezone: str = omit_default(USUAL_ZONE)


class Opened(EventData):
    """First facts of an incident."""

    title: str
    scope: Scope
    since: Instant = Field(description="Cases of the scope that were registered from then on belong to it.")
    calls: int = Field(default=0, description="How many raised the suspicion.")


class Opening(Opened):
    """Values that an incident starts from, by somebody's hand or by the number of calls."""

    number: str = ""
    at: Instant
    actor: Actor = SYSTEM
    follow_up_percent: int = Field(
        default=EVERYBODY, ge=0, le=100, description="How many of its cases are followed up."
    )
    timezone: str = omit_default(USUAL_ZONE, "That callers are told times in.")


class IncidentState(NamedCode):
    """State of an incident."""

    SUSPECTED = "suspected", "疑似"
    CONFIRMED = "confirmed", "已确认"
    DISPATCHED = "dispatched", "待签收"
    IN_PROGRESS = "in_progress", "处理中"
    SETTLING = "settling", "批量办结中"
    RESOLVED = "resolved", "已解决"
    MERGING = "merging", "并入中"
    MERGED = "merged", "已并入"
    DISMISSING = "dismissing", "排除中"
    DISMISSED = "dismissed", "已排除"


S = IncidentState
ENDS = {S.SETTLING: S.RESOLVED, S.MERGING: S.MERGED, S.DISMISSING: S.DISMISSED}
"""States in which an incident acts on its cases, one after the other, each with the state that follows."""
LINKS_NEW_CASES = frozenset({S.CONFIRMED, S.DISPATCHED, S.IN_PROGRESS})
"""New cases of its scope are linked to it as they are registered."""
LINKABLE = LINKS_NEW_CASES | {S.SUSPECTED}
"""A case can be linked to it by hand."""
complete("LINKABLE or ENDS", IncidentState, LINKABLE | {*ENDS, *ENDS.values()})
CONTROL_ROOM = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
"""Roles that decide on incidents."""


class IncidentFields(BaseModel):
    """Fields of one incident. Instants are UTC and given by the caller."""

    number: str = Field(description="`i` and eleven digits, the last one a check digit.")
    title: str = Field(description="Title: service and district, until a dispatcher gives another.")
    state: IncidentState
    scope: Scope
    since: datetime = Field(description="Cases registered from then on belong to it.")
    opened_at: datetime = Field(description="Time of the suspicion or declaration.")
    opened_by: str = Field(description="`system` if the number of calls raised the suspicion.")
    follow_up_percent: int = Field(
        default=EVERYBODY, description="Percentage of the callers who are followed up (回访)."
    )
    version: int = Field(default=1, description="Number of its last event.")
    department: str | None = Field(default=None, description="Department that all of its cases were dispatched to.")
    assignee: str | None = Field(default=None, description="Person of that department who has it.")
    people: dict[str, str] = omit_default({}, "Names of the people of the incident, by id, where they differ.")
    expected_at: datetime | None = Field(default=None, description="Time at which water is expected back.")
    news: str | None = Field(default=None, description="Latest message to the callers.")
    result: str | None = Field(default=None, description="Result: the work that was done.")
    reply: str | None = Field(default=None, description="Message to the callers at its end.")
    absorbed: tuple[str, ...] = omit_default((), "The incidents that were merged into it.")
    into: str | None = Field(default=None, description="The incident that it was merged into.")
    state_before_merge: IncidentState | None = Field(
        default=None, description="Where it stood when it was to be merged."
    )
    closed_at: datetime | None = Field(default=None, description="Time at which the last of its cases was settled.")
    timezone: str = omit_default(USUAL_ZONE)

    @property
    def over(self) -> bool:
        return self.state in ENDS.values()

    @property
    def end(self) -> IncidentState | None:
        """State in which it ends or has ended: resolved, merged or dismissed; None while it is open."""
        return self.state if self.over else ENDS.get(self.state)


class IncidentEvent(BaseEvent[IncidentState]):
    """One fact about one incident, in the order of `seq`."""


class IncidentKind(BaseKind[IncidentFields, IncidentEvent]):
    """Kind of event of an incident."""

    EVENT = IncidentEvent


class IncidentAction(IncidentKind, BaseAction[IncidentFields, IncidentEvent, IncidentState]):
    """Action of a person on an incident."""
