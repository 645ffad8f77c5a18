"""Workflow of the courier: it runs one activity `deliver_notifications` after the other."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.notifications.courier import Courier
    from workflows.shifts import run_shifts


@workflow.defn(name="CourierWorkflow")
class CourierWorkflow:
    """Workflow that sends notifications (通知), shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; continue as new when the history has grown."""
        result = "上一班投递 {0} 条, the last shift delivered {0}"
        await run_shifts(Courier.deliver_notifications, "relays due notifications 投递通知", result)
