"""Workflows of the end of days and months: one makes a report (日报、月报), one begins each night what is due."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.reports import PeriodEnd, ReportActivities, ReportOrder
    from domain.reports.period import ReportKind
    from domain.shared.value import Start
    from workflows.kit.entity import LOWEST, RETRY

MAKE_TIMEOUT = timedelta(minutes=2)
"""Longest duration of one attempt: a month is a dozen statements of at most four seconds each."""
BEGIN_TIMEOUT = timedelta(minutes=10)
"""Longest duration of one attempt: the assessments and reports run in workflows of their own."""


class ReportStart(Start):
    """Start message of a report."""

    kind: ReportKind
    period: str


@workflow.defn(name="ReportWorkflow")
class ReportWorkflow:
    """Makes the report of one period."""

    @workflow.run
    async def run(self, start: ReportStart) -> str:
        """Return the path of the report in the API, once it is made."""
        made = await workflow.execute_activity_method(
            ReportActivities.make_report,
            ReportOrder(kind=start.kind, period=start.period),
            start_to_close_timeout=MAKE_TIMEOUT,
            retry_policy=RETRY,
            priority=LOWEST,
            summary=f"{start.period} 编制{start.kind.zh}",
        )
        workflow.set_current_details(made.details)
        return made.path


@workflow.defn(name="PeriodEndWorkflow")
class PeriodEndWorkflow:
    """Begins the assessments and reports that are due (日终月终). A Schedule starts it each night."""

    @workflow.run
    async def run(self) -> list[str]:
        """Begin what is due; return what was begun."""
        started: list[str] = await workflow.execute_activity_method(
            PeriodEnd.begin_due_periods,
            start_to_close_timeout=BEGIN_TIMEOUT,
            heartbeat_timeout=timedelta(minutes=1),
            retry_policy=RETRY,
            summary="begins what is due 启动到期的考核和报表",
        )
        workflow.set_current_details("\n".join(f"- {each}" for each in started) or "无 nothing was due")
        return started
