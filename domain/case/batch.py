"""What a case publishes: new events, and the state they led to."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.case.events import Event
from domain.case.state import Progress
from domain.catalogue.terms import Priority, unsaid


class ProjectionBatch(BaseModel):
    """One publication of one case. Written again, it writes the same rows.

    The first batch starts with the registration, whose data hold intake and terms; later ones need neither.
    """

    model_config = ConfigDict(frozen=True)

    number: str
    since_version: int = Field(
        ge=0, description="The version published before: clocks with a higher version have changed."
    )
    sla: str
    overdue: bool
    next_due_at: datetime | None = Field(default=None, description="Told here, as the calendar is not in the case.")
    priority: Priority | None = Field(
        default=None, exclude_if=unsaid, description="Told where a later catalogue may have changed it."
    )
    case: Progress
    events: tuple[Event, ...] = Field(min_length=1)
