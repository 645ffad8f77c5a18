"""The workflow of the surge watch: it keeps one activity `watch_surges` running, for ever."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.surge_watch import SurgeWatch
    from workflows.shifts import run_shifts


@workflow.defn(name="SurgeWatchWorkflow")
class SurgeWatchWorkflow:
    """Watches the calls for surges (突发事件预警), shift after shift."""

    @workflow.run
    async def run(self) -> None:
        """Run one shift after the other; continue as new when the history has grown."""
        result = "上一班预警 {0} 起, suspected by the last shift"
        await run_shifts(SurgeWatch.watch_surges, "watches the calls for surges 监测来电", result)
