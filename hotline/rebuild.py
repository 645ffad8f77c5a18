"""Fills the read model from Temporal: every case and incident writes again what it has published, out of its history.

A batch is in the history before it is written to SQL, so the histories hold every row but what became of notifications.
A batch that is still under way is left to its case, which goes on trying until it is written.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Engine
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from domain.case.automatic.settle import SETTLE, Settled
from domain.case.batch import ProjectionBatch
from domain.case.notifications import notifications
from domain.incident.batch import IncidentBatch
from domain.incident.notifications import News, incident_notifications, news_notifications
from domain.shared.notification import Notification
from readmodel import incidents
from readmodel.database import WriteConnection, writing
from readmodel.notifications import close, known
from readmodel.projection import NotRegisteredError, write
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow

CASES_AT_ONCE = 32
"""Histories that are read together, and written in one transaction."""
_OF_CASES: dict[str, type] = {"publish": ProjectionBatch}
_OF_INCIDENTS: dict[str, type] = {"publish_incident": IncidentBatch, "inform_callers": News}
"""The activities that write, by name, and what each is given to write."""

Progress = Callable[[int, int], None]
"""Hears how many cases are done, and of how many."""


class Rebuilt(NamedTuple):
    """Result of a rebuild. `lost` are workflows whose beginning Temporal has deleted, and that SQL does not know."""

    cases: int
    batches: int
    lost: tuple[str, ...]
    incidents: int = 0


class Run(NamedTuple):
    """One run of a case's workflow, with a history of its own."""

    started_at: datetime
    run_id: str
    ended: bool


async def rebuild(client: Client, engine: Engine, progress: Progress = lambda _done, _of: None) -> Rebuilt:
    """Write what cases and incidents have published, each row where it is missing or older; again without harm.

    Notifications that come back count as sent: nobody knows any more which were, and nobody shall hear twice.

    Raises RPCError where Temporal, DBAPIError where SQL does not answer; what was written by then stays.
    """
    runs = await chains(client)
    ids = sorted(runs)
    batches, lost = 0, list[str]()
    for start in range(0, len(ids), CASES_AT_ONCE):
        group = ids[start : start + CASES_AT_ONCE]
        histories = await asyncio.gather(*(published(client, one, runs[one]) for one in group))
        cases = dict(zip(group, histories, strict=True))
        lost += await asyncio.to_thread(_write, engine, cases)
        batches += sum(map(len, histories))
        progress(start + len(group), len(ids))
    return Rebuilt(len(ids) - len(lost), batches, tuple(lost), await _rebuild_incidents(client, engine))


async def _rebuild_incidents(client: Client, engine: Engine) -> int:
    """Write what the incidents have published, and which callers had their news; answer how many there are."""
    found = await _runs(client, IncidentWorkflow)
    for one, runs in sorted(found.items()):
        await asyncio.to_thread(_write_incident, engine, await _written(client, one, runs, _OF_INCIDENTS))
    return len(found)


async def chains(client: Client) -> dict[str, list[Run]]:
    """Return the runs of every case that Temporal still knows, by the id of its workflow."""
    return await _runs(client, ComplaintWorkflow)


async def _runs(client: Client, workflow: type) -> dict[str, list[Run]]:
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    async for found in client.list_workflows(f'WorkflowType = "{workflow.__name__}"'):
        ended = found.status is not WorkflowExecutionStatus.RUNNING
        runs[found.id].append(Run(found.start_time, found.run_id, ended))
    return runs


async def published(client: Client, workflow_id: str, runs: Sequence[Run]) -> list[ProjectionBatch]:
    """Return what the case has published and knows to be written, in order; of an ended run all it has published."""
    return await _written(client, workflow_id, runs, _OF_CASES)


async def _written(client: Client, workflow_id: str, runs: Sequence[Run], activities: Mapping[str, type]) -> list[Any]:
    found: list[Any] = []
    for run in sorted(runs):
        history = await _history(client, workflow_id, run)
        completed = {event.activity_task_completed_event_attributes.scheduled_event_id for event in history}
        for event in history:
            scheduled = event.activity_task_scheduled_event_attributes
            kind = activities.get(scheduled.activity_type.name)
            if kind and (run.ended or event.event_id in completed):
                found += await client.data_converter.decode(scheduled.input.payloads, [kind])
            found += await _lent(client, event)
    return found


async def _lent(client: Client, event: HistoryEvent) -> list[ProjectionBatch]:
    """Return the batch that an incident's round wrote for a case (`Settled`): it is in the result of the update."""
    done = event.workflow_execution_update_completed_event_attributes
    if not done.meta.update_id.startswith(SETTLE) or not done.outcome.success.payloads:
        return []
    [settled] = await client.data_converter.decode(done.outcome.success.payloads, [Settled])
    return [settled.batch] if settled.batch else []


async def _history(client: Client, workflow_id: str, run: Run) -> list[HistoryEvent]:
    """Return the events of the run; none if Temporal has just deleted it, as its list is slower than its retention."""
    try:
        return list((await client.get_workflow_handle(workflow_id, run_id=run.run_id).fetch_history()).events)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return []


def _write(engine: Engine, cases: Mapping[str, Sequence[ProjectionBatch]]) -> list[str]:
    """Write them, together if that goes; the ids of those that cannot be."""
    batches = list(chain.from_iterable(cases.values()))
    owed = (notifications(batch.number, event) for batch in batches for event in batch.events)
    try:
        if batches:
            _write_told(engine, chain.from_iterable(owed), partial(write, batches=batches))
    except NotRegisteredError:
        if len(cases) == 1:
            return list(cases)
        return [lost for one, found in cases.items() for lost in _write(engine, {one: found})]
    return []


def _write_incident(engine: Engine, found: Sequence[IncidentBatch | News]) -> None:
    """Write it, its timeline and its news."""
    for one in found:
        if isinstance(one, News):
            owed = [each for _, each in news_notifications(one, one.numbers)]
            _write_told(engine, owed, partial(incidents.inform, news=one, numbers=one.numbers))
        else:
            owed = [each for event in one.events for each in incident_notifications(one.incident, event)]
            _write_told(engine, owed, partial(incidents.write, batch=one))


def _write_told(engine: Engine, owed: Iterable[Notification], work: Callable[[WriteConnection], object]) -> None:
    """Write what owes these messages; those that come back by it count as sent."""
    keys = {notice.key for notice in owed}
    with writing(engine) as connection:
        there = known(connection, keys)
        work(connection)
        close(connection, keys - there)
