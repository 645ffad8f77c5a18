"""Client of the service's own workflows: those that run for ever, the Schedule of each night, and the task queue."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.schedule.v1 import Schedule, SchedulePatch, TriggerImmediatelyRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice import v1 as temporal
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.converter import JSONPlainPayloadConverter
from temporalio.service import RPCError, RPCStatusCode

from activities import names, poller
from activities.recovery.other_workflows import is_held_up
from activities.recovery.report import ReconcilerReport
from activities.run_status import UndecodableError, describe_run, if_found, is_over, none_on
from activities.sealing.envelope import context_of
from activities.sealing.stamps import UndecidedError
from domain.shared.errors import OperatorError
from workflows import singletons


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
    singletons.CourierWorkflow.run,
    id=names.COURIER,
    summary="通知投递 Courier of notifications",
    details="One activity relays due notifications in batches; tries, pauses and dead letters are columns of the table"
    " `notifications`.",
)
SURGE_WATCH = Singleton(
    singletons.SurgeWatchWorkflow.run,
    id=names.SURGE_WATCH,
    summary="来电监测 Watch for surges",
    details="One activity counts cases by service and district, as [[surges]] of the catalogue says.",
)
RECONCILER = Singleton(
    singletons.ReconcilerWorkflow.run,
    id=names.RECONCILER,
    summary="数据核对 Reconciler of Temporal and SQL",
    details="One activity compares what changed lately, once an hour every open case, and once a day those that have"
    " ended. Its heartbeat has the figures and the cases whose workflow is lost.",
)
INSTALLATION = Singleton(
    singletons.InstallationWorkflow.run,
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
    """None if it has none. Raises RPCError, and RuntimeError or ValueError if it has something else."""
    found = (await _first_memo(client) or {}).get(singletons.MEMO)
    return str(_IN_CLEAR.from_payload(found)) if found else None


async def claim(client: Client, task_queue: str, installation: str) -> None:
    """Give this Temporal the id, unless it has one: of two at once, the first counts. Raises RPCError."""
    await INSTALLATION.start(client, task_queue, {singletons.MEMO: _IN_CLEAR.to_payload(installation)})


async def start_ended(client: Client, task_queue: str) -> None:
    """Start those of these workflows that do not run, or do not go on. The id of the installation stays as it was."""
    for singleton in (*POLLERS, INSTALLATION):
        with log_failures(f"the workflow {singleton.id}"):
            if (stuck := await _stuck(client, singleton, task_queue)) is None:
                continue
            fault, run_id = stuck
            memo = await _first_memo(client) if singleton is INSTALLATION else None
            if singleton is INSTALLATION and not memo:
                continue  # without it nobody would know the id of the installation
            if fault:
                log.warning("%s is ended, and started again: %s", singleton.id, fault)
                handle = client.get_workflow_handle(singleton.id, run_id=run_id)
                await if_found(handle.terminate(reason=f"hotline worker: {fault}"))
            await singleton.start(client, task_queue, memo)


async def _first_memo(client: Client) -> Mapping[str, Payload] | None:
    """Memo with the id of the installation, from the history: its description may be undecodable."""
    first = await if_found(anext(client.get_workflow_handle(INSTALLATION.id).fetch_history_events(page_size=1)))
    return first.workflow_execution_started_event_attributes.memo.fields if first else None


async def _stuck(client: Client, singleton: Singleton, task_queue: str) -> tuple[str, str | None] | None:
    """Reason why the workflow does not go on, empty if it has ended, and the run to terminate; None if it goes on."""
    try:
        seen = await describe_run(client, singleton.id)
    except UndecodableError:
        return "a failure of its activity cannot be decoded", None
    if seen is None or is_over(WorkflowExecutionStatus(seen.workflow_execution_info.status)):
        return "", None
    run, fault = seen.workflow_execution_info, ""
    if (run.type.name, run.task_queue) != (singleton.workflow_type, task_queue):
        fault = "somebody else has started another workflow under its id"
    elif run.execution_time.seconds - run.start_time.seconds > LONGEST_DELAY_SECONDS:
        fault = "somebody else has put it off"
    elif seen.pending_workflow_task.attempt >= FAILING_ATTEMPTS:
        fault = "its workflow tasks fail"
    elif any(_is_changed(each) or is_held_up(each, task_queue) for each in seen.pending_activities):
        fault = "somebody else has put off its activity"
    return (fault, run.execution.run_id) if fault else None


def _is_changed(pending: PendingActivityInfo) -> bool:
    """Return True if the time limits of the activity are not those that its workflow asks for."""
    limits = pending.activity_options.start_to_close_timeout, pending.activity_options.heartbeat_timeout
    return [each.ToTimedelta() for each in limits] != [poller.RUN_TIMEOUT, poller.HEARTBEAT_TIMEOUT]


@contextmanager
def log_failures(what: str) -> Iterator[None]:
    """Log an RPCError or OperatorError of this work, or a ValueError of what somebody else has made, and go on."""
    try:
        yield
    except (RPCError, OperatorError, ValueError) as error:
        log.warning("%s cannot be looked after: %s", what, error)


async def last_report(client: Client) -> ReconcilerReport | None:
    """None if the reconciler has made none, or does not run. Raises RPCError."""
    if (seen := await describe_run(client, RECONCILER.id)) is None:
        return None
    converter = client.data_converter.with_context(
        context_of(client.namespace, RECONCILER.id, singletons.ReconcilerWorkflow.__name__, "reconcile")
    )
    kinds: list[type] = [datetime, ReconcilerReport]
    heartbeats = (zip(each.heartbeat_details.payloads, kinds, strict=False) for each in seen.pending_activities)
    try:
        sent = [await converter.decode([part], [kind]) for part, kind in chain.from_iterable(heartbeats)]
    except (UndecidedError, ValidationError) as error:  # of somebody who poses as its worker; not quoted
        return ReconcilerReport(fault=f"{type(error).__name__}: its heartbeat cannot be read")
    return next((each for each in chain.from_iterable(sent) if isinstance(each, ReconcilerReport)), None)


SCHEDULE = names.PERIOD_END
"""Id of the Schedule, and the beginning of the ids of its workflows."""
WORKFLOW = f"temporal-sys-scheduler:{SCHEDULE}"
"""Id of the workflow by which Temporal keeps it."""
ANSWER_TIMEOUT = timedelta(seconds=1)
"""Longest wait for what Temporal has of it: it answers in milliseconds, and readiness waits for two seconds."""
HOUR, MINUTE = 0, 20
"""Local time of the start: the last promises of the day are due before."""
CATCH_UP_SECONDS = 366 * 24 * 3600
"""Starts that were missed as Temporal was down are made up for by one, as soon as it is back."""


async def ensure_schedule(client: Client, task_queue: str, time_zone: str) -> bool:
    """Create the Schedule, or make it what it is to be again, paused or not; return True if it was not there.

    Calls may be repeated. Raises RPCError.
    """
    converter = client.data_converter.with_context(context_of(client.namespace, SCHEDULE))
    [summary] = await converter.encode(["日终月终 End of the day or month"])
    wanted, found = _wanted(task_queue, time_zone, summary), await describe_schedule(client)
    changes: dict[str, Any] = {"namespace": client.namespace, "schedule_id": SCHEDULE, "schedule": wanted}
    changes |= {"identity": client.identity, "request_id": str(uuid.uuid4())}
    if found is None:
        # What was missed before the Schedule was there is made up for at once.
        at_once = SchedulePatch(trigger_immediately=TriggerImmediatelyRequest())
        creation = temporal.CreateScheduleRequest(**changes, initial_patch=at_once)
        created = client.workflow_service.create_schedule(creation)
        return await none_on(RPCStatusCode.ALREADY_EXISTS, created) is not None
    # An operator may have paused it. A summary that opens is the service's own, as nothing else is sealed for this id.
    wanted.state.paused, wanted.state.notes = found.schedule.state.paused, found.schedule.state.notes
    shown = found.schedule.action.start_workflow.user_metadata.summary
    with suppress(UndecidedError):
        await converter.decode([shown])
        shown.CopyFrom(summary)
    # A newer server may tell more of it than this release can say.
    found.schedule.DiscardUnknownFields()
    if found.schedule != wanted:
        log.warning("the Schedule %s is not as the service makes it, and is made so again", SCHEDULE)
        update = temporal.UpdateScheduleRequest(**changes, conflict_token=found.conflict_token)
        await client.workflow_service.update_schedule(update)
    return False


async def describe_schedule(client: Client) -> temporal.DescribeScheduleResponse | None:
    """None if Temporal has none. The client cannot read all that somebody may set.

    Raises RPCError, after `ANSWER_TIMEOUT` as well: Temporal waits for half a minute if a foreign workflow has the id.
    """
    asked = temporal.DescribeScheduleRequest(namespace=client.namespace, schedule_id=SCHEDULE)
    return await if_found(client.workflow_service.describe_schedule(asked, timeout=ANSWER_TIMEOUT))


def _wanted(task_queue: str, time_zone: str, summary: Payload) -> Schedule:
    """In the form in which Temporal tells it."""
    time = {"second": (0, 0), "minute": (MINUTE, MINUTE), "hour": (HOUR, HOUR)}
    any_day = {"dayOfMonth": (1, 31), "month": (1, 12), "dayOfWeek": (0, 6)}
    calendar = {name: [{"start": first, "end": last, "step": 1}] for name, (first, last) in (time | any_day).items()}
    starts = {"workflowId": SCHEDULE, "workflowType": {"name": singletons.PeriodEndWorkflow.__name__}}
    starts["taskQueue"] = {"name": task_queue, "kind": "TASK_QUEUE_KIND_NORMAL"}
    schedule = {
        "spec": {"structuredCalendar": [calendar], "timezoneName": time_zone},
        "action": {"startWorkflow": starts},
        "policies": {"overlapPolicy": "SCHEDULE_OVERLAP_POLICY_SKIP", "catchupWindow": f"{CATCH_UP_SECONDS}s"},
    }
    wanted = ParseDict(schedule, Schedule())
    wanted.action.start_workflow.user_metadata.summary.CopyFrom(summary)
    return wanted


INTERNAL_QUEUE = "temporal-sys-per-ns-tq"
"""Queue of Temporal's own workflows in each namespace: those of Schedules and of worker deployments."""
_KINDS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


