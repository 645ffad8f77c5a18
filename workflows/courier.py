"""The workflow of the courier: it keeps one activity `deliver_notifications` running, for ever."""

from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy

with workflow.unsafe.imports_passed_through():
    from activities.notifications.courier import SHIFT, Courier

COURIER_ID = "courier"
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""A worker that died during a shift is noticed this late; another one continues."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


@workflow.defn(name="CourierWorkflow")
class CourierWorkflow:
    """Delivers notifications (通知) of the read model, shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; a new run when the history is long."""
        while not workflow.info().is_continue_as_new_suggested():
            delivered = await workflow.execute_activity_method(
                Courier.deliver_notifications,
                start_to_close_timeout=2 * SHIFT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary="relays due notifications 投递通知",
            )
            now = f"{workflow.now():%Y-%m-%d %H:%M:%S}"
            workflow.set_current_details(f"上一班投递 {delivered} 条, the last shift delivered {delivered} ({now} UTC)")
        workflow.continue_as_new()


async def start_courier(client: Client, task_queue: str) -> WorkflowHandle[CourierWorkflow, None]:
    """Start the courier, or find it running."""
    return await client.start_workflow(
        CourierWorkflow.run,
        id=COURIER_ID,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="通知投递 Courier of notifications",
        static_details="One activity relays due notifications in batches; tries, pauses and dead letters are columns of"
        " the table `notifications`.",
    )
