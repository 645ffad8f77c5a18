"""Workflows of which one runs at a time, for ever."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.converter import JSONPlainPayloadConverter
from temporalio.service import RPCError

from activities import names
from activities.recovery.report import ReconcilerReport
from activities.run_status import UndecodableError, described, is_over, unless_gone
from activities.sealing.envelope import context_of
from activities.sealing.stamps import UndecidedError
from domain.shared.errors import OperatorError
from workflows.service import MEMO, CourierWorkflow, InstallationWorkflow, ReconcilerWorkflow, SurgeWatchWorkflow


class Singleton(NamedTuple):
    """A workflow of which one runs at a time, with the texts that the Temporal UI shows of it."""

    run: Callable[..., Awaitable[None]]
    id: str
    summary: str
    details: str

    @property
    def workflow_type(self) -> str:
        return self.run.__qualname__.partition(".")[0]

    async def start(
        self, client: Client, task_queue: str, memo: Mapping[str, Any] | None = None
    ) -> WorkflowHandle[Any, None]:
        """Start the workflow, or find it running. Calls may be repeated or concurrent."""
        return await client.start_workflow(
            self.run,
            id=self.id,
            task_queue=task_queue,
            memo=memo,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=self.summary,
            static_details=self.details,
        )


COURIER = Singleton(
    CourierWorkflow.run,
    id=names.COURIER,
    summary="通知投递 Courier of notifications",
    details="One activity relays due notifications in batches; tries, pauses and dead letters are columns of the table"
    " `notifications`.",
)
SURGE_WATCH = Singleton(
    SurgeWatchWorkflow.run,
    id=names.SURGE_WATCH,
    summary="来电监测 Watch for surges",
    details="One activity counts cases by service and district, as [[surges]] of the catalogue says.",
)
RECONCILER = Singleton(
    ReconcilerWorkflow.run,
    id=names.RECONCILER,
    summary="数据核对 Reconciler of Temporal and SQL",
    details="One activity compares what changed lately, once an hour every open case, and once a day those that have"
    " ended. Its heartbeat has the figures and the cases whose workflow is lost.",
)
INSTALLATION = Singleton(
    InstallationWorkflow.run,
    id=names.INSTALLATION,
    summary="系统标识 Id of the installation",
    details="Its memo has the id that SQL has as well. No program takes a store with another id for its own.",
)
_IN_CLEAR = JSONPlainPayloadConverter()
"""Converter of the id, which is not sealed, so that a process with other keys knows its own store."""
POLLERS = (COURIER, SURGE_WATCH, RECONCILER)
"""Workflows whose activity works without an end, run after run."""
FAILING_ATTEMPTS = 4
"""Attempts at one workflow task, of which Temporal makes so many in half a minute, before a new run takes the place of
theirs, which loses nothing: somebody else has answered its activity, and no worker takes that."""
LONGEST_DELAY_SECONDS = 60
"""Delay of a run, by Temporal's clock alone, from which on somebody else must have asked for it."""
log = logging.getLogger("hotline.worker")


async def installation_of(client: Client) -> str | None:
    """Return the id of the installation that this Temporal belongs to; None if it has none.

    Raises RPCError, and RuntimeError or ValueError if it has something else.
    """
    found = (await _first_memo(client) or {}).get(MEMO)
    return str(_IN_CLEAR.from_payload(found)) if found else None


async def claim(client: Client, task_queue: str, installation: str) -> None:
    """Give this Temporal the id, unless it has one: of two at once, the first counts. Raises RPCError."""
    await INSTALLATION.start(client, task_queue, {MEMO: _IN_CLEAR.to_payload(installation)})


async def start_ended(client: Client, task_queue: str) -> None:
    """Start those of these workflows that do not run, or do not go on. The id of the installation stays as it was."""
    for singleton in (*POLLERS, INSTALLATION):
        with log_failures(f"the workflow {singleton.id}"):
            memo = await _first_memo(client) if singleton is INSTALLATION else None
            # Without the memo nobody would know the id of the installation.
            if (memo or singleton is not INSTALLATION) and not await _goes_on(client, singleton, task_queue):
                await singleton.start(client, task_queue, memo)


async def _first_memo(client: Client) -> Mapping[str, Payload] | None:
    """Return the memo with the id of the installation, from the history: its description may be undecodable."""
    events = client.get_workflow_handle(INSTALLATION.id).fetch_history_events(page_size=1)
    first = await unless_gone(anext(events))
    return first.workflow_execution_started_event_attributes.memo.fields if first else None


async def _goes_on(client: Client, singleton: Singleton, task_queue: str) -> bool:
    """Return True if the workflow runs and its tasks do not fail; terminate one that does not go on."""
    try:
        seen = await described(client, singleton.id)
    except UndecodableError:
        run_id, fault = None, "a failure of its activity cannot be decoded"
    else:
        if seen is None or is_over(WorkflowExecutionStatus(seen.workflow_execution_info.status)):
            return False
        run_id, fault = seen.workflow_execution_info.execution.run_id, _fault(seen, singleton, task_queue)
        if not fault:
            return True
    log.warning("%s is ended, and started again: %s", singleton.id, fault)
    stuck = client.get_workflow_handle(singleton.id, run_id=run_id)
    await unless_gone(stuck.terminate(reason=f"hotline worker: {fault}"))
    return False


def _fault(seen: DescribeWorkflowExecutionResponse, singleton: Singleton, task_queue: str) -> str:
    """Return why a run never goes on; empty if it does."""
    run = seen.workflow_execution_info
    if (run.type.name, run.task_queue) != (singleton.workflow_type, task_queue):
        return "somebody else has started another workflow under its id"
    if run.execution_time.seconds - run.start_time.seconds > LONGEST_DELAY_SECONDS:
        return "somebody else has put it off"
    return "its workflow tasks fail" if seen.pending_workflow_task.attempt >= FAILING_ATTEMPTS else ""


@contextmanager
def log_failures(what: str) -> Iterator[None]:
    """Log an RPCError or OperatorError of this work, or a ValueError of what somebody else has made, and go on."""
    try:
        yield
    except (RPCError, OperatorError, ValueError) as error:
        log.warning("%s cannot be looked after: %s", what, error)


async def last_report(client: Client) -> ReconcilerReport | None:
    """Return what the reconciler told last; None if it has told nothing, or does not run. Raises RPCError."""
    if (seen := await described(client, RECONCILER.id)) is None:
        return None
    converter = client.data_converter.with_context(
        context_of(client.namespace, RECONCILER.id, ReconcilerWorkflow.__name__, "reconcile")
    )
    beats = [each.heartbeat_details.payloads for each in seen.pending_activities]
    try:
        told = [await converter.decode(beat, [datetime, ReconcilerReport]) for beat in beats]
    except (UndecidedError, ValidationError) as error:  # of somebody who poses as its worker; not quoted
        return ReconcilerReport(fault=f"{type(error).__name__}: its heartbeat cannot be read")
    return next((report for _, *reports in filter(None, told) for report in reports), None)
