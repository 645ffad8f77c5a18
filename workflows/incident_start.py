"""Beginning an incident: under a number drawn from what it is known by, so that begun again it is the same one."""

from datetime import date, datetime, timedelta

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.incident import Incident, Opening
from domain.numbers import day_before, incident_number_of, local_day
from workflows.incident import IncidentWorkflow
from workflows.incident_links import incident_id
from workflows.incident_presentation import incident_attributes, incident_summary
from workflows.messages import TASK_TIMEOUT, IncidentStart, Names

MOST_DRAWS = 50
RPC_TIMEOUT = timedelta(seconds=8)
URGENT = Priority(priority_key=2)
"""Before all cases but emergencies: many callers wait for it."""
_MEMO = "known_by"


class NoNumberError(RuntimeError):
    """No number of the day was free."""


async def start_incident(client: Client, task_queue: str, opening: Opening, known_by: str, names: Names) -> Incident:
    """Make the incident durable, or find what is known by the same since this day or the one before (Beijing time).

    Raises what the client raises; NoNumberError.
    """
    if number := await _made(client, day_before(local_day(opening.at)), known_by):
        return Incident.open(opening.model_copy(update={"number": number}))[0]
    for draw in range(MOST_DRAWS):
        number = incident_number_of(local_day(opening.at), known_by, draw)
        start = IncidentStart(source=opening.model_copy(update={"number": number}), names=names)
        incident, _ = Incident.open(start.source)  # type: ignore[arg-type]  # an opening, as made above
        try:
            await client.start_workflow(
                IncidentWorkflow.run,
                start,
                id=incident_id(number),
                task_queue=task_queue,
                static_summary=incident_summary(incident, names),
                search_attributes=incident_attributes(incident),
                memo={_MEMO: known_by},
                task_timeout=TASK_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=RPC_TIMEOUT,
                priority=URGENT,
            )
        except WorkflowAlreadyStartedError:
            if await _known_by(client, number) != known_by:
                continue
        return incident
    raise NoNumberError(f"none of {MOST_DRAWS} numbers was free")


async def _made(client: Client, day: date, known_by: str) -> str | None:
    """The number of the incident that is known by this since that day; None where there is none."""
    for draw in range(MOST_DRAWS):
        number = incident_number_of(day, known_by, draw)
        found = await _known_by(client, number)
        if found in (None, known_by):
            return number if found else None
    return None


async def _known_by(client: Client, number: str) -> str | None:
    """What the incident of this number is known by; None where there is no such incident."""
    try:
        found = await client.get_workflow_handle(incident_id(number)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    known_by: str = await found.memo_value(_MEMO, "")
    return known_by


def suspected_by(service: str, district: str, ended_at: datetime | None) -> str:
    """What a suspicion is known by: until an incident of that service and district has ended, there is one."""
    return f"{service}/{district}/{ended_at.isoformat() if ended_at else ''}"
