"""The end of days and months (日终月终): what is due then is begun, each once; what was missed is made up for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.shift import now
from activities.signatures import SCHEDULED_ACTIVITY


class DuePeriods(Protocol):
    """Assessments or reports that are begun for each period that is over."""

    async def due(self, at: datetime) -> Sequence[str]:
        """Return the periods that are due at an instant, the oldest first."""

    def workflow_id(self, period: str) -> str:
        """Return the id of the workflow of one of them."""

    async def begin(self, period: str, at: datetime) -> bool:
        """Begin one; return False if it was begun before."""


class PeriodEnd:
    """The activity `begin_due_periods`.

    Args:
        kinds: what is begun at the end of periods.
    """

    def __init__(self, kinds: Sequence[DuePeriods]) -> None:
        self._kinds = kinds

    @activity.defn(name=SCHEDULED_ACTIVITY)
    async def begin_due_periods(self) -> list[str]:
        """Begin what is due; return the ids of the workflows that were begun. Run again, it begins none twice."""
        at, begun = now(), []
        for kind in self._kinds:
            for period in await kind.due(at):
                if await kind.begin(period, at):
                    begun.append(kind.workflow_id(period))
                activity.heartbeat()
        return begun
