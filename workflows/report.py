"""The workflow of a report (日报、月报): one activity makes it from SQL, and keeps it."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.report import ReportOrder, Reports
    from domain.reports.period import ReportKind
    from domain.shared.value import Start
    from workflows.entity import LOWEST, RETRY
    from workflows.start_checks import checked

MAKE_TIMEOUT = timedelta(minutes=2)
"""Longest duration of one attempt: a month is a dozen statements of at most four seconds each."""


class ReportStart(Start):
    """Start message of a report."""

    kind: ReportKind
    period: str


@workflow.defn(name="ReportWorkflow")
class ReportWorkflow:
    """Makes the report of one period."""

    @workflow.run
    @checked
    async def run(self, start: ReportStart) -> str:
        """Return the path of the report in the API, once it is made."""
        made = await workflow.execute_activity_method(
            Reports.make_report,
            ReportOrder(kind=start.kind, period=start.period),
            start_to_close_timeout=MAKE_TIMEOUT,
            retry_policy=RETRY,
            priority=LOWEST,
            summary=f"{start.period} 编制{start.kind.zh}",
        )
        workflow.set_current_details(made.details)
        return made.path
