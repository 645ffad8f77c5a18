"""Client of the workflows of incidents."""

import asyncio
import uuid
from datetime import datetime
from http import HTTPStatus

from activities.names import incident_id
from api.edge.problems import ProblemError, declare
from api.temporal.client import EntityClient, answering
from domain.incident.incident import Incident
from domain.incident.state import LINKABLE, Opening
from domain.shared.actors import Actor
from domain.shared.numbers import days_around, local_day, time_to_settle
from workflows.clients.incident import Started, find_incident, start_incident
from workflows.clients.start import Request
from workflows.incident.messages import IncidentOutcome
from workflows.kit.words import CatalogueNames

UNKNOWN_INCIDENT = declare("unknown-incident", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown incident")
INCIDENT_CLOSED = declare("incident-closed", HTTPStatus.CONFLICT, "Incident closed")


class IncidentClient(EntityClient[IncidentOutcome]):
    """Client of the workflows of incidents."""

    noun = "incident"
    workflow_id = staticmethod(incident_id)
    outcome = IncidentOutcome

    async def start(self, opening: Opening, request: Request | None, names: CatalogueNames) -> Started:
        """Make the incident durable, or find the one that the same request started; without a request, a new one."""
        await self._clock_check.require()
        if request:
            await asyncio.sleep(time_to_settle(opening.at).total_seconds())
        async with answering(self._timeout, "The incident"):
            known_by = request or Request(key=uuid.uuid4().hex)
            return await start_incident(self._client, self._task_queue, opening, known_by, names)

    async def started_by(self, request: Request, at: datetime) -> str | None:
        """Return the number of the incident that this request has started; None if it has started none."""
        async with answering(self._timeout, "The incident"):
            return await find_incident(self._client, request, local_day(at), *days_around(at))

    async def incident(self, number: str, actor: Actor) -> Incident | None:
        """Return the live incident; None if there is none. Raises ProblemError."""
        found = await self._query(number, "incident", [actor], IncidentOutcome, "The incident")
        return found.incident if found else None

    async def require_open(self, number: str, actor: Actor) -> None:
        """Raise ProblemError if no case can be linked to the incident: it is unknown, or has ended."""
        found = await self.incident(number, actor)
        if found is None:
            accepted = ["one of GET /v1/incidents", "null"]
            raise ProblemError(UNKNOWN_INCIDENT, f"There is no incident {number}.", accepted=accepted)
        if found.state not in LINKABLE:
            detail = f"The incident {number} is {found.state}: no case can be linked to it any more."
            raise ProblemError(INCIDENT_CLOSED, detail, accepted=sorted(LINKABLE))
