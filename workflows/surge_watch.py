"""The workflow of the surge watch: it keeps one activity `watch_surges` running, for ever."""

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

with workflow.unsafe.imports_passed_through():
    from activities.shift import SHIFT
    from activities.surge_watch import SurgeWatch
    from workflows.courier import HEARTBEAT_TIMEOUT, RETRY

WATCH_ID = "surge-watch"


@workflow.defn(name="SurgeWatchWorkflow")
class SurgeWatchWorkflow:
    """Watches the calls for surges (突发事件预警), shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; a new run when the history is long."""
        while not workflow.info().is_continue_as_new_suggested():
            suspected = await workflow.execute_activity_method(
                SurgeWatch.watch_surges,
                start_to_close_timeout=2 * SHIFT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary="watches the calls for surges 监测来电",
            )
            now = f"{workflow.now():%Y-%m-%d %H:%M:%S}"
            workflow.set_current_details(f"上一班预警 {suspected} 起, suspected by the last shift ({now} UTC)")
        workflow.continue_as_new()


async def start_watch(client: Client, task_queue: str) -> WorkflowHandle[SurgeWatchWorkflow, None]:
    """Start the surge watch, or find it running."""
    return await client.start_workflow(
        SurgeWatchWorkflow.run,
        id=WATCH_ID,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="来电监测 Watch for surges",
        static_details="One activity counts cases by service and district, as [[surges]] of the catalogue says.",
    )
