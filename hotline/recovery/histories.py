"""Histories of cases and incidents in Temporal, and the batches for SQL that they hold.

A batch is in the history before it is written to SQL: in the result of an update or the input of an activity; the first
one follows from the start message. So the histories hold every row except the result of deliveries.
"""

import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple, Self, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from activities.names import CHANGED_AT, complaint_id
from activities.run_status import ForeignError, UnopenedError, UnreadableError, instant, is_over, read_events
from activities.sealing.stamps import COMMAND, START, UnknownKeyError, start_fault
from domain.case.case import Case
from domain.case.state import BatchAnswer, ProjectionBatch
from domain.incident.incident import Incident, IncidentBatch, News, unsent_news
from domain.incident.state import IncidentEvent
from domain.kit.event import BaseEvent
from domain.shared.numbers import is_number
from domain.shared.value import to_milliseconds
from hotline.recovery.payloads import ANSWER_KIND, Origin, WriteRequest, read_message, write_requested
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import IncidentOutcome, IncidentStart
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.entity import Done

_INCIDENT = re.compile(r"incident-i[0-9]+")
_NEVER = datetime.min.replace(tzinfo=UTC)
T = TypeVar("T")
_foreign = deque[str](maxlen=10_000)
"""Ids of runs that were found foreign lately, which they stay: the first event of a run does not change."""


class CaseHistory(NamedTuple):
    """Batches of a case, in order; the version that SQL is known to have had; and if the case still runs.

    `rebuilt` is the version with which a rebuild from SQL started the workflow anew, after `before` of the batches; 0
    if none did. `hidden`: its `ChangedAt`, by which the reconciler sees what SQL lacks, was set back.

    `unopened` is the error for what an unknown key has sealed since that rebuild, `changed_at` the latest `ChangedAt`
    since then, which is in clear. `lost` are the batches of all runs since then but the last one, if the last one lacks
    any of them: somebody has reset the case, or started it again.
    """

    batches: list[ProjectionBatch]
    acknowledged: int
    runs: bool
    rebuilt: int = 0
    before: int = 0
    hidden: bool = False
    unopened: UnopenedError | None = None
    changed_at: datetime = _NEVER
    lost: Sequence[ProjectionBatch] = ()

    def beyond(self, version: int) -> "CaseHistory":
        """Leave out the runs before a rebuild, if SQL has this version and so what they had.

        A run that was reset has other events than SQL, which the rebuild has dropped.
        """
        return self._replace(batches=self.batches[self.before :]) if version >= self.rebuilt else self


class IncidentHistory(NamedTuple):
    """Batches and news of an incident that activities have written, and those not yet written; none if it still runs.

    An incident that runs writes them itself. News without numbers are for all cases that SQL shows as linked: the
    incident had not begun to tell them. `unopened` is the error for what an unknown key has sealed since SQL last
    had everything: at the start of a run that goes on from another one or was rebuilt. `lost` are those not yet
    written of all runs since a rebuild but the last one: somebody has reset the incident, or started it again.
    `reached` is the version that the last run has reached, `told` are those of its events that its history holds.
    """

    written: list[IncidentBatch | News]
    pending: list[IncidentBatch | News]
    unopened: UnopenedError | None
    lost: Sequence[IncidentBatch | News]
    reached: int
    told: Mapping[int, IncidentEvent]

    @property
    def version(self) -> int:
        """Version that SQL is known to have had; 0 if none is known."""
        return max((each.incident.version for each in self.written if isinstance(each, IncidentBatch)), default=0)

    def lost_beside(self, events: Sequence[IncidentEvent]) -> int:
        """Version up to which these events of SQL lack what is lost; 0 if they lack nothing."""
        events_lost = (event for each in self.lost if isinstance(each, IncidentBatch) for event in each.events)
        return max((event.seq for event in events_lost if event not in events), default=0)

    def agrees_with(self, events: Sequence[IncidentEvent]) -> bool:
        """Return False if the last run lacks one of these events of SQL, or has another in its place."""
        return self.reached >= len(events) and all(self.told.get(each.seq, each) == each for each in events)

    def opened(self) -> Self:
        """Raise UnopenedError if there is something `unopened`."""
        if self.unopened:
            raise self.unopened
        return self


