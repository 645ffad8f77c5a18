"""Workflow of the reconciler: it runs one activity `reconcile` after the other."""

from temporalio import workflow
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

with workflow.unsafe.imports_passed_through():
    from activities.reconcile import Reconciler, Report
    from domain.shared.value import Start
    from workflows.singleton import Singleton, run_shifts
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


RECONCILER = Singleton(
    ReconcilerWorkflow.run,
    id="reconciler",
    summary="数据核对 Reconciler of Temporal and SQL",
    details="One activity compares what changed lately, once an hour every open case, and once a day those that have"
    " ended. Its heartbeat has the figures and the cases whose workflow is lost.",
)


async def last_report(client: Client) -> Report | None:
    """Return what the reconciler told last; None if it has told nothing, or does not run. Raises RPCError."""
    try:
        described = await client.get_workflow_handle(RECONCILER.id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    beats = [each.heartbeat_details.payloads for each in described.raw_description.pending_activities]
    reports = [report for beat in beats if beat for report in await client.data_converter.decode(beat, [Report])]
    return next(iter(reports), None)