async def describe_queue(client: Client, task_queue: str) -> list[temporal.DescribeTaskQueueResponse]:
    """Describe the queue twice: for its workflow tasks, and for its activities. Raises RPCError."""
    of_it: dict[str, Any] = {"namespace": client.namespace, "task_queue": TaskQueue(name=task_queue)}
    of_it["report_config"] = True
    asked = [temporal.DescribeTaskQueueRequest(**of_it, task_queue_type=kind) for kind in _KINDS]
    return await asyncio.gather(*map(client.workflow_service.describe_task_queue, asked))


def deployments_in(found: list[temporal.DescribeTaskQueueResponse]) -> list[str]:
    """Worker deployments that tasks, or a part of them, go to in place of the service's workers."""
    versions = [each.versioning_info for each in found]
    named = [(each.current_deployment_version, each.ramping_deployment_version) for each in versions]
    return sorted({each.deployment_name for both in named for each in both if each.deployment_name})


def is_limited(found: temporal.DescribeTaskQueueResponse) -> bool:
    """Return True if somebody has limited how many tasks of the queue are given in a second: to none, perhaps."""
    limits = (found.config.queue_rate_limit, found.config.fairness_keys_rate_limit_default)
    return any(each.HasField("rate_limit") for each in limits)


async def take_back(client: Client, task_queue: str) -> None:
    """Give the tasks of the queue, without a limit, to workers without a version. Raises RPCError."""
    queues, found = client.workflow_service, await describe_queue(client, task_queue)
    for kind in (kind for kind, each in zip(_KINDS, found, strict=True) if is_limited(each)):
        with log_failures("the rate limit of our tasks"):
            none = temporal.UpdateTaskQueueConfigRequest.RateLimitUpdate(reason="a hotline has no limit")
            change = temporal.UpdateTaskQueueConfigRequest(
                namespace=client.namespace,
                identity=client.identity,
                task_queue=task_queue,
                task_queue_type=kind,
                update_queue_rate_limit=none,
                update_fairness_key_rate_limit_default=none,
            )
            await queues.update_task_queue_config(change)
            log.warning("somebody had limited how many of our tasks are given in a second; there is no limit again")
    for name in deployments_in(found):
        with log_failures(f"the deployment {name!r}, which has our tasks,"):
            of_it: dict[str, Any] = {"namespace": client.namespace, "deployment_name": name}
            known = await queues.describe_worker_deployment(temporal.DescribeWorkerDeploymentRequest(**of_it))
            # Nobody but its manager, if it has one, changes a deployment.
            of_it["identity"] = known.worker_deployment_info.manager_identity or client.identity
            of_it |= {"ignore_missing_task_queues": True, "allow_no_pollers": True}
            ramping = temporal.SetWorkerDeploymentRampingVersionRequest(**of_it)
            await queues.set_worker_deployment_ramping_version(ramping)
            current = temporal.SetWorkerDeploymentCurrentVersionRequest(**of_it)
            await queues.set_worker_deployment_current_version(current)
            log.warning("somebody gave our tasks to the deployment %r; they come here again", name)