class _Versioned(BaseModel):
    """Part of a case or incident that a start message carries; both begin with version 1."""

    version: int = 1


class _Started(BaseModel):
    """Part of the start message of a case or incident: as it began or a run carried it over, and the keys it knew."""

    source: _Versioned
    seen: dict[str, Done] = {}


class _Sent(BaseModel):
    """Part of an update that tells what its sender knew SQL to have, and its key."""

    acknowledged: int | None = None
    key: str = ""
    digest: str = ""


class _Answered(BaseModel):
    """Part of the answer to a command: what was done, of which request, and the version that it led to."""

    action: str = ""
    digest: str = ""
    version: int = 0


async def chains(
    client: Client, workflow: type = ComplaintWorkflow, condition: str = ""
) -> dict[str, list[WorkflowExecution]]:
    """By workflow id, the runs that Temporal still knows of every case, or of every other workflow.

    Those whose start was refused are left out; so are those under ids that the service does not give. `condition`
    narrows Temporal's list; it begins with `AND`.
    """
    runs: defaultdict[str, list[WorkflowExecution]] = defaultdict(list)
    async for found in client.list_workflows(f'WorkflowType = "{workflow.__name__}" {condition}'):
        number = found.id.removeprefix(complaint_id(""))
        is_case = found.id == complaint_id(number) and is_number(number)
        if not (is_case if workflow is ComplaintWorkflow else _INCIDENT.fullmatch(found.id)):
            continue
        # A run of ours fails only by what somebody else's worker answers for it.
        if found.status is not WorkflowExecutionStatus.FAILED or not await is_foreign(client, found):
            runs[found.id].append(found)
    return runs


async def is_foreign(client: Client, run: WorkflowExecution) -> bool:
    """Return True if the service has not started a run, False as well if that cannot be told (any more)."""
    if run.run_id not in _foreign:
        try:
            if first := await anext(read_events(client, run.raw_info.execution, size=1), None):
                await _check_start(Origin(client.data_converter, client.namespace, run.id), first)
        except UnreadableError as error:
            if isinstance(error, ForeignError):
                _foreign.append(run.run_id)
    return run.run_id in _foreign


async def read_case(client: Client, runs: Sequence[WorkflowExecution]) -> CaseHistory:
    """Raise UnreadableError; for an unknown key only of a case that runs."""
    batches, acknowledged, under_way = list[ProjectionBatch](), 0, dict[int, WriteRequest]()
    rebuilt, starts, before = 0, set[bytes](), 0
    own, begun = 0, 0  # of the run that is read: its first batch, and the version with which it began
    changes, since, unopened = list[datetime](), 0, None
    async for origin, event in _events(client, runs):
        changes += _changes_shown(event)
        try:
            start = await _first_start(origin, event, ComplaintWorkflow, ComplaintStart)
            started = event.workflow_execution_started_event_attributes.input
            with suppress(UnreadableError):  # of an ended run
                if carried := await read_message(origin, started.payloads, START, _Started):
                    own, begun = len(batches), carried.source.version
            message = started.SerializeToString(deterministic=True)
            # A reset copies the start, as somebody can: the run before it went on with the same version. Deterministic:
            # a payload's metadata have no order of their own.
            if start and isinstance(start.source, Case) and start.source.version >= rebuilt and message not in starts:
                rebuilt, before, since, unopened = start.source.version, len(batches), len(changes), None
                starts.add(message)
            batches += await returned(origin, event)
            if request := await write_requested(origin, event):
                batches.append(request.argument)
                under_way[event.event_id] = request
            done = under_way.get(event.activity_task_completed_event_attributes.scheduled_event_id)
            if done and await done.is_done(origin, event):
                acknowledged = max(acknowledged, done.argument.case.version)
            if command := await _sent(origin, event):
                acknowledged = max(acknowledged, command.acknowledged or 0)
        except UnopenedError as error:
            unopened = error
    if unopened and _still_runs(runs):
        raise unopened
    hidden, changed_at = changes != sorted(changes), max(changes[since:], default=_NEVER)
    lost = _lost(batches[before:own], batches[own:], begun)
    return CaseHistory(batches, acknowledged, _still_runs(runs), rebuilt, before, hidden, unopened, changed_at, lost)


