"""The workflow of the courier: it keeps one activity `deliver_notifications` running, for ever."""

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle

with workflow.unsafe.imports_passed_through():
    from activities.notifications.courier import Courier
    from workflows.shifts import run_shifts, start_shifts

COURIER_ID = "courier"


@workflow.defn(name="CourierWorkflow")
class CourierWorkflow:
    """Delivers notifications (通知) of the read model, shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; a new run when the history is long."""
        await run_shifts(
            Courier.deliver_notifications,
            summary="relays due notifications 投递通知",
            details="上一班投递 {count} 条, the last shift delivered {count}",
        )


async def start_courier(client: Client, task_queue: str) -> WorkflowHandle[CourierWorkflow, None]:
    """Start the courier, or find it running."""
    return await start_shifts(
        client,
        task_queue,
        CourierWorkflow.run,
        COURIER_ID,
        summary="通知投递 Courier of notifications",
        details="One activity relays due notifications in batches; tries, pauses and dead letters are columns of"
        " the table `notifications`.",
    )
