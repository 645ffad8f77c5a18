"""Start of workflows for a request, once: the memo keeps the request, so that the same request finds the workflow.

Incidents, handovers, rollouts of a catalogue, and what is due for a month or a day that is over.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from temporalio.client import Client, WorkflowExecution, WorkflowFailureError, WorkflowHandle
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.names import HANDOVER, REPORT, ROLLOUT, assessment_id, incident_id
from activities.reports import ReportOrder
from activities.run_status import if_found, is_not_found, is_over
from activities.sealing.stamps import UndecidedError
from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.case.bulk import HandoverProgress
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.incident.incident import Incident
from domain.incident.state import IncidentEvent, Opening
from domain.reports.report import ReportKind, month_bounds
from domain.shared.numbers import days_around, incident_number_of, local_day, time_to_start
from domain.shared.value import Immutable, to_milliseconds
from workflows.assessment import messages as assessments
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.bulk import CatalogueRolloutWorkflow, HandoverStart, HandoverWorkflow, RolloutStart
from workflows.incident import messages as incidents
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.entity import LOWEST
from workflows.kit.search_attributes import typed
from workflows.kit.words import CatalogueNames
from workflows.service import ReportWorkflow

logger = logging.getLogger(__name__)

MEMO = "request"
"""Key of the memo by which the service marks the workflows that it starts: cases, incidents and rollouts."""
TASK_TIMEOUT = timedelta(seconds=2.5)
"""A task whose worker died is given to another after so long (the default is 10 s); a task takes milliseconds."""
RPC_TIMEOUT = timedelta(seconds=8)
"""Longest wait for one answer of Temporal; a caller may end it earlier."""


class Request(Immutable):
    """The key of a request, and the digest of its body."""

    key: str
    digest: str = ""


class KeyReusedError(ValueError):
    """The key of the request has started a workflow with another body."""


async def start_once(
    client: Client,
    request: Request,
    run: Any,  # noqa: ANN401 - as the SDK has it
    start: BaseModel,
    *,
    reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE,
    **options: Any,  # noqa: ANN401 - those of the SDK
) -> bool:
    """Start the workflow for the request. Returns False if its id is taken. Raises what the client raises.

    `request` is the one that started the first run under this id, as far as it is known. `reuse` tells which runs that
    have ended leave the id free; by default none does. `options` are those of `Client.start_workflow`.
    """
    options = {"rpc_timeout": RPC_TIMEOUT, "id_reuse_policy": reuse, "task_timeout": TASK_TIMEOUT, **options}
    try:
        await client.start_workflow(run, start, memo={MEMO: request}, **options)
    except WorkflowAlreadyStartedError:
        return False
    return True


async def warn_of_other(client: Client, request: Request, workflow_id: str, task_queue: str) -> bool:
    """Log a warning if a workflow that does not do what is asked for has the id. Returns False. Raises RPCError."""
    found = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
    if found.task_queue != task_queue or await request_of(found) != request:
        logger.warning(
            "workflow %s is not started: another, of type %s on task queue %s, has its id; terminate that, or delete it"
            " if it has ended",
            found.id,
            found.workflow_type,
            found.task_queue,
        )
    return False


async def request_of(found: WorkflowExecution) -> Request:
    """Return the request that started this run; one with an empty key if the memo has none."""
    # Of somebody else, or sealed with a key that this process does not have.
    with suppress(UndecidedError, ValidationError):
        request: Request = await found.memo_value(MEMO, Request(key=""), type_hint=Request)
        return request
    return Request(key="")


async def find_started(
    client: Client, request: Request, numbers: Iterable[str], workflow_id: Callable[[str], str]
) -> str | None:
    """Return the number that this request has started a workflow under; None if it has started none.

    `numbers` are the candidates that its key leads to, in the order in which they are tried. Raises KeyReusedError,
    and what the client raises.
    """
    for number in numbers:
        one = workflow_id(number)
        found = await if_found(client.get_workflow_handle(one).describe(rpc_timeout=RPC_TIMEOUT))
        if found is None:
            return None
        starter = await request_of(found)
        if not starter.key:  # somebody has taken the id of what the request started
            runs = client.list_workflows(f'WorkflowId = "{one}"', rpc_timeout=RPC_TIMEOUT)
            starter = next((each for each in [await request_of(run) async for run in runs] if each.key), starter)
        if starter.key == request.key:
            if starter.digest != request.digest:
                raise KeyReusedError(number)
            return number
    return None


MOST_DRAWS = 50
URGENT = Priority(priority_key=2)
"""Before all cases but emergencies, as many callers wait for it."""


class NoNumberError(RuntimeError):
    """No number of the day was free."""


class Started(NamedTuple):
    """An incident as it was started, with its first event; `again` is True if an earlier request started it."""

    incident: Incident
    event: IncidentEvent
    again: bool


async def start_incident(
    client: Client, task_queue: str, opening: Opening, request: Request, names: CatalogueNames
) -> Started:
    """Start the incident, or find the one that the same request started today or yesterday (Beijing time).

    Raises KeyReusedError, NoNumberError, TimeoutError if the day ends meanwhile, and what the client raises.
    """
    today = local_day(opening.at)
    left = time_to_start(today, opening.at)
    async with asyncio.timeout(left.total_seconds()):
        if number := await find_incident(client, request, *days_around(opening.at)):
            return Started(*_numbered(opening, number), again=True)
        for number in _numbers(today, request):
            incident, event = _numbered(opening, number)
            started = await start_once(
                client,
                request,
                IncidentWorkflow.run,
                incidents.IncidentStart(source=opening.model_copy(update={"number": number}), names=names),
                task_queue=task_queue,
                **incident_options(incident, names),
                rpc_timeout=min(RPC_TIMEOUT, left),
            )
            if started:
                return Started(incident, event, again=False)
            if await find_started(client, request, [number], incident_id):
                return Started(incident, event, again=True)
    raise NoNumberError(f"none of {MOST_DRAWS} numbers was free")


def incident_options(incident: Incident, names: CatalogueNames) -> dict[str, Any]:
    return {
        "id": incident_id(incident.number),
        "static_summary": f"突发事件 incident {incident.number} · {incidents.scope_in_words(incident, names)}",
        "search_attributes": typed(incidents.search_attributes(incident)),
        "priority": URGENT,
    }


async def find_incident(client: Client, request: Request, *days: date) -> str | None:
    """Return the number of the incident that this request started on one of these days; None if it started none.

    Raises KeyReusedError, and what the client raises.
    """
    for day in days:
        if number := await find_started(client, request, _numbers(day, request), incident_id):
            return number
    return None


def _numbers(day: date, request: Request) -> Iterator[str]:
    return (incident_number_of(day, request.key, draw) for draw in range(MOST_DRAWS))


def _numbered(opening: Opening, number: str) -> tuple[Incident, IncidentEvent]:
    return Incident.open(opening.model_copy(update={"number": number}))


def suspected_by(service: str, district: str, ended_at: datetime | None) -> str:
    """Return the key of a suspicion: the same until an incident of this cause has ended, or is narrowed."""
    return f"{service}/{district}/{ended_at.isoformat() if ended_at else ''}"


def handover_workflow_id(handover_id: str) -> str:
    """Return the workflow id of a handover, whose id is the key of the request."""
    return f"{HANDOVER}{handover_id}"


async def start_handover(
    client: Client, task_queue: str, start: HandoverStart, request: Request
) -> WorkflowHandle[Any, HandoverProgress]:
    """Start the handover, or find it if it was started before. Raises what the client raises."""
    handover = start.progress.handover
    await start_once(
        client,
        request,
        HandoverWorkflow.run,
        start,
        id=handover_workflow_id(handover.id),
        task_queue=task_queue,
        priority=LOWEST,
        static_summary=f"全部移交 Handover · {handover.previous_owner} → {handover.owner}",
        static_details="Every open case of the one is given to the other, a few at a time.",
    )
    return client.get_workflow_handle(handover_workflow_id(handover.id), result_type=HandoverProgress)


def rollout_id(edition: Edition) -> str:
    return f"{ROLLOUT}{edition.digest}"


async def start_rollout(
    client: Client, task_queue: str, start: RolloutStart
) -> WorkflowHandle[CatalogueRolloutWorkflow, dict[str, int]]:
    """Start the rollout, or find it running. A further one, after its end, changes what is left to change."""
    edition = start.edition
    return await client.start_workflow(
        CatalogueRolloutWorkflow.run,
        start,
        id=rollout_id(edition),
        task_queue=task_queue,
        memo={MEMO: Request(key=edition.digest)},
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=LOWEST,
        static_summary=f"启用服务目录 Catalogue in force · {edition.name_zh} {edition.name}",
        static_details="Every open case is held to the catalogue, a few at a time; the result counts their answers.",
    )


async def end_rollout(client: Client, edition: Edition) -> bool:
    """End the rollout of another catalogue, and wait for its end. Returns False if it is not running."""
    handle = client.get_workflow_handle(rollout_id(edition))
    found = await if_found(handle.describe())
    if found is None or is_over(found.status) or await is_not_found(handle.cancel()):
        return False
    with suppress(WorkflowFailureError):
        await handle.result()
    return True


async def begin_assessment(
    client: Client, task_queue: str, month: str, at: datetime, catalogue: Catalogue, edition: Edition
) -> bool:
    """Begin the assessment of a month by this catalogue. Returns False if it has no [assessment], or begun before."""
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
    start = assessments.AssessmentStart(source=opening, names=names)
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    return await _assess(client, task_queue, month, start, reuse) or await warn_of_other(
        client, Request(key=month.number), assessment_id(month.number), task_queue
    )


async def resume_assessment(client: Client, task_queue: str, month: Assessment, names: CatalogueNames) -> bool:
    """Go on with an assessment whose workflow was lost or terminated, as SQL has it, and compute its figures anew.

    Returns False if its workflow runs. Raises what the client raises.
    """
    changed_at = to_milliseconds(month.published_at or month.opened_at)
    start = assessments.AssessmentStart(source=month, stale=True, names=names, changed_at=changed_at)
    return await _assess(client, task_queue, month, start, WorkflowIDReusePolicy.ALLOW_DUPLICATE)


async def _assess(
    client: Client, task_queue: str, month: Assessment, start: assessments.AssessmentStart, reuse: WorkflowIDReusePolicy
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
        search_attributes=typed(assessments.search_attributes(month)),
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
    """Return the handle of the workflow of a report, whose result is the path of the report."""
    return client.get_workflow_handle(report_workflow_id(kind, period), result_type=str)
