"""Rebuild of the read model from the histories of cases and incidents in Temporal (`hotline.recovery.histories`).

Notifications of events that SQL has lost count as sent, and callers whom those events name as looked up. Events that
SQL never had are published by their case; if the case has ended, this module writes them. Their notifications are sent.
SQL has lost events of a case if one of these holds:

- a command acknowledged a version that SQL lacks, or an activity had written it;
- the row of the case has that version, and an event of it is missing;
- a change that it lacks is not later than `in_sql_until`, up to which SQL once had every change;
- no such instant is known, the read model is empty, and another case shows that it was not.

The same holds for incidents, of which SQL has lost what an activity had written.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError

from activities.incidents import SLICE
from activities.names import complaint_id, incident_id
from activities.poller import now
from activities.recovery.report import STARTED_AGAIN, is_ahead
from activities.run_status import UndecodableError, UnopenedError, UnreadableError, describe_run, if_found, is_over
from domain.case.lifecycle import OPEN
from domain.case.state import ProjectionBatch
from domain.incident.incident import News, unsent_news
from hotline.recovery.histories import CaseHistory, IncidentHistory, chains, read_case, read_incident
from readmodel import incidents
from readmodel.base.database import ReadConnection, read_in_thread, write_in_thread, writing
from readmodel.callers import note_recognised
from readmodel.cases.queries import has_cases, states
from readmodel.people.workload import end_handover, handovers_under_way
from readmodel.projection import DivergedError, NotRegisteredError, RefusedBatchError, write
from readmodel.recovery import CaseRow, held
from workflows.bulk import HandoverWorkflow
from workflows.clients.bulk import handover_workflow_id
from workflows.clients.upkeep import last_report
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.entity import KEYS_KNOWN_FOR

logger = logging.getLogger(__name__)

CASES_AT_ONCE = 32
"""Histories that are read together, and written in one transaction."""

_Runs = Mapping[str, Sequence[WorkflowExecution]]
"""Workflow ids, and the runs of each, in any order."""
Progress = Callable[[int, int], None]
"""Callback with the number of cases that are done, and of all cases."""


class RebuiltRows(NamedTuple):
    """Result of a rebuild.

    `failed` are the errors of the workflows that could not be written: NotRegisteredError if Temporal has deleted the
    beginning, and SQL does not know it; DivergedError if SQL has other events; UnreadableError if another release has
    written the history; ForeignError if the service has not started it; UnopenedError if SQL may lack what a key that
    is not in the ring has sealed.

    `in_sql_alone` is the number of cases that SQL has and Temporal no longer has, `open_in_sql_alone` that of the open
    ones among them.
    """

    cases: int
    batches: int
    incidents: int
    failed: Mapping[str, Exception]
    in_sql_alone: int
    open_in_sql_alone: int

    def left_by(self, kind: type[Exception]) -> tuple[str, ...]:
        """Workflows with an error of exactly this kind, not of a subclass."""
        return tuple(one for one, error in self.failed.items() if type(error) is kind)


async def rebuild(client: Client, engine: Engine, progress: Progress = lambda _done, _of: None) -> RebuiltRows:
    """Write what cases and incidents have published, each row if it is missing or older. Repeating it does no harm.

    No row is deleted: what SQL has of cases that Temporal no longer has stays.

    Raises RPCError if Temporal does not answer, DBAPIError if SQL does not; written rows stay.
    """
    runs = await chains(client)
    in_sql_alone, open_in_sql_alone = await _count_in_sql_alone(client, engine, runs)
    until = await in_sql_until(client)
    if until is None and not await read_in_thread(engine, has_cases) and await _was_filled(client, runs):
        until = datetime.max.replace(tzinfo=UTC)
    done, batches, failed = 0, 0, dict[str, Exception]()
    for group in _groups(runs):
        written = await _rebuild_cases(client, engine, group, until)
        done += len(group)
        batches += written.batches
        failed |= written.failed
        progress(done, len(runs))
    cases = len(runs) - len(failed)
    incidents_found = 0
    for one, incident in (await chains(client, IncidentWorkflow)).items():
        try:
            await _restore_incident(engine, one, await read_incident(client, incident))
            incidents_found += 1
        except (UnreadableError, DivergedError) as error:
            failed[one] = error
    return RebuiltRows(cases, batches, incidents_found, failed, in_sql_alone, open_in_sql_alone)


def _groups(runs: _Runs) -> Iterator[_Runs]:
    ids = sorted(runs)
    for start in range(0, len(ids), CASES_AT_ONCE):
        yield {one: runs[one] for one in ids[start : start + CASES_AT_ONCE]}


async def _was_filled(client: Client, runs: _Runs) -> bool:
    """Return True if a command of any case acknowledged a version: the empty read model had cases before."""
    for group in _groups(runs):
        histories, _ = await _histories(client, group)
        if any(history.acknowledged for history in histories.values()):
            return True
    return False


async def _count_in_sql_alone(client: Client, engine: Engine, listed: Collection[str]) -> tuple[int, int]:
    """Count the cases that Temporal no longer has, and the open ones among them.

    The list may lag behind SQL: an open case that it lacks is asked for. Raises RPCError.
    """

    def missing(connection: ReadConnection) -> list[tuple[str, bool]]:
        found = ((complaint_id(number), state in OPEN) for number, state in states(connection))
        return [(one, is_open) for one, is_open in found if one not in listed]

    unlisted = await read_in_thread(engine, missing)
    open_in_sql_alone = [one for one, is_open in unlisted if is_open and await _is_gone(client, one)]
    return sum(not is_open for _, is_open in unlisted) + len(open_in_sql_alone), len(open_in_sql_alone)


async def _is_gone(client: Client, one: str) -> bool:
    try:
        return await describe_run(client, one) is None
    except UndecodableError:
        return False


async def in_sql_until(client: Client) -> datetime | None:
    """Instant up to which SQL once had every change, as the reconciler tells; None if it tells none.

    None as well if somebody has failed its activity so that nobody can read what it tells: people may hear twice then.
    """
    try:
        report = await last_report(client)
    except UndecodableError:
        return None
    return report.in_sql_until if report and not is_ahead(report.in_sql_until, now()) else None


async def repair_case(
    client: Client, engine: Engine, number: str, until: datetime | None, latest: WorkflowExecution | None = None
) -> bool:
    """Write one case from its history, as `rebuild` does; return False if something is left to the case.

    SQL once had every change `until` this instant. `latest` is its latest run as it is now, where Temporal's list must
    not lag behind.

    Raises NotRegisteredError if Temporal has deleted the case, or the beginning that SQL lacks, DivergedError if SQL
    has other events than Temporal, UnreadableError, and what `rebuild` raises.
    """
    runs: _Runs = await chains(client, condition=f'AND WorkflowId = "{complaint_id(number)}"')
    if latest:
        runs = {latest.id: with_latest(runs.get(latest.id, ()), latest)}
    if not runs:
        raise NotRegisteredError(f"Temporal has no workflow of {number}")
    written = await _rebuild_cases(client, engine, runs, until)
    for error in written.failed.values():
        raise error
    return not written.left


def with_latest(listed: Sequence[WorkflowExecution], latest: WorkflowExecution) -> list[WorkflowExecution]:
    """Put in the latest run as it is now: no earlier one runs, whatever the list says."""
    return [*(replace(run, status=latest.status) for run in listed if run.run_id != latest.run_id), latest]


async def repair_incidents(client: Client, engine: Engine, latest: WorkflowExecution | None = None) -> int:
    """Write incidents that SQL has lost, or shows as they were before, or all that one has told; return their number.

    An incident that has ended is written if SQL lacks it or shows it as open, or if it has told nobody something. If
    SQL shows it as closed, a run that SQL is ahead of is terminated: it was reset or started again. `latest` is the
    latest run of the only one to write. Raises what `rebuild` raises.
    """
    found: _Runs = await chains(client, IncidentWorkflow, f'AND WorkflowId = "{latest.id}"' if latest else "")
    if latest:
        found = {latest.id: with_latest(found.get(latest.id, ()), latest)}
    there = dict[str, incidents.IncidentVersion]()
    for group in _groups(found):  # somebody may have started more than one statement of SQL takes
        there |= await read_in_thread(engine, partial(incidents.incident_versions, numbers=[*map(_number, group)]))
    written = 0
    for one, runs in found.items():
        shown = there.get(_number(one))
        try:
            if shown and shown.is_over:
                await _end_if_behind(client, runs, shown.version)
                continue
            history = await read_incident(client, runs)
            if history.pending or history.lost or history.unopened or history.version > (shown.version if shown else 0):
                await _restore_incident(engine, one, history)
                written += 1
        except UnreadableError as error:
            logger.warning("the history of %s cannot be read: %s", one, error)
        except DivergedError as error:
            logger.warning("%s cannot be written: %s", one, error)
    return written


async def repair_others(client: Client, engine: Engine, task_queue: str) -> int:
    """Write incidents as `repair_incidents`, and end handovers that do not run on this queue; return their number."""
    ended = 0
    for one, ordered_at in (await read_in_thread(engine, handovers_under_way)).items():
        if await _ended(client, one, ordered_at, task_queue):
            logger.warning("handover %s was ended before it was done: order another one", one)
            await write_in_thread(engine, partial(end_handover, handover_id=one, at=now()))
            ended += 1
    return ended + await repair_incidents(client, engine)


async def _ended(client: Client, handover: str, ordered_at: datetime, task_queue: str) -> bool:
    """Return True if a handover has ended. One that was never started may still be, as long as its key is known."""
    try:
        found = await describe_run(client, handover_workflow_id(handover))
    except UndecodableError:  # it is listed
        return False
    if found is None:
        return now() - ordered_at > KEYS_KNOWN_FOR
    run = found.workflow_execution_info
    is_ours = (run.type.name, run.task_queue) == (HandoverWorkflow.__name__, task_queue)
    return is_over(WorkflowExecutionStatus(run.status)) or not is_ours


async def _end_if_behind(client: Client, runs: Sequence[WorkflowExecution], version: int) -> None:
    """Terminate a run of an incident that has not reached this version of SQL. Raises UnreadableError and RPCError."""
    for run in runs:
        if not is_over(run.status) and (await read_incident(client, [run])).opened().reached < version:
            logger.warning("%s is ended: %s", run.id, STARTED_AGAIN)
            await if_found(client.get_workflow_handle(run.id, run_id=run.run_id).terminate(reason=STARTED_AGAIN))


def _number(incident: str) -> str:
    return incident.removeprefix(incident_id(""))


class _Written(NamedTuple):
    """Numbers of batches that were written and left to their cases, and why workflows could not be written."""

    batches: int
    left: int
    failed: Mapping[str, Exception]


async def _rebuild_cases(client: Client, engine: Engine, runs: _Runs, until: datetime | None) -> _Written:
    """Write these cases. SQL once had every change `until` then; what it never had is left to a run that has it."""
    histories, unreadable = await _histories(client, runs)
    there = {one: found.version for one, found in (await read_in_thread(engine, partial(_held, ids=runs))).items()}
    histories = {one: history.beyond(there.get(one, 0)) for one, history in histories.items()}
    plans = {one: _plan(history, there.get(one, 0), until) for one, history in histories.items()}
    failed = unreadable | await asyncio.to_thread(_write, engine, plans)
    empty = [one for one, history in histories.items() if not (history.batches or one in there)]
    failed |= {one: NotRegisteredError(f"the beginning of {one} is missing") for one in empty}
    left = {one for one, plan in plans.items() if len(plan.batches) < len(histories[one].batches)}
    reset = [one for one, history in histories.items() if history.lost and (history.runs or one in left)]
    failed |= {one: DivergedError(f"{one} was reset: it lacks what an earlier run has told") for one in reset}
    failed |= await read_in_thread(engine, partial(_unopened, histories=histories))
    for one in left:
        with suppress(RPCError):  # it has ended meanwhile
            await client.get_workflow_handle(one).signal(ComplaintWorkflow.publish)
    written = sum(len(plan.batches) for plan in plans.values())
    return _Written(written, sum(len(history.batches) for history in histories.values()) - written, failed)


async def _histories(client: Client, runs: _Runs) -> tuple[dict[str, CaseHistory], dict[str, Exception]]:
    histories, unreadable = dict[str, CaseHistory](), dict[str, Exception]()

    async def read(one: str) -> None:
        try:
            histories[one] = await read_case(client, runs[one])
        except UnreadableError as error:
            unreadable[one] = error

    await asyncio.gather(*map(read, runs))
    return histories, unreadable


class _Plan(NamedTuple):
    """Batches of a case to write, and what counts as done of what SQL lacks.

    Notifications up to the version `sent` are sent; the caller whom the version `looked_up` names is looked up, None:
    SQL lacks no caller whom it once had.
    """

    batches: Sequence[ProjectionBatch]
    sent: int
    looked_up: int | None


def _plan(history: CaseHistory, version: int, until: datetime | None) -> _Plan:
    """Of the case, SQL has this `version`; 0 if it has none of it."""
    until = None if history.hidden else until
    once = [batch.case.version for batch in history.batches if until and batch.changed_at <= until]
    sent = max(version, history.acknowledged, *once)
    named = [batch.case.caller_version for batch in history.batches if batch.case.version <= sent]
    looked_up = max((each for each in named if each > max(version, 1)), default=None)
    if not (history.runs or history.lost):
        return _Plan(history.batches, sent, looked_up)
    written = [batch for batch in history.batches if batch.case.version <= sent or batch in history.lost]
    return _Plan(written, sent, looked_up)


def _held(connection: ReadConnection, ids: Iterable[str]) -> dict[str, CaseRow]:
    found = held(connection, [one.removeprefix(complaint_id("")) for one in ids])
    return {complaint_id(number): case for number, case in found.items()}


def _unopened(connection: ReadConnection, histories: Mapping[str, CaseHistory]) -> dict[str, UnopenedError]:
    """Errors of the histories in which an unknown key may have sealed changes that SQL lacks.

    The task that changes a case gives its workflow a later `ChangedAt`. If SQL has the latest, it lacks nothing, and
    somebody else has written what the key is said to have sealed.
    """
    errors = {one: history.unopened for one, history in histories.items() if history.unopened}
    there = _held(connection, errors)
    whole = {one for one, case in there.items() if case.is_whole and case.changed_at >= histories[one].changed_at}
    return {one: error for one, error in errors.items() if one not in whole}


def _write(engine: Engine, plans: Mapping[str, _Plan]) -> dict[str, Exception]:
    """All in one transaction, or else each alone; return the errors of those that cannot be written."""
    batches = [batch for plan in plans.values() for batch in plan.batches]
    sent = {batch.number: plan.sent for plan in plans.values() for batch in plan.batches}
    callers = {batch.number: plan.looked_up for plan in plans.values() if plan.looked_up for batch in plan.batches}
    try:
        if batches:
            with writing(engine) as connection:
                write(connection, batches, sent)
                # They were looked up then, and a registry that is not imported again yet knows nobody.
                for number, caller_version in callers.items():
                    note_recognised(connection, number, caller_version)
    except RefusedBatchError as error:
        if len(plans) == 1:
            return dict.fromkeys(plans, error)
        singly = (_write(engine, {one: plan}) for one, plan in plans.items())
        return {one: error for failed in singly for one, error in failed.items()}
    return {}


async def _restore_incident(engine: Engine, one: str, history: IncidentHistory) -> None:
    """Write an incident. Raises DivergedError, UnopenedError if SQL may lack what an unknown key has sealed."""
    try:
        await asyncio.to_thread(_write_incident, engine, history)
    except DivergedError:
        if history.lost:  # SQL may have what the last run has told in its place
            await asyncio.to_thread(_write_incident, engine, history._replace(lost=()))
        raise
    if history.unopened:
        there = await read_in_thread(engine, partial(incidents.incident_versions, numbers=[_number(one)]))
        if not any(shown.is_over for shown in there.values()):
            raise history.unopened


def _write_incident(engine: Engine, history: IncidentHistory) -> None:
    """Write an incident, its timeline and its news. What SQL never had is left to an incident that runs."""
    unsent = [*history.lost, *unsent_news(history.lost), *history.pending]
    for one, sent in [*((each, True) for each in history.written), *((each, False) for each in unsent)]:
        if isinstance(one, News):
            numbers = one.numbers
            if not (numbers or sent):
                with writing(engine) as connection:
                    numbers = incidents.linked(connection, one.incident)
            for start in range(0, len(numbers), SLICE):
                with writing(engine) as connection:
                    incidents.inform(connection, one, numbers[start : start + SLICE], sent=sent)
        else:
            with writing(engine) as connection:
                incidents.write(connection, one, sent=sent)
