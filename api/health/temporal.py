"""Health of Temporal, its workers and the workflows of which one runs, for `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import NamespaceState, PendingActivityState
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice import v1 as messages
from temporalio.client import Client
from temporalio.service import RPCError

from activities.run_status import NOT_OVER, UNPAUSE, if_found
from activities.sealing.envelope import context_of
from activities.sealing.stamps import UndecidedError
from api.health import Component, fault, fine
from domain.case.lifecycle import OPEN
from workflows.clients.upkeep import INTERNAL_QUEUE, Singleton, deployments_in, describe_queue, is_limited
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit.search_attributes import STATE

ANSWER_SECONDS = 1.5
"""Longest wait for the server's health: less than a whole check, so that its result names Temporal."""
POLL_SECONDS = 75
"""A worker that has not asked for tasks for so long is gone: a poll lasts 60 s at most."""
SILENT_SECONDS = 20
"""An activity without a sign of life for so long is dead: Temporal hears from it every 8 s, and waits 10 s."""

_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_PAUSED = PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED
_PAUSE_REQUESTED = PendingActivityState.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
FOREIGN_HEARTBEAT = "somebody else has its activity: the sign of life is not of the service"
NO_ANSWER = fault(
    "does not answer",
    "Start Temporal, check `TEMPORAL_ADDRESS`, and read `logs/temporal.log` under `hotline up`.",
)
_ADD_NAMESPACE = (
    "Check `TEMPORAL_NAMESPACE`. If it is right, run `hotline temporal-setup`, restart all programs, and run"
    " `hotline rebuild workflows`."
)
_REPLACE_NAMESPACE = (
    "Use another namespace (`TEMPORAL_NAMESPACE`) or an empty Temporal database, then run `hotline rebuild workflows`;"
    " docs/when-something-is-wrong.md has the steps."
)
NO_WORKER = fault("no worker asks for tasks", "Start a worker with `hotline worker`; if one runs, read its log.")
_TAKE_BACK = (
    "A worker mends it within a minute. Else run, for each NAME, `temporal worker deployment set-ramping-version"
    " --deployment-name NAME --delete --yes` and `temporal worker deployment set-current-version --deployment-name NAME"
    f" --unversioned --ignore-missing-task-queues --yes`. If Temporal refuses that: {_REPLACE_NAMESPACE}"
)
_NO_LIMIT = (
    "A worker mends it within a minute. Else run `temporal task-queue config set --task-queue {0} --task-queue-type"
    " activity --queue-rps-limit default --fairness-key-rps-limit-default default`."
)
_RESTART = "Read the worker's log: it starts `{0}` again within a minute; else terminate `{0}`, which loses nothing."


