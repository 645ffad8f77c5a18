"""The workflow that a Schedule starts each night: it begins what is due at the end of a day or month."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.period_end import PeriodEnd
    from activities.signatures import SCHEDULED_WORKFLOW
    from workflows.entity import RETRY

TIMEOUT = timedelta(minutes=10)
"""Longest duration of one attempt: the assessments and reports run in workflows of their own."""


@workflow.defn(name=SCHEDULED_WORKFLOW)
class PeriodEndWorkflow:
    """Begins the assessments and reports that are due (日终月终)."""

    @workflow.run
    async def run(self) -> list[str]:
        """Begin what is due; return what was begun."""
        started: list[str] = await workflow.execute_activity_method(
            PeriodEnd.begin_due_periods,
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=timedelta(minutes=1),
            retry_policy=RETRY,
            summary="begins what is due 启动到期的考核和报表",
        )
        workflow.set_current_details("\n".join(f"- {each}" for each in started) or "无 nothing was due")
        return started