def _lost(ended: Sequence[ProjectionBatch], own: Sequence[ProjectionBatch], begun: int) -> Sequence[ProjectionBatch]:
    """Batches of ended runs, if a run lacks any of them that began with this version."""
    has = {(batch.case.version, batch.changed_at) for batch in own}
    of_ended = {(batch.case.version, batch.changed_at) for batch in ended if batch.case.version > begun}
    return () if of_ended <= has else ended


def _changes_shown(event: HistoryEvent) -> list[datetime]:
    """`ChangedAt` that this event gives the run, in clear; none if it gives none."""
    shown = (
        event.workflow_execution_started_event_attributes,
        event.upsert_workflow_search_attributes_event_attributes,
    )
    given = (each.search_attributes.indexed_fields.get(CHANGED_AT) for each in shown)
    return [instant(from_json(each.data or b"null")) for each in given if each is not None]


async def read_incident(client: Client, runs: Sequence[WorkflowExecution]) -> IncidentHistory:
    """Only what its runs have given to activities and senders to write. Raises UnreadableError."""
    pending, waiting = dict[int, WriteRequest](), dict[int, IncidentBatch | News]()  # of the run that is read
    written, ended = list[IncidentBatch | News](), list[IncidentBatch | News]()
    starts, begun, unopened = set[bytes](), 0, None
    begun_with, own = 0, list[IncidentBatch | News]()  # of the run that is read
    async for origin, event in _events(client, runs):
        started = event.workflow_execution_started_event_attributes
        try:
            if start := await read_message(origin, started.input.payloads, START, _Started):
                ended += waiting.values()
                pending, waiting, begun_with, own = {}, {}, start.source.version, []
                # A reset copies the start, as somebody can: the run before it went on.
                if (message := started.input.SerializeToString(deterministic=True)) not in starts:
                    unopened = None
                    starts.add(message)
                    if not started.continued_execution_run_id:  # rebuilt from SQL, without what that lacked
                        ended, begun = [], len(written)
            batches: list[IncidentBatch | News] = [*await _returned_of_incident(origin, event)]
            if request := await write_requested(origin, event):
                pending[event.event_id], batches = request, [request.argument]
            for batch in batches:
                own.append(batch)
                waiting[event.event_id] = batch
            await _sent(origin, event)  # for its key: what it did is in the answer
        except UnopenedError as error:
            unopened = error
        completed = event.activity_task_completed_event_attributes.scheduled_event_id
        if (done := pending.get(completed)) and await done.is_done(origin, event):
            written.append(waiting.pop(completed))
    has = [part for each in written for part in _parts(each)]
    lost, left = (
        [each for each in given if any(part not in has for part in _parts(each))] for given in (ended, waiting.values())
    )
    told = {part.seq: part for each in own for part in _parts(each) if isinstance(part, IncidentEvent)}
    history = IncidentHistory(written, [], unopened, lost, max([begun_with, *told]), told)
    if _still_runs(runs):
        return history
    asked = [each for each in lost if isinstance(each, News)]
    return history._replace(pending=[*left, *unsent_news([*written[begun:], *asked, *left])])


def _parts(batch: IncidentBatch | News) -> Sequence[IncidentEvent | News]:
    return batch.events if isinstance(batch, IncidentBatch) else [batch]


def _still_runs(runs: Sequence[WorkflowExecution]) -> bool:
    return not all(is_over(run.status) for run in runs)


async def keys_seen(client: Client, runs: Sequence[WorkflowExecution], events: Sequence[BaseEvent]) -> dict[str, Done]:
    """Keys of the commands that these runs have carried out, if they led to these events.

    `events` are those of the case or incident in SQL, from the first one on. What cannot be read is left out. Raises
    ForeignError.
    """
    sent, seen = dict[int, _Sent](), dict[str, Done]()
    async for origin, event in _events(client, runs):
        with suppress(UnreadableError):
            started = event.workflow_execution_started_event_attributes.input.payloads
            if carried := await read_message(origin, started, START, _Started):
                seen |= carried.seen
            if command := await _sent(origin, event):
                sent[event.event_id] = command
            command = sent.get(event.workflow_execution_update_completed_event_attributes.accepted_event_id)
            answer = await _answer(origin, event, _Answered)
            if not (command and command.key and answer and 0 < answer.version <= len(events)):
                continue
            # Else it is an answer to another command, or of a run that was reset.
            if (answer.digest, answer.action) == (command.digest, events[answer.version - 1].action):
                seen[command.key] = Done(**answer.model_dump(), done_at=events[answer.version - 1].at)
    return seen


