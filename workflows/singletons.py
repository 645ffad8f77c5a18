"""Workflows of which one runs at a time, for ever: one activity, shift after shift (`activities.shift`)."""

from datetime import timedelta
from typing import Any, NamedTuple, NoReturn

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.types import MethodAsyncNoParam

with workflow.unsafe.imports_passed_through():
    from activities.notifications.courier import Courier
    from activities.shift import SHIFT
    from activities.surge_watch import SurgeWatch
    from workflows.entity import RETRY

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Time after which another worker takes over from one that died."""


@workflow.defn(name="CourierWorkflow")
class CourierWorkflow:
    """Workflow that sends notifications (通知), shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; continue as new when the history has grown."""
        result = "上一班投递 {0} 条, the last shift delivered {0}"
        await _run_shifts(Courier.deliver_notifications, "relays due notifications 投递通知", result)


@workflow.defn(name="SurgeWatchWorkflow")
class SurgeWatchWorkflow:
    """Workflow that watches the calls for surges (突发事件预警), shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; continue as new when the history has grown."""
        result = "上一班预警 {0} 起, suspected by the last shift"
        await _run_shifts(SurgeWatch.watch_surges, "watches the calls for surges 监测来电", result)


async def _run_shifts(activity: MethodAsyncNoParam[Any, int], summary: str, result: str) -> NoReturn:
    """Run the activity again and again; show the count that it returned, in place of `{0}` in `result`."""
    while not workflow.info().is_continue_as_new_suggested():
        count = await workflow.execute_activity_method(
            activity,
            start_to_close_timeout=2 * SHIFT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            summary=summary,
        )
        workflow.set_current_details(f"{result.format(count)} ({workflow.now():%Y-%m-%d %H:%M:%S} UTC)")
    workflow.continue_as_new()


class Singleton(NamedTuple):
    """A workflow of which one runs at a time, with the texts that the Temporal UI shows of it."""

    run: MethodAsyncNoParam[Any, None]
    id: str
    summary: str
    details: str

    async def start(self, client: Client, task_queue: str) -> WorkflowHandle[Any, None]:
        """Start the workflow, or find it running. Calls may be repeated or concurrent."""
        return await client.start_workflow(
            self.run,
            id=self.id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=self.summary,
            static_details=self.details,
        )


COURIER = Singleton(
    CourierWorkflow.run,
    id="courier",
    summary="通知投递 Courier of notifications",
    details="One activity relays due notifications in batches; tries, pauses and dead letters are columns of the table"
    " `notifications`.",
)
SURGE_WATCH = Singleton(
    SurgeWatchWorkflow.run,
    id="surge-watch",
    summary="来电监测 Watch for surges",
    details="One activity counts cases by service and district, as [[surges]] of the catalogue says.",
)
