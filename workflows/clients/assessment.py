"""Start of the assessment of a month, once, when it is due."""

import secrets
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import Client

from activities.names import assessment_id
from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.reports.period import month_bounds
from domain.shared.text import to_milliseconds
from workflows.assessment.messages import AssessmentStart, assessment_search_attributes, assessment_summary
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.clients.start import RPC_TIMEOUT, Request, start_again, start_unless_done
from workflows.kit.entity import LOWEST
from workflows.kit.messages import CatalogueNames
from workflows.kit.search_attributes import typed


async def start_assessment(client: Client, task_queue: str, opening: AssessmentOpening, names: CatalogueNames) -> bool:
    """Start the assessment; return False if the month was started before. Raises what the client raises."""
    month, _ = Assessment.open(opening)
    start = AssessmentStart(source=opening, names=names)
    return await start_unless_done(
        client, Request(key=month.number), AssessmentWorkflow.run, start, **_options(month, task_queue)
    )


async def resume_assessment(client: Client, task_queue: str, month: Assessment, names: CatalogueNames) -> bool:
    """Go on with an assessment whose workflow was lost or terminated, as SQL has it, and compute its figures anew.

    Returns False if its workflow runs. Raises what the client raises.
    """
    changed_at = to_milliseconds(month.published_at or month.opened_at)
    start = AssessmentStart(source=month, stale=True, names=names, changed_at=changed_at)
    return await start_again(
        client, Request(key=month.number), AssessmentWorkflow.run, start, **_options(month, task_queue)
    )


def _options(month: Assessment, task_queue: str) -> dict[str, Any]:
    return {
        "id": assessment_id(month.number),
        "task_queue": task_queue,
        "priority": LOWEST,
        "static_summary": assessment_summary(month.number),
        "search_attributes": typed(assessment_search_attributes(month)),
        "rpc_timeout": RPC_TIMEOUT,
    }


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
