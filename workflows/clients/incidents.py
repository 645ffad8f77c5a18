"""Start of incidents, once for each request."""

import asyncio
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from temporalio.client import Client
from temporalio.common import Priority

from activities.names import incident_id
from domain.incident.incident import Incident
from domain.incident.state import IncidentEvent, Opening
from domain.shared.numbers import days_around, incident_number_of, local_day, time_to_start
from workflows.clients.start import RPC_TIMEOUT, Request, find_started, start_once
from workflows.incident import messages
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.search_attributes import typed
from workflows.kit.words import CatalogueNames

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
                messages.IncidentStart(source=opening.model_copy(update={"number": number}), names=names),
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
    scope = messages.scope_in_words(incident.scope, names.named)
    return {
        "id": incident_id(incident.number),
        "static_summary": f"突发事件 incident {incident.number} · {scope}",
        "search_attributes": typed(messages.search_attributes(incident, names)),
        "priority": URGENT,
    }


async def find_incident(client: Client, request: Request, *days: date) -> str | None:
    """None if the request started none on one of these days. Raises KeyReusedError, and what the client raises."""
    for day in days:
        if number := await find_started(client, request, _numbers(day, request), incident_id):
            return number
    return None


def _numbers(day: date, request: Request) -> Iterator[str]:
    return (incident_number_of(day, request.key, draw) for draw in range(MOST_DRAWS))


def _numbered(opening: Opening, number: str) -> tuple[Incident, IncidentEvent]:
    return Incident.open(opening.model_copy(update={"number": number}))


def suspected_by(service: str, district: str, ended_at: datetime | None) -> str:
    """Key of a suspicion: the same until an incident of this cause has ended, or is narrowed."""
    return f"{service}/{district}/{ended_at.isoformat() if ended_at else ''}"
