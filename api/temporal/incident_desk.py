"""The way to incidents: declare one, act on it, look at it; and which of them a call belongs to."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from temporalio.client import Client

from api.problems import ProblemError
from api.temporal.gateway import QUERY_SECONDS, answering, ask, carry_out
from domain.case.commands import Command
from domain.case.intake import Actor
from domain.incident.incident import Opening
from domain.incident.lifecycle import LINKABLE, Scope
from domain.shared.numbers import days_around, local_day, time_to_settle
from workflows.incident_link import incident_id
from workflows.incident_start import Begun, find_incident, start_incident
from workflows.messages import IncidentOutcome, Names
from workflows.requests import Request

log = logging.getLogger("hotline.api")

FRESH_SECONDS = 1.0
"""How old what is known of open incidents may be: a call of the first second after a confirmation is gathered later."""

Taking = Callable[[], Awaitable[Sequence[tuple[str, Scope]]]]
"""The incidents that new cases are linked to, with what each explains. Raises what SQL raised."""


class IncidentDesk:
    """Incidents, as the API needs them. Every call ends within its time, with an answer or a ProblemError."""

    def __init__(self, client: Client, task_queue: str, timeout_seconds: float) -> None:
        self._client = client
        self._task_queue = task_queue
        self._timeout = timeout_seconds

    async def open(self, opening: Opening, request: Request | None, names: Names) -> Begun:
        """Make it durable, or find the one that the same request made; without a key there is none to find."""
        if request:
            await asyncio.sleep(time_to_settle(opening.at).total_seconds())
        async with answering(self._timeout, "The incident"):
            known_by = request or Request(key=uuid.uuid4().hex)
            return await start_incident(self._client, self._task_queue, opening, known_by, names)

    async def made(self, request: Request, at: datetime) -> str | None:
        """Return the number of the incident that this request has made; None if it has made none."""
        async with answering(self._timeout, "The incident"):
            return await find_incident(self._client, request, local_day(at), *days_around(at))

    async def act(
        self, number: str, command: Command[Any], refused: ProblemError | None = None
    ) -> IncidentOutcome | None:
        """Do what is asked; None where no workflow carries such an incident (any more). `refused`: see `carry_out`."""
        handle = self._client.get_workflow_handle(incident_id(number))
        return await carry_out(handle, command, IncidentOutcome, self._timeout, refused)

    async def live(self, number: str, actor: Actor) -> IncidentOutcome | None:
        """The incident as its workflow has it; None where there is none."""
        handle = self._client.get_workflow_handle(incident_id(number))
        return await ask(handle, "incident", [actor], IncidentOutcome, QUERY_SECONDS, "The incident")

    async def require_open(self, number: str, actor: Actor) -> None:
        """Raise ProblemError where no case can be linked to it: it is unknown, or has ended."""
        found = await self.live(number, actor)
        if found is None:
            raise ProblemError(
                "unknown-incident", f"There is no incident {number}.", accepted=["one of GET /v1/incidents", "null"]
            )
        if found.incident.state not in LINKABLE:
            detail = f"The incident {number} is {found.incident.state}: no case can be linked to it any more."
            accepted = [*sorted(LINKABLE)]
            raise ProblemError("incident-closed", detail, accepted=accepted, state=None, available_actions=None)


class OpenIncidents:
    """What new calls belong to: looked up in SQL once a second at most, and never waited for longer than that takes.

    Args:
        taking: asks SQL.
        seconds: longest wait of a call; 0 links nothing on intake.
    """

    def __init__(self, taking: Taking, seconds: float) -> None:
        self._taking = taking
        self._seconds = seconds
        self._known: Sequence[tuple[str, Scope]] = ()
        self._asked_at = -FRESH_SECONDS

    async def covering(self, service: str, district: str | None) -> str | None:
        """The number of the oldest open incident that explains such a call. Raises nothing: the call is taken."""
        if self._seconds and time.monotonic() - self._asked_at >= FRESH_SECONDS:
            # Noted first: the calls of the same moment go by what was known before.
            self._asked_at = time.monotonic()
            try:
                async with asyncio.timeout(self._seconds):
                    self._known = await self._taking()
            except Exception as error:  # noqa: BLE001 - whatever is the matter, nobody on the telephone waits for it
                log.warning("SQL does not tell which incidents are open: %s", type(error).__name__)
        return next((number for number, scope in self._known if scope.covers(service, district)), None)
