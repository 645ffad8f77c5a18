"""What has happened to a complaint: the only source of truth, from which everything else is computed."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.case.lifecycle import Role, State
from domain.catalogue.terms import unsaid


class Event(BaseModel):
    """One fact about one case, in the order of `seq`.

    `action` is a name of `lifecycle.Action`, or one of the system's own (`escalate`, `notice`, `criticise`,
    `undelivered`, `recognise`, `cancellation_requested`, `catalogue_change`, `credit`).
    """

    model_config = ConfigDict(frozen=True)

    seq: int = Field(ge=1, description="1, 2, 3 ... within the case; the case's version after this event.")
    at: datetime = Field(description="When it took effect, UTC.")
    actor: str = Field(description="Who did it: the name of the key's holder, or `system`.")
    role: Role = Field(description="In which capacity.")
    action: str
    from_state: State | None = None
    to_state: State
    cycle: int = Field(ge=1, description="1 for the first handling, one more for each rework (重办).")
    data: dict[str, Any] = Field(default_factory=dict)
    recipients: tuple[str, ...] = Field(
        default=(),
        exclude_if=unsaid,
        description="Addresses that are told of it, as they were when it happened; in SQL, the rows of notifications.",
    )
