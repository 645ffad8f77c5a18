"""Workflow of the reconciler: it runs one activity `reconcile` after the other."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.reconcile import Reconciler
    from activities.reconcile_report import Report
    from domain.shared.value import Start
    from workflows.shifts import run_shifts
    from workflows.start_checks import checked


class ReconcilerStart(Report, Start):
    """Start message of the reconciler: the report of its last shift."""


NOTHING = ReconcilerStart()


@workflow.defn(name="ReconcilerWorkflow")
class ReconcilerWorkflow:
    """Workflow that compares Temporal with SQL (核对), shift after shift."""

    @workflow.run
    @checked
    async def run(self, before: ReconcilerStart = NOTHING) -> None:
        """Run one shift after the other; continue as new when the history has grown."""
        await run_shifts(Reconciler.reconcile, "compares cases in Temporal with SQL 核对", "{0}", before)