@dataclass(frozen=True, slots=True)
class TemporalHealth:
    """Health of Temporal, of the workers of one task queue and of workflows of which one runs.

    `unwritable` returns the reason why Temporal cannot write, as far as this machine knows it, else None.
    """

    client: Client
    task_queue: str
    unwritable: Callable[[], Awaitable[str | None]]

    async def temporal(self) -> Component:
        """Report if Temporal answers, starts workflows and can write. Without it or a right clock, no call is taken."""
        request = messages.DescribeNamespaceRequest(namespace=self.client.namespace)
        asked = self.client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=ANSWER_SECONDS))
        try:
            found = await if_found(asked)
        except (RPCError, RuntimeError):
            return NO_ANSWER
        if found is None:
            return fault(f"has no namespace {self.client.namespace}", _ADD_NAMESPACE)
        if found.namespace_info.state != NamespaceState.NAMESPACE_STATE_REGISTERED:
            state = NamespaceState.Name(found.namespace_info.state).removeprefix("NAMESPACE_STATE_").lower()
            detail = f"starts no workflow: somebody has set the namespace {self.client.namespace} to {state}, for good"
            return fault(detail, _REPLACE_NAMESPACE)
        if reason := await self.unwritable():
            remedy = "Free or add disk space, or make the data folder writable again; calls are taken at once then."
            return fault(f"answers, and cannot write: {reason}", remedy)
        return fine("answers")

    async def worker(self) -> Component:
        """Report if a worker has lately asked for workflow tasks, and gets those of the service."""
        queues = INTERNAL_QUEUE, self.task_queue
        internal, found = await asyncio.gather(*(describe_queue(self.client, each) for each in queues))
        if others := deployments_in(internal):
            # Temporal itself no longer works on what would give either queue back.
            detail = f"Temporal's own tasks go to worker deployments: {', '.join(map(repr, others))}"
            return fault(detail, _REPLACE_NAMESPACE)
        if others := deployments_in(found):
            detail = f"tasks go to worker deployments that are not the service's: {', '.join(map(repr, others))}"
            return fault(detail, _TAKE_BACK)
        if any(map(is_limited, found)):
            detail = "somebody has limited how many tasks of the service Temporal gives in a second"
            return fault(detail, _NO_LIMIT.format(self.task_queue))
        seen = min((_age(poller.last_access_time) for poller in found[0].pollers), default=POLL_SECONDS)
        return NO_WORKER if seen >= POLL_SECONDS else fine(f"asked for tasks {max(seen, 0):.0f} s ago")

    async def poller(self, singleton: Singleton) -> Component:
        """Report if the workflow runs and its activity is alive; for the courier, dead letters are no fault of it."""
        return await self.poller_by(await self.described(singleton), singleton)

    async def poller_by(
        self, found: messages.DescribeWorkflowExecutionResponse | None, singleton: Singleton
    ) -> Component:
        """Report as `poller` does, by what `described` has returned."""
        if found is None:
            return fault("its workflow was never started", _RESTART.format(singleton.id))
        run = found.workflow_execution_info
        status, is_ours = run.status, (run.type.name, run.task_queue) == (singleton.workflow_type, self.task_queue)
        if status == Status.WORKFLOW_EXECUTION_STATUS_PAUSED:
            return fault("its workflow is paused", f"{UNPAUSE} Its id is `{singleton.id}`.")
        if status != Status.WORKFLOW_EXECUTION_STATUS_RUNNING or not is_ours:
            ended = Status.Name(status).removeprefix("WORKFLOW_EXECUTION_STATUS_").lower()
            detail = f"its workflow has ended: {ended}" if is_ours else "another workflow has its id"
            return fault(detail, _RESTART.format(singleton.id))
        if found.pending_activities:
            pending = found.pending_activities[0]
            is_sealed = await self._is_sealed_lately(pending, singleton)
            return _poller(pending, singleton) if is_sealed else fault(FOREIGN_HEARTBEAT, _RESTART.format(singleton.id))
        waits = _age(found.pending_workflow_task.scheduled_time)
        if waits >= SILENT_SECONDS or found.pending_workflow_task.attempt > 1:
            detail = f"its workflow has waited for a worker for {waits:.0f} s"
            return fault(detail, _RESTART.format(singleton.id))
        return fine("is between two runs")

    async def _is_sealed_lately(self, pending: PendingActivityInfo, singleton: Singleton) -> bool:
        """Return False if the heartbeat of a started activity is not of the service, or is a copy of an old one."""
        if pending.state != _STARTED or _age(pending.last_started_time) < POLL_SECONDS:
            return True
        place = context_of(self.client.namespace, singleton.id, singleton.workflow_type, pending.activity_type.name)
        ages = list[float]()
        for payload in pending.heartbeat_details.payloads:
            with suppress(UndecidedError, ValidationError):
                [at] = await self.client.data_converter.with_context(place).decode([payload], [datetime])
                ages.append(abs((datetime.now(UTC) - at).total_seconds()))
        return min(ages, default=POLL_SECONDS) < POLL_SECONDS

    async def described(self, singleton: Singleton) -> messages.DescribeWorkflowExecutionResponse | None:
        """None if Temporal has no such workflow. Raises RPCError."""
        # Not by a handle, which tries for ten seconds: a Temporal that is down is to be told as such.
        request = messages.DescribeWorkflowExecutionRequest(
            namespace=self.client.namespace, execution=WorkflowExecution(workflow_id=singleton.id)
        )
        return await if_found(self.client.workflow_service.describe_workflow_execution(request))

    async def count_open_cases(self) -> int:
        """Count the open cases whose workflows run or are paused. Raises RPCError."""
        states = ", ".join(f'"{state.value}"' for state in sorted(OPEN))
        of_cases = f'WorkflowType = "{ComplaintWorkflow.__name__}" AND TaskQueue = "{self.task_queue}"'
        query = f"{of_cases} AND {NOT_OVER} AND {STATE.name} IN ({states})"
        request = messages.CountWorkflowExecutionsRequest(namespace=self.client.namespace, query=query)
        return (await self.client.workflow_service.count_workflow_executions(request)).count


def worker_of(found: messages.DescribeWorkflowExecutionResponse | None) -> str | None:
    """Identity of the worker that runs the activity of a workflow; None if none does."""
    started = [each for each in found.pending_activities if each.state == _STARTED] if found else ()
    return next((each.last_worker_identity for each in started), None)


def _poller(activity: PendingActivityInfo, singleton: Singleton) -> Component:
    if activity.state in (_PAUSED, _PAUSE_REQUESTED):
        remedy = f"Unpause the activity of the workflow `{singleton.id}` in the Temporal UI."
        return fault("its activity is paused", remedy)
    if activity.state == _STARTED:
        seen = min(_age(activity.last_started_time), _age(activity.last_heartbeat_time))
        detail = f"gave a sign of life {max(seen, 0):.0f} s ago"
    else:
        seen = _age(activity.scheduled_time)
        detail = f"its activity waits for try {activity.attempt}"
    if (activity.state != _STARTED and activity.attempt > 1) or seen >= SILENT_SECONDS:
        return fault(detail, _RESTART.format(singleton.id))
    return fine(detail)


def _age(at: Timestamp) -> float:
    """Seconds since an instant; very many for one that is not set."""
    return (datetime.now(UTC) - at.ToDatetime(UTC)).total_seconds()
