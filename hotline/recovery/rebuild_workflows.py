"""Rebuild of lost workflows from SQL: of cases and incidents that are not over, and that Temporal does not run.

A workflow is lost if somebody terminated, deleted or reset it, or if Temporal has lost its database. The case is folded
from its events, and a workflow is started from it. Clocks are ledgers, so escalation steps that fell due meanwhile
happen once, and none happens again; notifications that were sent are rows. What a terminated run has told nobody is
written to SQL first.

A workflow that runs and agrees with SQL is never touched, and of two rebuilds at once one finds it running.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecution
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.cases import BulkThrottle, for_each
from activities.names import complaint_id, incident_id
from activities.poller import now
from activities.recovery.case_workflows import CaseWorkflows
from activities.run_status import (
    NOT_OVER,
    PAUSED,
    UNPAUSE,
    ForeignError,
    UndecodableError,
    UnopenedError,
    UnreadableError,
    describe_run,
    if_found,
    is_over,
)
from domain.incident.state import LINKS_NEW_CASES
from domain.kit.event import BaseEvent
from domain.shared.numbers import is_incident
from domain.shared.value import Start
from hotline.recovery.histories import IncidentHistory, is_foreign, keys_seen, read_incident
from hotline.recovery.rebuild import Progress, in_sql_until, repair_case, repair_incidents, with_latest
from readmodel import recovery
from readmodel.base.database import ReadConnection, read_in_thread, write_in_thread
from readmodel.projection import DivergedError, NotRegisteredError
from workflows.clients.complaints import complaint_options
from workflows.clients.incidents import incident_options
from workflows.clients.start import Request, request_of, start_once
from workflows.complaint.messages import start_from
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import RECENT, IncidentStart, lines
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.entity import KEYS_KNOWN_FOR, MOST_KEYS, Done
from workflows.kit.search_attributes import CHANGED_AT
from workflows.kit.words import CatalogueNames

AT_ONCE = 8
"""Workflows that are started at the same time."""
REPLACED = "hotline rebuild workflows: it was reset, and SQL has more or other events"
"""Reason with which a reset run is terminated."""
FOREIGN = "a workflow that the service has not started runs under its id: terminate it, and run the command again"
"""Reason for which a case is not rebuilt that somebody else has replaced."""
KEY_LOST = (
    "Add the key by `hotline keys merge`. If it is lost for good, or nobody has had it, terminate the workflow if it"
    " runs, and run the command again; if it still says so, with --drop-unopened, which drops what SQL lacks."
)
"""Remedy of a case whose history is sealed with an unknown key."""
STARTED, RUNS, OVER = "started", "runs", "over"
"""Results for a case or incident: its workflow was started, ran already, or is not needed any more."""

T = TypeVar("T")


class NotRebuiltError(Exception):
    """Error for a case or incident whose workflow cannot be rebuilt; the text says why."""


class RebuiltWorkflows(NamedTuple):
    """Numbers of cases and incidents by their result, and why the others could not be rebuilt, by number."""

    counts: Mapping[str, int]
    failed: Mapping[str, str]


@dataclass
class WorkflowRebuild:
    """Rebuild of workflows. `names` returns those of the catalogue in force, which an incident shows.

    `drop_unopened`: drop changes of ended workflows that SQL may lack, as an unknown key has sealed them.
    """

    client: Client
    engine: Engine
    task_queue: str
    names: Callable[[], CatalogueNames]
    drop_unopened: bool = False
    _until: datetime | None = field(default=None, init=False)

    async def all(self, progress: Progress = lambda _done, _of: None) -> RebuiltWorkflows:
        """Rebuild every workflow that is lost, incidents first, as cases tell them that they belong to them.

        A case that runs is read only if SQL has another last change, or has marked it as reset: a reset run to
        which its updates were applied again has a later one. Raises RPCError and DBAPIError; what was started stays,
        and a further call goes on from there.
        """
        self._until = await in_sql_until(self.client)
        await repair_incidents(self.client, self.engine)
        workflows = CaseWorkflows(self.client, BulkThrottle(), self.task_queue)
        found = await read_in_thread(self.engine, recovery.incidents_not_over)
        not_over = await read_in_thread(self.engine, partial(recovery.cases_not_over, at=now()))
        running = {number: seen async for chunk in workflows.chunks(NOT_OVER) for number, seen in chunk.items()}
        lost = [
            number
            for number, known in not_over.items()
            if number not in running or running[number].changed_at != known.changed_at or known.lost
        ]
        counts, failed = Counter[str](), dict[str, str]()

        async def attempt(number: str) -> None:
            try:
                counts[await (self.incident if is_incident(number) else self.case)(number)] += 1
            except NotRebuiltError as error:
                failed[number] = str(error)
            progress(counts.total() + len(failed), len(found) + len(lost))

        for numbers in (found, lost):
            await for_each(numbers, attempt, AT_ONCE)
        return RebuiltWorkflows(counts, failed)

    async def one(self, number: str) -> str:
        """Start with the incident of a case. Raises NotRebuiltError, RPCError and DBAPIError."""
        self._until = await in_sql_until(self.client)
        if is_incident(number):
            return await self.incident(number)
        recorded = await self._recorded(recovery.recorded_case, number)
        if recorded.case.incident and not recorded.case.settled:
            with suppress(NotRebuiltError):  # the case leaves an incident that it cannot tell
                await self.incident(recorded.case.incident)
        return await self.case(number)

    async def case(self, number: str) -> str:
        """Rebuild the workflow of a case; return the result. Raises NotRebuiltError, RPCError and DBAPIError."""
        recorded = await self._recorded(recovery.recorded_case, number)
        latest = await self._latest(complaint_id(number))
        if latest:
            agrees = await self._agrees(number, latest, recorded.changed_at)
            if not is_over(latest.status):
                if not agrees:
                    await self._replace(latest)
                    return await self.case(number)
                await self._unmark(number)
                return RUNS
            recorded = await self._recorded(recovery.recorded_case, number)
        case = recorded.case
        if case.is_over(now()):
            return OVER
        start = start_from(case, recorded.events, recorded.changed_at, await self._keys(latest, recorded.events))
        result = await self._start(latest, ComplaintWorkflow.run, start, **complaint_options(case, recorded.changed_at))
        await self._unmark(number)
        return result

    async def incident(self, number: str) -> str:
        """Rebuild the workflow of an incident; return the result. Raises NotRebuiltError, RPCError and DBAPIError."""
        latest = await self._latest(incident_id(number))
        if latest and is_over(latest.status):
            await repair_incidents(self.client, self.engine, latest)
        found = await self._recorded(recovery.recorded_incident, number)
        if latest and not is_over(latest.status):
            # SQL was read before: a run that is not reset has all that SQL had then.
            history = await self._incident_history(latest)
            if history.agrees_with(found.events) and not history.lost_beside(found.events):
                return RUNS
            await self._replace(latest)
            return await self.incident(number)
        if found.incident.over:
            return OVER
        if latest and not self.drop_unopened:
            await self._incident_history(latest)
        names = self.names()
        start = IncidentStart(
            source=found.incident,
            waiting=tuple(found.waiting),
            counts=found.counts,
            seen=await self._keys(latest, found.events),
            sender_version=found.incident.version,
            changed_at=found.events[-1].at,
            gather=found.incident.state in LINKS_NEW_CASES,
            absorbed=found.absorbed,
            names=names,
            recent=tuple(lines(found.events[-RECENT:], found.incident, names)),
        )
        return await self._start(latest, IncidentWorkflow.run, start, **incident_options(found.incident, names))

    async def _latest(self, one: str) -> WorkflowExecution | None:
        """Run that there is now, or the latest that the service has started; None if Temporal has none."""
        listed: Sequence[WorkflowExecution] = ()
        try:
            await describe_run(self.client, one)  # which fails at once for what cannot be decoded
            found: WorkflowExecution | None = await if_found(self.client.get_workflow_handle(one).describe())
        except UndecodableError:
            # Temporal keeps a failure that nests too deep, also when the run has ended. The list does not have it.
            listed = await self._listed(one)
            found = next(iter(listed), None)
        if found is None or not (is_over(found.status) and await is_foreign(self.client, found)):
            return found
        for run in listed or await self._listed(one):
            if not await is_foreign(self.client, run):
                return run
        return None

    async def _listed(self, one: str) -> list[WorkflowExecution]:
        """With the latest first."""
        listed = [run async for run in self.client.list_workflows(f'WorkflowId = "{one}"')]
        return sorted(listed, key=attrgetter("start_time"), reverse=True)

    async def _agrees(self, number: str, latest: WorkflowExecution, changed_at: datetime) -> bool:
        """Return False if SQL has more than the workflow, or other events. What SQL lacks of it is written first.

        Raises NotRebuiltError if its history cannot be read, as SQL may lack what it holds.
        """
        runs = not is_over(latest.status)
        try:
            await repair_case(self.client, self.engine, number, self._until, latest)
        except DivergedError:
            return False
        except NotRegisteredError:  # Temporal has deleted its beginning
            pass
        except ForeignError:
            if runs:
                raise NotRebuiltError(FOREIGN) from None
        except UnreadableError as error:
            if runs or not (self.drop_unopened and isinstance(error, UnopenedError)):
                raise _unread(error) from None
        return (latest.typed_search_attributes.get(CHANGED_AT) or latest.start_time) >= changed_at

    async def _incident_history(self, latest: WorkflowExecution) -> IncidentHistory:
        """Raise NotRebuiltError if it cannot be read, or if SQL may lack what an unknown key has sealed of it."""
        try:
            return (await read_incident(self.client, with_latest(await self._listed(latest.id), latest))).opened()
        except UnreadableError as error:
            raise _unread(error) from None

    async def _replace(self, latest: WorkflowExecution) -> None:
        """Terminate a run that was reset, by its run id. Raises NotRebuiltError of a paused one."""
        if latest.status == PAUSED:
            raise NotRebuiltError(f"its workflow is paused. {UNPAUSE}")
        await if_found(self.client.get_workflow_handle(latest.id, run_id=latest.run_id).terminate(reason=REPLACED))

    async def _keys(self, latest: WorkflowExecution | None, events: Sequence[BaseEvent]) -> dict[str, Done]:
        if latest is None:
            return {}
        try:
            runs = with_latest(await self._listed(latest.id), latest)
            seen = await keys_seen(self.client, runs, events)
        except UnreadableError:
            return {}
        fresh = [(key, done) for key, done in seen.items() if now() - done.done_at <= KEYS_KNOWN_FOR]
        return dict(sorted(fresh, key=lambda each: each[1].done_at)[-MOST_KEYS:])

    async def _start(self, latest: WorkflowExecution | None, run: Any, start: Start, **options: Any) -> str:  # noqa: ANN401 - those of the SDK
        request = await request_of(latest) if latest else Request(key="")
        try:
            again = WorkflowIDReusePolicy.ALLOW_DUPLICATE
            started = await start_once(
                self.client, request, run, start, reuse=again, task_queue=self.task_queue, **options
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            raise NotRebuiltError(f"Temporal does not take it: {error}") from None
        return STARTED if started else RUNS

    async def _unmark(self, number: str) -> None:
        """Remove the mark of a lost workflow, also one that a sweep has made since the case was read."""
        await write_in_thread(self.engine, partial(recovery.mark, reasons={number: None}))

    async def _recorded(self, query: Callable[[ReadConnection, str], T | None], number: str) -> T:
        """Raise NotRebuiltError if SQL has recorded nothing, or not all."""
        try:
            found = await read_in_thread(self.engine, lambda connection: query(connection, number))
        except ValueError as error:
            why = type(error).__name__ if isinstance(error, ValidationError) else error
            raise NotRebuiltError(f"SQL does not have all of its events: {why}") from None
        if found is None:
            raise NotRebuiltError("SQL does not have it")
        return found


def _unread(error: UnreadableError) -> NotRebuiltError:
    if isinstance(error, UnopenedError):
        return NotRebuiltError(f"SQL may lack what its workflow holds: {error}. {KEY_LOST}")
    return NotRebuiltError(f"the history of its workflow cannot be read: {error}")
