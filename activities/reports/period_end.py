"""The end of days and months (日终月终): what is due then is begun, each once; what was missed is made up for."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from temporalio import activity

from activities.shift import now
from domain.reports.period import ReportKind, due_periods


class DuePeriods(NamedTuple):
    """Assessments, or reports of one kind, that are begun for each period that is over.

    Args:
        kind: days or months.
        zone: returns the time zone of the catalogue in force.
        first_and_known: returns when the first case was registered, and the periods that are or were begun.
        workflow_id: returns the id of the workflow of a period.
        begin: begins a period at an instant; returns False if it was begun before, or there is nothing to begin.
    """

    kind: ReportKind
    zone: Callable[[], tzinfo]
    first_and_known: Callable[[], Awaitable[tuple[datetime | None, Collection[str]]]]
    workflow_id: Callable[[str], str]
    begin: Callable[[str, datetime], Awaitable[bool]]

    async def due(self, at: datetime) -> Sequence[str]:
        """Return the periods that are due at an instant, the oldest first."""
        first, known = await self.first_and_known()
        if first is None:
            return []
        return [period.name for period in due_periods(self.kind, first, known, at, self.zone())]


class PeriodEnd:
    """The activity `begin_due_periods`."""

    def __init__(self, kinds: Sequence[DuePeriods]) -> None:
        self._kinds = kinds

    @activity.defn(name="begin_due_periods")
    async def begin_due_periods(self) -> list[str]:
        """Begin what is due; return the ids of the workflows that were begun. Run again, it begins none twice."""
        at, begun = now(), []
        for kind in self._kinds:
            for period in await kind.due(at):
                if await kind.begin(period, at):
                    begun.append(kind.workflow_id(period))
                activity.heartbeat()
        return begun
