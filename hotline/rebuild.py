"""Rebuild of the read model from the histories of cases and incidents in Temporal.

A batch is in the history before it is written to SQL: in the result of an update or the input of an activity; the first
one follows from the start message. So the histories hold every row except the result of deliveries. The input of an
activity that is not done yet is left to its case, which retries until it is written.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Engine
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from domain.case.batch import ProjectionBatch, Returned
from domain.case.case import Case
from domain.case.intake import Registration
from domain.case.lifecycle import OPEN, State
from domain.case.notifications import notifications
from domain.incident.batch import IncidentBatch
from domain.incident.notifications import News, incident_notifications, news_notifications
from domain.shared.instants import to_milliseconds
from domain.shared.notification import Notification
from readmodel import incidents
from readmodel.case_queries import states, versions
from readmodel.database import WriteConnection, reading, writing
from readmodel.notifications import close, known
from readmodel.projection import NotRegisteredError, write
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow
from workflows.messages import ComplaintStart
from workflows.presentation.complaint import workflow_id

CASES_AT_ONCE = 32
"""Histories that are read together, and written in one transaction."""
WRITTEN: dict[str, type] = {"publish": ProjectionBatch, "publish_incident": IncidentBatch, "inform_callers": News}
"""Type of the argument of each activity that writes to SQL, by the name of the activity."""

Progress = Callable[[int, int], None]
"""Callback with the number of cases that are done, and of all cases."""


class Rebuilt(NamedTuple):
    """Result of a rebuild.

    `lost` are workflows whose beginning Temporal has deleted, and that SQL does not know. `kept` is the number of cases
    that SQL has and Temporal no longer has, `kept_open` that of the open ones among them.
    """

    cases: int
    batches: int
    lost: tuple[str, ...]
    incidents: int
    kept: int
    kept_open: int


async def rebuild(client: Client, engine: Engine, progress: Progress = lambda _done, _of: None) -> Rebuilt:
    """Write what cases and incidents have published, each row if it is missing or older. Repeating it does no harm.

    No row is deleted: what SQL has of cases that Temporal no longer has stays.

    Restored notifications count as sent: nothing tells which were, and none must be sent twice.

    Raises RPCError if Temporal does not answer, DBAPIError if SQL does not; written rows stay.
    """
    runs = await chains(client)
    ids = sorted(runs)
    kept = await asyncio.to_thread(_kept, engine, frozenset(ids))
    batches, lost = 0, list[str]()
    for start in range(0, len(ids), CASES_AT_ONCE):
        group = ids[start : start + CASES_AT_ONCE]
        histories = await asyncio.gather(*(published(client, runs[one]) for one in group))
        cases = dict(zip(group, histories, strict=True))
        lost += await asyncio.to_thread(_write, engine, cases)
        batches += sum(map(len, histories))
        progress(start + len(group), len(ids))
    incidents_found = await chains(client, IncidentWorkflow)
    for incident in incidents_found.values():
        await asyncio.to_thread(_write_incident, engine, await published(client, incident))
    return Rebuilt(
        len(ids) - len(lost),
        batches,
        tuple(lost),
        len(incidents_found),
        len(kept),
        sum(state in OPEN for state in kept),
    )


def _kept(engine: Engine, ids: Collection[str]) -> list[State]:
    """Return the state of each case in SQL that none of these workflows is."""
    with reading(engine) as connection:
        return [state for number, state in states(connection) if workflow_id(number) not in ids]


async def chains(client: Client, workflow: type = ComplaintWorkflow) -> dict[str, list[WorkflowExecution]]:
    """Return the runs that Temporal still knows of every case, or of every other workflow, by workflow id."""
    runs: defaultdict[str, list[WorkflowExecution]] = defaultdict(list)
    async for found in client.list_workflows(f'WorkflowType = "{workflow.__name__}"'):
        runs[found.id].append(found)
    return runs


async def published(client: Client, runs: Sequence[WorkflowExecution]) -> list[Any]:
    """Return what the workflow has published and knows to be written, in order; of an ended run all it has published.

    For a case these are values of `ProjectionBatch`, for an incident of `IncidentBatch` and `News`.
    """
    found: list[Any] = []
    for run in sorted(runs, key=attrgetter("start_time")):
        if run.status is WorkflowExecutionStatus.FAILED:  # its start was refused: there is no case
            continue
        ended = run.status is not WorkflowExecutionStatus.RUNNING
        history = await _history(client, run)
        completed = {event.activity_task_completed_event_attributes.scheduled_event_id for event in history}
        for event in history:
            scheduled = event.activity_task_scheduled_event_attributes
            kind = WRITTEN.get(scheduled.activity_type.name)
            if kind and (ended or event.event_id in completed):
                found += await client.data_converter.decode(scheduled.input.payloads, [kind])
            found += await returned(client.data_converter, event)
    return found


async def returned(converter: DataConverter, event: HistoryEvent) -> list[ProjectionBatch]:
    """Return the batch that the sender of this update or registration writes; none if there is none."""
    start = event.workflow_execution_started_event_attributes
    if start.workflow_type.name == ComplaintWorkflow.__name__:
        return await _registration(converter, start.input.payloads)
    done = event.workflow_execution_update_completed_event_attributes.outcome.success.payloads
    if not done:
        return []
    [answer] = await converter.decode(done, [Returned])
    return [answer.batch] if answer.batch else []


async def _registration(converter: DataConverter, payloads: Sequence[Payload]) -> list[ProjectionBatch]:
    [start] = await converter.decode(payloads, [ComplaintStart])
    if not isinstance(start.source, Registration):
        return []
    case, events = Case.register(start.source)
    return [ProjectionBatch.of(case, events, to_milliseconds(case.registered_at))]


async def _history(client: Client, run: WorkflowExecution) -> list[HistoryEvent]:
    """Return the events of the run; none if Temporal has deleted it but still lists it."""
    try:
        return list((await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()).events)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return []


def _write(engine: Engine, cases: Mapping[str, Sequence[ProjectionBatch]]) -> list[str]:
    """Write all cases in one transaction, or else each alone; return the ids of those whose beginning is missing."""
    batches = list(chain.from_iterable(cases.values()))
    with reading(engine) as connection:
        there = versions(connection, [one.removeprefix(workflow_id("")) for one, found in cases.items() if not found])
    lost = [one for one, found in cases.items() if not found and one.removeprefix(workflow_id("")) not in there]
    owed = (notifications(batch.number, event) for batch in batches for event in batch.events)
    try:
        if batches:
            _write_notified(engine, chain.from_iterable(owed), partial(write, batches=batches))
    except NotRegisteredError:
        if len(cases) == 1:
            return list(cases)
        return [each for one, found in cases.items() for each in _write(engine, {one: found})]
    return lost


def _write_incident(engine: Engine, found: Sequence[IncidentBatch | News]) -> None:
    """Write an incident, its timeline and its news."""
    for one in found:
        if isinstance(one, News):
            owed = news_notifications(one, one.numbers).values()
            _write_notified(engine, owed, partial(incidents.inform, news=one, numbers=one.numbers))
        else:
            told = (incident_notifications(one.incident, event) for event in one.events)
            _write_notified(engine, chain.from_iterable(told), partial(incidents.write, batch=one))


def _write_notified(engine: Engine, owed: Iterable[Notification], work: Callable[[WriteConnection], object]) -> None:
    """Do the work, which adds these notifications; mark those that were missing as sent."""
    keys = {notice.key for notice in owed}
    with writing(engine) as connection:
        there = known(connection, keys)
        work(connection)
        close(connection, keys - there)
