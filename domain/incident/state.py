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
