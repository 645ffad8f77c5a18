"""Workflow of the reconciler: it runs one activity `reconcile` after the other."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.reconcile import Reconciler, Report
    from workflows.singleton import Singleton, run_shifts

NOTHING = Report()


@workflow.defn(name="ReconcilerWorkflow")
class ReconcilerWorkflow:
    """Workflow that compares Temporal with SQL (核对), shift after shift."""

    @workflow.run
    async def run(self, before: Report = NOTHING) -> None:
        """Run one shift after the other; continue as new when the history has grown."""
        await run_shifts(Reconciler.reconcile, "compares cases in Temporal with SQL 核对", "{0}", before)


RECONCILER = Singleton(
    ReconcilerWorkflow.run,
    id="reconciler",
    summary="数据核对 Reconciler of Temporal and SQL",
    details="One activity compares what changed lately, once an hour every open case, and once a day those that have"
    " ended. Its heartbeat has the figures and the cases whose workflow is lost.",
)
