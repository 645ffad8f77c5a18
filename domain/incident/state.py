"""Fields of an incident. Its linked cases are no part of it: its workflow keeps them, and each case names it."""

from datetime import datetime

from pydantic import BaseModel, Field

from domain.calendar.work_calendar import USUAL_ZONE
from domain.incident.lifecycle import ENDS, IncidentState
from domain.incident.opening import EVERYBODY
from domain.incident.scope import Scope
from domain.shared.value import omit_default


class IncidentFields(BaseModel):
    """Fields of one incident. Instants are UTC and given by the caller."""

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
    people: dict[str, str] = omit_default({}, "Names of the people of the incident, by id, where they differ.")
    expected_at: datetime | None = None
    news: str | None = None
    result: str | None = None
    reply: str | None = None
    into: str | None = Field(default=None, description="The incident that this one was merged into.")
    state_before_merge: IncidentState | None = Field(
        default=None, description="Where it stood when it was to be merged."
    )
    closed_at: datetime | None = None
    timezone: str = omit_default(USUAL_ZONE)

    @property
    def over(self) -> bool:
        """True if nothing can happen to it any more."""
        return self.state in ENDS.values()

    @property
    def end(self) -> IncidentState | None:
        """State in which it ends or has ended: resolved, merged or dismissed; None while it is open."""
        return self.state if self.over else ENDS.get(self.state)
