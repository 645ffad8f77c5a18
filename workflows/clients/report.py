"""Start of a report: a further run, as after one that failed, finds what was made."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, tzinfo
from typing import Any

from temporalio.client import Client, WorkflowHandle

from domain.reports.period import ReportKind, due_periods
from workflows.clients.start import RPC_TIMEOUT, Request, start_again
from workflows.entity import LOWEST
from workflows.report import ReportStart, ReportWorkflow


def report_workflow_id(kind: ReportKind, period: str) -> str:
    """Return the workflow id of a report."""
    return f"report-{kind.value}-{period}"


async def start_report(client: Client, task_queue: str, kind: ReportKind, period: str) -> bool:
    """Start the making of the report. Returns False if it is under way. Raises what the client raises."""
    workflow_id = report_workflow_id(kind, period)
    return await start_again(
        client,
        Request(key=workflow_id),
        ReportWorkflow.run,
        ReportStart(kind=kind, period=period),
        id=workflow_id,
        task_queue=task_queue,
        priority=LOWEST,
        static_summary=f"{kind.zh} {kind.value.capitalize()} report · {period}",
        static_details="One activity makes the report from SQL and keeps it; the result is its path in the API.",
        rpc_timeout=RPC_TIMEOUT,
    )


def report_handle(client: Client, kind: ReportKind, period: str) -> WorkflowHandle[Any, str]:
    """Return the handle of the workflow of a report, whose result is the path of the report."""
    return client.get_workflow_handle(report_workflow_id(kind, period), result_type=str)


class DueReports:
    """Reports of one kind that are due at the end of periods.

    Args:
        client: client of Temporal.
        task_queue: queue of the workers.
        kind: kind of report.
        zone: returns the time zone of the catalogue in force.
        first_and_known: returns when the first case was registered, and the periods with a report.
    """

    def __init__(
        self,
        client: Client,
        task_queue: str,
        kind: ReportKind,
        zone: Callable[[], tzinfo],
        first_and_known: Callable[[], Awaitable[tuple[datetime | None, Collection[str]]]],
    ) -> None:
        self._client = client
        self._task_queue = task_queue
        self._kind = kind
        self._zone = zone
        self._first_and_known = first_and_known

    async def due(self, at: datetime) -> Sequence[str]:
        """Return the periods that are due."""
        first, known = await self._first_and_known()
        if first is None:
            return []
        return [period.name for period in due_periods(self._kind, first, known, at, self._zone())]

    def workflow_id(self, period: str) -> str:
        """Return the id of the workflow of a period."""
        return report_workflow_id(self._kind, period)

    async def begin(self, period: str, at: datetime) -> bool:  # noqa: ARG002 - as DuePeriods
        """Begin the report of a period. Returns False if it is under way. Raises what the client raises."""
        return await start_report(self._client, self._task_queue, self._kind, period)
