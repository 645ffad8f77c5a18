"""Projection batch: what SQL is given after an update, the new events and the state they led to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import Field

from domain.case.events import Event
from domain.case.progress import Progress
from domain.case.state import CaseState
from domain.catalogue.terms import Priority
from domain.shared.value import Immutable, omit_default


class ProjectionBatch(Immutable):
    """Events of one case that SQL is not known to have, and its state. Projected again, it writes the same rows.

    The first batch starts with the registration, whose data hold intake and terms; later ones need neither.
    """

    number: str
    since_version: int = Field(
        ge=0, description="The version that SQL is known to have: clocks with a higher version have changed."
    )
    since_changed_at: datetime | None = omit_default(
        None, "ChangedAt of `since_version`: SQL has another one if the workflow was reset or replaced."
    )
    changed_at: datetime = Field(description="As the search attribute `ChangedAt`: later in every batch of a case.")
    sla: str
    overdue: bool
    next_due_at: datetime | None = Field(default=None, description="Told here, as the calendar is not in the case.")
    priority: Priority | None = omit_default(None, "Told if a later catalogue or a correction may have changed it.")
    case: Progress
    events: tuple[Event, ...] = Field(min_length=1)

    @classmethod
    def of(
        cls, case: CaseState, events: Sequence[Event], changed_at: datetime, since_changed_at: datetime | None = None
    ) -> Self:
        return cls(
            number=case.number,
            since_version=events[0].seq - 1,
            since_changed_at=since_changed_at,
            changed_at=changed_at,
            sla=case.sla,
            overdue=case.overdue,
            next_due_at=case.next_due(),
            priority=case.terms.priority if case.later_terms or case.corrected else None,
            case=case.model_copy(),
            events=tuple(events),
        )


class BatchAnswer(Immutable):
    """Answer of an update that has no other: the batch that its sender writes; None if SQL has everything."""

    batch: ProjectionBatch | None = omit_default(None)
