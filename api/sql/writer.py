"""Writer of batches to the read model, with the versions that it knows to be committed there."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from activities.projection import Projection
from api.edge.metrics import Metrics
from api.edge.problems import BEHIND_SQL, ProblemError
from api.sql.reader import Reader
from domain.case.batch import ProjectionBatch
from domain.case.case import Case
from domain.case.events import Event
from domain.case.progress import Progress
from domain.incident.incident import Incident, IncidentBatch
from domain.shared.text import to_milliseconds
from readmodel import incidents
from readmodel.callers import note_recognised
from readmodel.cases.queries import get_case, versions
from readmodel.projection import DivergedError

MOST_CASES = 1000
"""Cases that are kept in memory, some 60 KB each: those that somebody acted on last."""


@dataclass(frozen=True, slots=True)
class ProjectionWriter:
    """Writer of the batches that Temporal has returned to this process. It raises nothing if SQL is down.

    The `projection` has cases publish what SQL does not take.
    """

    projection: Projection
    reader: Reader
    metrics: Metrics
    _committed: OrderedDict[str, Case] = field(default_factory=OrderedDict)
    _incidents: dict[str, int] = field(default_factory=dict)

    def acknowledged(self, number: str) -> int:
        """Return the version of the case or incident that SQL is known to have; 0 if none is known."""
        case = self._committed.get(number)
        return case.version if case else self._incidents.get(number, 0)

    async def register(self, case: Case, events: Sequence[Event]) -> bool:
        """Write the first batch of a case; return True once it is committed. Raises ProblemError as `write` does."""
        committed = await self._commit(ProjectionBatch.of(case, events, to_milliseconds(case.registered_at)))
        if committed:
            self._keep(case)
        return committed

    async def write(self, batch: ProjectionBatch) -> tuple[Case | None, bool]:
        """Write what an update returned; return the case, None if it cannot be known here, and True once committed.

        Raises ProblemError if SQL has other events of the case: its workflow was reset or replaced.
        """
        committed = await self._commit(batch)
        case = self._after(batch)
        if committed and case is None:
            case = await self._read(batch.number)
        if committed and case:
            self._keep(case)
        return case, committed

    async def has(self, number: str, version: int) -> bool:
        """Return True if SQL has this version of the case; else the case is told to publish it."""
        try:
            found = await self.reader.ask(versions, [number])
        except ProblemError:
            found = {}
        if found.get(number, 0) >= version:
            return True
        await self.projection.tell_to_publish(number)
        return False

    async def write_incident(self, batch: IncidentBatch) -> bool:
        """Write an incident's batch, which its workflow publishes as well; return True once it is committed.

        Raises ProblemError as `write` does.
        """
        incident = batch.incident
        try:
            committed = await self.projection.run(partial(incidents.write, batch=batch))
        except DivergedError:
            raise _behind_sql(f"incident {incident.number}", incident.number, incident) from None
        if committed:
            self._incidents[incident.number] = max(incident.version, self._incidents.get(incident.number, 0))
        return committed

    async def note_recognised(self, number: str, caller_version: int) -> None:
        """Note that this caller was looked up; if SQL does not take it, the caller is looked up again."""
        await self.projection.run(partial(note_recognised, number=number, caller_version=caller_version))

    async def _commit(self, batch: ProjectionBatch) -> bool:
        try:
            committed = await self.projection.write(batch)
        except DivergedError:
            self.metrics.wrote(committed=False)
            raise _behind_sql(f"case {batch.number}", batch.number, batch.case) from None
        self.metrics.wrote(committed=committed)
        return committed

    def _after(self, batch: ProjectionBatch) -> Case | None:
        """Return the case in memory, brought to this batch; None if it is not there, or has other terms by now.

        The answer to a repeated request has the batch of the first time, to which the case does not go back.
        """
        case = self._committed.get(batch.number)
        if case is None or case.version > batch.case.version or case.later_terms != batch.case.later_terms:
            return None
        return case.with_progress(batch.case)

    async def _read(self, number: str) -> Case | None:
        try:
            return await self.reader.ask(get_case, number)
        except ProblemError:
            return None

    def _keep(self, case: Case) -> None:
        if case.version >= self.acknowledged(case.number):
            self._committed[case.number] = case
        self._committed.move_to_end(case.number)
        if len(self._committed) > MOST_CASES:
            self._committed.popitem(last=False)


def _behind_sql(what: str, number: str, entity: Progress | Incident) -> ProblemError:
    """Return the problem of a batch that SQL will never take."""
    detail = (
        f"SQL has other events of the {what}: its workflow was reset or replaced. What was sent is in Temporal alone,"
        f" as version {entity.version}; lists and reports keep what SQL has. An operator brings it back as SQL has it"
        f" by `hotline rebuild workflows --case {number}`; then send it again."
    )
    return ProblemError(BEHIND_SQL, detail, state=entity.state, version=entity.version, accepted=[])
