"""Projection batch: what SQL is given after an update, the new events and the state they led to."""

from datetime import datetime

from pydantic import Field

from domain.case.events import Event
from domain.case.progress import Progress
from domain.catalogue.terms import Priority
from domain.shared.value import Immutable, omit_default


class ProjectionBatch(Immutable):
    """Events of one case that are not projected yet, and its state. Projected again, it writes the same rows.

    The first batch starts with the registration, whose data hold intake and terms; later ones need neither.
    """

    number: str
    since_version: int = Field(
        ge=0, description="The version published before: clocks with a higher version have changed."
    )
    sla: str
    overdue: bool
    next_due_at: datetime | None = Field(default=None, description="Told here, as the calendar is not in the case.")
    priority: Priority | None = omit_default(None, "Told where a later catalogue may have changed it.")
    case: Progress
    events: tuple[Event, ...] = Field(min_length=1)
