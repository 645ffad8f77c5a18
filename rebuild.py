"""Fills the read model from Temporal: every case writes again what it has published, out of its history.

A batch is in the history before it is written to SQL, so the histories hold every row but what became of notifications.
A batch that is still under way is left to its case, which goes on trying until it is written.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Engine
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.projection import Projection
from domain.batch import Batch
from domain.notices import notices
from readmodel.database import writing
from readmodel.mailbox import close, known
from readmodel.projection import NotRegisteredError, write
from workflows.complaint import ComplaintWorkflow

CASES_AT_ONCE = 32
"""Histories that are read together, and written in one transaction."""
_CASES = f'WorkflowType = "{ComplaintWorkflow.__name__}"'
_ACTIVITY = Projection.publish.__name__

Progress = Callable[[int, int], None]
"""Hears how many cases are done, and of how many."""


class Rebuilt(NamedTuple):
    """What was found. `lost` are workflows whose beginning Temporal has forgotten, and that SQL does not know."""

    cases: int
    batches: int
    lost: tuple[str, ...]


class Run(NamedTuple):
    """One run of a case's workflow, with a history of its own."""

    started_at: datetime
    run_id: str
    ended: bool


async def rebuild(client: Client, engine: Engine, progress: Progress = lambda _done, _of: None) -> Rebuilt:
    """Write what the cases have published, each row where it is missing or older; again without harm.

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
    return Rebuilt(len(ids) - len(lost), batches, tuple(lost))


async def chains(client: Client) -> dict[str, list[Run]]:
    """The runs of every case that Temporal still knows, by the id of its workflow."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    async for found in client.list_workflows(_CASES):
        ended = found.status is not WorkflowExecutionStatus.RUNNING
        runs[found.id].append(Run(found.start_time, found.run_id, ended))
    return runs


async def published(client: Client, workflow_id: str, runs: Sequence[Run]) -> list[Batch]:
    """What the case has published and been told is written, in order. Of an ended run also what was under way."""
    batches: list[Batch] = []
    for run in sorted(runs):
        history = await _history(client, workflow_id, run)
        completed = {event.activity_task_completed_event_attributes.scheduled_event_id for event in history}
        for event in history:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == _ACTIVITY and (run.ended or event.event_id in completed):
                batches += await client.data_converter.decode(scheduled.input.payloads, [Batch])
    return batches


async def _history(client: Client, workflow_id: str, run: Run) -> list[HistoryEvent]:
    """The events of the run; none where Temporal has just forgotten it, as its list is slower than its retention."""
    try:
        return list((await client.get_workflow_handle(workflow_id, run_id=run.run_id).fetch_history()).events)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return []


def _write(engine: Engine, cases: Mapping[str, Sequence[Batch]]) -> list[str]:
    """Write them, together if that goes; the ids of those that cannot be."""
    batches = list(chain.from_iterable(cases.values()))
    owed = (notices(batch.number, event, batch.progress) for batch in batches for event in batch.events)
    keys = {notice.key for notice in chain.from_iterable(owed)}
    try:
        if batches:
            with writing(engine) as connection:
                there = known(connection, keys)
                write(connection, batches)
                close(connection, keys - there)
    except NotRegisteredError:
        if len(cases) == 1:
            return list(cases)
        return [lost for one, found in cases.items() for lost in _write(engine, {one: found})]
    return []
