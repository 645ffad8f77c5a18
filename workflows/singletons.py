"""Workflows of the service itself: those that run for ever, the end of days and months, and that of unknown types."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities import poller
    from activities.names import INSTALLATION, UNSEALED
    from activities.notifications.courier import Courier
    from activities.recovery.reconcile import Reconciler
    from activities.recovery.report import ReconcilerReport
    from activities.reports import MadeReport, ReportActivities, ReportOrder
    from activities.sealing.stamps import UndecidedError
    from activities.surge_watch import SurgeWatch
    from domain.shared.value import Start
    from workflows.kit.entity import RETRY, execute

MAKE_TIMEOUT = timedelta(minutes=2)
"""Longest duration of one attempt: a month is a dozen statements of at most four seconds each."""
BEGIN_TIMEOUT = timedelta(minutes=10)
"""Longest duration of one attempt: the assessments and reports run in workflows of their own."""


class ReconcilerStart(ReconcilerReport, Start):
    """Start message of the reconciler: the report of its last run."""


FIRST_START = ReconcilerStart()
MEMO = "installation"


@workflow.defn(name="InstallationWorkflow")
class InstallationWorkflow:
    """Workflow that does nothing: its memo shows to which installation this namespace belongs."""

    @workflow.run
    async def run(self) -> None:
        # Its start has no argument that could be sealed: anybody could have it wait in the place of another workflow.
        if workflow.info().workflow_id != INSTALLATION:
            message = "Not started: the service starts it under one id."
            raise ApplicationError(message, type=UNSEALED, non_retryable=True)
        await workflow.wait_condition(lambda: False)


@workflow.defn(name="CourierWorkflow")
class CourierWorkflow:
    """Workflow that sends notifications (通知)."""

    @workflow.run
    async def run(self) -> None:
        result = "上一轮发送或记录 {0} 条, sent or recorded by the last run"
        await _run_poller(Courier.deliver_notifications, "relays due notifications 投递通知", result)


@workflow.defn(name="SurgeWatchWorkflow")
class SurgeWatchWorkflow:
    """Workflow that watches the calls for surges (突发事件预警)."""

    @workflow.run
    async def run(self) -> None:
        result = "上一轮预警 {0} 起, suspected by the last run"
        await _run_poller(SurgeWatch.watch_surges, "watches the calls for surges 监测来电", result)


@workflow.defn(name="ReconcilerWorkflow")
class ReconcilerWorkflow:
    """Workflow that compares Temporal with SQL (核对)."""

    @workflow.run
    async def run(self, before: ReconcilerStart = FIRST_START) -> None:
        await _run_poller(Reconciler.reconcile, "compares cases in Temporal with SQL 核对", "{0}", before)


async def _run_poller(activity: Callable[..., Awaitable[Any]], summary: str, result: str, *before: object) -> NoReturn:
    """Run the activity again and again; continue as new when the history has grown.

    `result` is the text with what the last run returned, in place of `{0}`. If the activity takes what the run
    `before` returned, each takes that of the last one.
    """
    while not workflow.info().is_continue_as_new_suggested():
        found = await workflow.execute_activity_method(
            activity,
            args=before,
            start_to_close_timeout=poller.RUN_TIMEOUT,
            heartbeat_timeout=poller.HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            summary=summary,
        )
        before = (found,) if before else ()
        workflow.set_current_details(f"{result.format(found)} ({workflow.now():%Y-%m-%d %H:%M:%S} UTC)")
    workflow.continue_as_new(args=before)


@workflow.defn(name="ReportWorkflow")
class ReportWorkflow:
    """Makes the report of one period."""

    @workflow.run
    async def run(self, order: ReportOrder) -> str:
        summary = f"{order.period} 编制{order.kind.zh}"
        made: MadeReport = await execute(ReportActivities.make_report, order, MAKE_TIMEOUT, summary)
        workflow.set_current_details(made.details)
        return made.path


@workflow.defn(name="PeriodEndWorkflow")
class PeriodEndWorkflow:
    """Begins the assessments and reports that are due (日终月终). A Schedule starts it each night."""

    @workflow.run
    async def run(self) -> list[str]:
        started: list[str] = await workflow.execute_activity_method(
            ReportActivities.begin_due_periods,
            start_to_close_timeout=BEGIN_TIMEOUT,
            heartbeat_timeout=timedelta(minutes=1),
            retry_policy=RETRY,
            summary="begins what is due 启动到期的考核和报表",
        )
        workflow.set_current_details("\n".join(f"- {each}" for each in started) or "无 nothing was due")
        return started


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """Workflow that waits for a release that has its type. One that the service has not started fails before `run`."""

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> None:  # noqa: ARG002 - as the SDK wants it
        """Fail the task, which is tried again."""
        raise UndecidedError(f"this release has no {workflow.info().workflow_type}")
