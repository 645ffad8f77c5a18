"""Rebuild of the read model from the histories of cases and incidents in Temporal (`hotline.histories`)."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from domain.case.batch import ProjectionBatch
from domain.case.lifecycle import OPEN, State
from domain.case.notifications import notifications
from domain.incident.batch import IncidentBatch
from domain.incident.notifications import News, incident_notifications, news_notifications
from domain.shared.notification import Notification
from hotline.histories import chains, read_case, read_incident
from readmodel import incidents
from readmodel.case_queries import states, versions
from readmodel.database import WriteConnection, reading, writing
from readmodel.notifications import close, known
from readmodel.projection import DivergedError, NotRegisteredError, write
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow
from workflows.presentation.complaint import workflow_id

CASES_AT_ONCE = 32
"""Histories that are read together, and written in one transaction."""

Progress = Callable[[int, int], None]
"""Callback with the number of cases that are done, and of all cases."""


class Rebuilt(NamedTuple):
    """Result of a rebuild.

    `lost` are workflows whose beginning Temporal has deleted, and that SQL does not know; `reset` those of which SQL
    has other events. `kept` is the number of cases that SQL has and Temporal no longer has, `kept_open` that of the
    open ones among them.
    """

    cases: int
    batches: int
    lost: tuple[str, ...]
    reset: tuple[str, ...]
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
    batches, failed = 0, dict[str, Exception]()
    for start in range(0, len(ids), CASES_AT_ONCE):
        group = ids[start : start + CASES_AT_ONCE]
        written = await _rebuild_cases(client, engine, {one: runs[one] for one in group})
        batches += written.batches
        failed |= written.failed
        progress(start + len(group), len(ids))
    incidents_found = await chains(client, IncidentWorkflow)
    for incident in incidents_found.values():
        await asyncio.to_thread(_write_incident, engine, await read_incident(client, incident))
    return Rebuilt(
        len(ids) - len(failed),
        batches,
        tuple(one for one, error in failed.items() if not isinstance(error, DivergedError)),
        tuple(one for one, error in failed.items() if isinstance(error, DivergedError)),
        len(incidents_found),
        len(kept),
        sum(state in OPEN for state in kept),
    )


def _kept(engine: Engine, ids: Collection[str]) -> list[State]:
    """Return the state of each case in SQL that none of these workflows is."""
    with reading(engine) as connection:
        return [state for number, state in states(connection) if workflow_id(number) not in ids]


async def repair_case(client: Client, engine: Engine, number: str) -> None:
    """Write one case from its history, as `rebuild` does.

    Raises NotRegisteredError if Temporal has deleted the beginning that SQL lacks, DivergedError if SQL has other
    events than Temporal, and what `rebuild` raises.
    """
    runs = await chains(client, condition=f'AND WorkflowId = "{workflow_id(number)}"')
    for error in (await _rebuild_cases(client, engine, runs)).failed.values():
        raise error


class _Written(NamedTuple):
    """Number of batches that were written, and the errors of the workflows that could not be written."""

    batches: int
    failed: Mapping[str, Exception]


async def _rebuild_cases(client: Client, engine: Engine, runs: Mapping[str, Sequence[WorkflowExecution]]) -> _Written:
    """Write these cases. What SQL was never known to have is left to a case that runs: nobody was told of it yet."""
    read = await asyncio.gather(*(read_case(client, found) for found in runs.values()))
    histories = dict(zip(runs, read, strict=True))
    there = await asyncio.to_thread(_versions, engine, runs)
    batches, behind = dict[str, Sequence[ProjectionBatch]](), list[str]()
    for one, history in histories.items():
        version = there.get(one, 0)
        left = history.runs and 0 < version >= history.acknowledged
        batches[one] = [each for each in history.batches if not left or each.case.version <= version]
        if len(batches[one]) < len(history.batches):
            behind.append(one)
    failed = await asyncio.to_thread(_write, engine, batches, there)
    for one in behind:
        with suppress(RPCError):  # it has ended meanwhile
            await client.get_workflow_handle(one).signal(ComplaintWorkflow.publish)
    return _Written(sum(map(len, batches.values())), failed)


def _versions(engine: Engine, ids: Iterable[str]) -> dict[str, int]:
    """Return the version of each of these workflows' cases in SQL; one without a row is left out."""
    with reading(engine) as connection:
        found = versions(connection, [one.removeprefix(workflow_id("")) for one in ids])
    return {workflow_id(number): version for number, version in found.items()}


def _write(
    engine: Engine, cases: Mapping[str, Sequence[ProjectionBatch]], there: Collection[str]
) -> dict[str, Exception]:
    """Write all cases in one transaction, or else each alone; return the errors of those that cannot be written.

    SQL has the cases `there`.
    """
    batches = list(chain.from_iterable(cases.values()))
    empty = [one for one, found in cases.items() if not found and one not in there]
    owed = (notifications(batch.number, event) for batch in batches for event in batch.events)
    try:
        if batches:
            _write_notified(engine, chain.from_iterable(owed), partial(write, batches=batches))
    except NotRegisteredError as error:
        if len(cases) == 1:
            return dict.fromkeys(cases, error)
        singly = (_write(engine, {one: found}, there) for one, found in cases.items())
        return {one: error for failed in singly for one, error in failed.items()}
    return {one: NotRegisteredError(f"the beginning of {one} is missing") for one in empty}


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
