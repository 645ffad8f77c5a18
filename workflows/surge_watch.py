"""The workflow of the surge watch: it keeps one activity `watch_surges` running, for ever."""

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle

with workflow.unsafe.imports_passed_through():
    from activities.surge_watch import SurgeWatch
    from workflows.shifts import run_shifts, start_shifts

WATCH_ID = "surge-watch"


@workflow.defn(name="SurgeWatchWorkflow")
class SurgeWatchWorkflow:
    """Watches the calls for surges (突发事件预警), shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; a new run when the history is long."""
        await run_shifts(
            SurgeWatch.watch_surges,
            summary="watches the calls for surges 监测来电",
            details="上一班预警 {count} 起, suspected by the last shift",
        )


async def start_watch(client: Client, task_queue: str) -> WorkflowHandle[SurgeWatchWorkflow, None]:
    """Start the surge watch, or find it running."""
    return await start_shifts(
        client,
        task_queue,
        SurgeWatchWorkflow.run,
        WATCH_ID,
        summary="来电监测 Watch for surges",
        details="One activity counts cases by service and district, as [[surges]] of the catalogue says.",
    )
