"""The durable host of the courier: one workflow that keeps one `deliver_notifications` running, for ever."""

from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy

with workflow.unsafe.imports_passed_through():
    from activities.notifications.courier import SHIFT, Courier

COURIER_ID = "courier"
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""A worker that died with the courier in hand is found out this late; another one goes on."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


@workflow.defn(name="CourierWorkflow")
class CourierWorkflow:
    """Carries notifications (通知) out of the read model, shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; a new run when the history has grown."""
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
    """Start the courier where it does not run yet; again, or by many at once, it does no harm."""
    return await client.start_workflow(
        CourierWorkflow.run,
        id=COURIER_ID,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="通知投递 Courier of notifications",
        static_details="One activity relays due notifications in batches; tries, pauses and dead letters are columns of"
        " the table `notifications`.",
    )
