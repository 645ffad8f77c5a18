"""Start of what is due for a month or a day that is over: assessments and reports."""

import secrets
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy

from activities.names import REPORT, assessment_id
from activities.reports import ReportOrder
from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.reports.report import ReportKind, month_bounds
from domain.shared.value import to_milliseconds
from workflows.assessment import messages
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.clients.start import Request, start_once, warn_of_other
from workflows.kit.entity import LOWEST
from workflows.kit.search_attributes import typed
from workflows.kit.words import CatalogueNames
from workflows.singletons import ReportWorkflow


async def open_assessment(
    client: Client, task_queue: str, month: str, at: datetime, catalogue: Catalogue, edition: Edition
) -> bool:
    """Open the assessment of a month by this catalogue. Returns False if it has no [assessment], or opened before."""
    standard = catalogue.standard(at)
    if standard is None:
        return False
    since, until = month_bounds(month, ZoneInfo(catalogue.calendar.timezone))
    opening = AssessmentOpening(
        month=month,
        at=at,
        since=since,
        until=until,
        seed=secrets.token_hex(8),
        standard=standard,
        edition=edition,
    )
    return await start_assessment(client, task_queue, opening, CatalogueNames.of(catalogue))


async def start_assessment(client: Client, task_queue: str, opening: AssessmentOpening, names: CatalogueNames) -> bool:
    """Start the assessment, unless it runs or was done: a run that failed or was ended frees its id.

    Returns False if the id is taken, and logs a warning if that is by something else. Raises what the client raises.
    """
    month, _ = Assessment.open(opening)
    start = messages.AssessmentStart(source=opening, names=names)
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    return await _assess(client, task_queue, month, start, reuse) or await warn_of_other(
        client, Request(key=month.number), assessment_id(month.number), task_queue
    )


async def resume_assessment(client: Client, task_queue: str, month: Assessment, names: CatalogueNames) -> bool:
    """Go on with an assessment whose workflow was lost or terminated, as SQL has it, and compute its figures anew.

    Returns False if its workflow runs. Raises what the client raises.
    """
    changed_at = to_milliseconds(month.published_at or month.opened_at)
    start = messages.AssessmentStart(source=month, stale=True, names=names, changed_at=changed_at)
    return await _assess(client, task_queue, month, start, WorkflowIDReusePolicy.ALLOW_DUPLICATE)


async def _assess(
    client: Client, task_queue: str, month: Assessment, start: messages.AssessmentStart, reuse: WorkflowIDReusePolicy
) -> bool:
    return await start_once(
        client,
        Request(key=month.number),
        AssessmentWorkflow.run,
        start,
        reuse=reuse,
        id=assessment_id(month.number),
        task_queue=task_queue,
        priority=LOWEST,
        static_summary=f"月度考核 assessment {month.number}",
        search_attributes=typed(messages.search_attributes(month)),
    )


def report_workflow_id(kind: ReportKind, period: str) -> str:
    return f"{REPORT}{kind.value}-{period}"


async def start_report(client: Client, task_queue: str, kind: ReportKind, period: str) -> bool:
    """Start the making of the report; a further run, as after one that failed, finds what was made.

    Returns False if one runs, and logs a warning if that does something else. Raises what the client raises.
    """
    workflow_id = report_workflow_id(kind, period)
    request = Request(key=workflow_id)
    started = await start_once(
        client,
        request,
        ReportWorkflow.run,
        ReportOrder(kind=kind, period=period),
        reuse=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id=workflow_id,
        task_queue=task_queue,
        priority=LOWEST,
        static_summary=f"{kind.zh} {kind.value.capitalize()} report · {period}",
        static_details="One activity makes the report from SQL and keeps it; the result is its path in the API.",
    )
    return started or await warn_of_other(client, request, workflow_id, task_queue)


def report_handle(client: Client, kind: ReportKind, period: str) -> WorkflowHandle[Any, str]:
    """Its result is the path of the report."""
    return client.get_workflow_handle(report_workflow_id(kind, period), result_type=str)
