"""Start of a report: a further run, as after one that failed, finds what was made."""

from typing import Any

from temporalio.client import Client, WorkflowHandle

from activities.names import REPORT
from domain.reports.period import ReportKind
from workflows.clients.start import RPC_TIMEOUT, Request, start_again, warn_of_other
from workflows.kit.entity import LOWEST
from workflows.report import ReportStart, ReportWorkflow


def report_workflow_id(kind: ReportKind, period: str) -> str:
    """Return the workflow id of a report."""
    return f"{REPORT}{kind.value}-{period}"


async def start_report(client: Client, task_queue: str, kind: ReportKind, period: str) -> bool:
    """Start the making of the report. Returns False if one runs, and logs a warning if that does something else.

    Raises what the client raises.
    """
    workflow_id = report_workflow_id(kind, period)
    request = Request(key=workflow_id)
    started = await start_again(
        client,
        request,
        ReportWorkflow.run,
        ReportStart(kind=kind, period=period),
        id=workflow_id,
        task_queue=task_queue,
        priority=LOWEST,
        static_summary=f"{kind.zh} {kind.value.capitalize()} report · {period}",
        static_details="One activity makes the report from SQL and keeps it; the result is its path in the API.",
        rpc_timeout=RPC_TIMEOUT,
    )
    return started or await warn_of_other(client, request, id=workflow_id, task_queue=task_queue)


def report_handle(client: Client, kind: ReportKind, period: str) -> WorkflowHandle[Any, str]:
    """Return the handle of the workflow of a report, whose result is the path of the report."""
    return client.get_workflow_handle(report_workflow_id(kind, period), result_type=str)