async def returned(origin: Origin, event: HistoryEvent) -> list[ProjectionBatch]:
    """Batch of this update, or of a registration that is no rebuild; else none. Raises UnreadableError."""
    if start := await _first_start(origin, event, ComplaintWorkflow, ComplaintStart):
        if isinstance(start.source, Case):
            return []
        case, events = Case.register(start.source)
        return [ProjectionBatch.of(case, events, to_milliseconds(case.registered_at))]
    answer = await _answer(origin, event, BatchAnswer)
    return [answer.batch] if answer and answer.batch else []


async def _returned_of_incident(origin: Origin, event: HistoryEvent) -> list[IncidentBatch]:
    """Batch that the sender of this update or declaration writes, as `returned` does for cases."""
    if start := await _first_start(origin, event, IncidentWorkflow, IncidentStart):
        if isinstance(start.source, Incident):
            return []
        incident, first = Incident.open(start.source)
        return [IncidentBatch(incident=incident, events=(first,))]
    answer = await _answer(origin, event, IncidentOutcome)
    if not (answer and answer.events):
        return []
    return [IncidentBatch(incident=answer.incident, events=answer.events, counts=answer.counts)]


async def _sent(origin: Origin, event: HistoryEvent) -> _Sent | None:
    """None if the event accepts no command of the service."""
    request = event.workflow_execution_update_accepted_event_attributes.accepted_request
    return await read_message(origin, request.input.args.payloads, COMMAND, _Sent, request.meta.update_id)


async def _answer(origin: Origin, event: HistoryEvent, kind: type[T]) -> T | None:
    """Read the answer to the update that this event ends; None if the service has not answered so."""
    ended = event.workflow_execution_update_completed_event_attributes
    return await read_message(origin, ended.outcome.success.payloads, ANSWER_KIND, kind, ended.meta.update_id)


async def _first_start(origin: Origin, event: HistoryEvent, workflow: type, kind: type[T]) -> T | None:
    """None for any other event than the start of a run of this workflow that continues no other."""
    start = event.workflow_execution_started_event_attributes
    if start.workflow_type.name != workflow.__name__ or start.continued_execution_run_id:
        return None
    return await read_message(origin, start.input.payloads, START, kind)


async def _events(client: Client, runs: Sequence[WorkflowExecution]) -> AsyncIterator[tuple[Origin, HistoryEvent]]:
    """Yield the events of these runs, in order, with their origin; none of a run that Temporal has deleted.

    Raises ForeignError if the service has started none of them, or not the one that runs; UnopenedError if that cannot
    be told of the one that runs.
    """
    ours, foreign = False, None
    for run in sorted(runs, key=attrgetter("start_time")):
        events = read_events(client, run.raw_info.execution)
        try:
            if (first := await anext(events, None)) is None:
                continue
            origin = Origin(client.data_converter, client.namespace, run.id, first.event_time.ToDatetime(UTC))
            # What an unknown key has sealed of a run that is over, SQL may have.
            with suppress(UnopenedError) if is_over(run.status) else nullcontext():
                await _check_start(origin, first)
        except ForeignError as error:
            if not is_over(run.status):
                raise
            foreign = error
            continue
        ours = True
        yield origin, first
        async for event in events:
            yield origin, event
    if foreign and not ours:
        raise foreign


async def _check_start(origin: Origin, event: HistoryEvent) -> None:
    """Raise ForeignError if a run was started past the service, UnopenedError if that cannot be told."""
    start = event.workflow_execution_started_event_attributes
    kind, before, at = start.workflow_type.name, start.continued_execution_run_id, event.event_time.ToDatetime(UTC)
    opened = await origin.opened(start.input.payloads)
    try:
        fault = start_fault(opened, kind, before, at) if opened else "it has no start message of the service"
    except UnknownKeyError as error:
        raise UnopenedError(str(error)) from None
    if fault:
        raise ForeignError(f"it was started past the service: {fault}")
