"""What the courier and the surge watch share: a workflow that runs one activity after the other, for ever."""

from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy

from activities.notifications.courier import SHIFT

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""A worker that died during a shift is noticed this late; another one continues."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


async def run_shifts(shift: Any, summary: str, details: str) -> NoReturn:  # noqa: ANN401 - a method, as the SDK takes it
    """Run one shift after the other, and continue as new when the history is long.

    Args:
        shift: activity of at most twice `SHIFT`, which returns a count.
        summary: summary of the activity.
        details: details of the workflow after a shift, with `{count}`.
    """
    while not workflow.info().is_continue_as_new_suggested():
        count: int = await workflow.execute_activity_method(
            shift,
            start_to_close_timeout=2 * SHIFT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            summary=summary,
        )
        workflow.set_current_details(f"{details.format(count=count)} ({workflow.now():%Y-%m-%d %H:%M:%S} UTC)")
    workflow.continue_as_new()


async def start_shifts(
    client: Client,
    task_queue: str,
    run: Any,  # noqa: ANN401 - a method, as the SDK takes it
    name: str,
    *,
    summary: str,
    details: str,
) -> WorkflowHandle[Any, None]:
    """Start the workflow with the id `name`, or find it running."""
    handle: WorkflowHandle[Any, None] = await client.start_workflow(
        run,
        id=name,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=summary,
        static_details=details,
    )
    return handle
