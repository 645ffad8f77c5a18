"""The way to incidents: declare one, act on it, look at it; and which of them a call belongs to."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from api.gateway import QUERY_SECONDS, answering, refused
from api.problems import ProblemError
from domain.commands import Command
from domain.incident import Incident, Opening
from domain.incident_table import LINKABLE, Scope
from domain.intake import Actor
from workflows.incident import IncidentWorkflow
from workflows.incident_links import incident_id
from workflows.incident_start import start_incident
from workflows.messages import IncidentOutcome, Names

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

    async def open(self, opening: Opening, known_by: str, names: Names) -> Incident:
        """Make it durable, or find the one that the same request made."""
        async with answering(self._timeout, "The incident"):
            return await start_incident(self._client, self._task_queue, opening, known_by, names)

    async def act(self, number: str, command: Command[Any], update_id: str) -> IncidentOutcome | None:
        """Do what is asked; None where no workflow carries such an incident (any more)."""
        handle = self._client.get_workflow_handle(incident_id(number))
        async with answering(self._timeout, "The action"):
            try:
                outcome: IncidentOutcome = await handle.execute_update(
                    command.body.action.value,
                    command,
                    id=update_id,
                    result_type=IncidentOutcome,
                    rpc_timeout=timedelta(seconds=self._timeout),
                )
            except WorkflowUpdateFailedError as error:
                raise refused(error) from None
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise
        return outcome

    async def live(self, number: str, actor: Actor) -> IncidentOutcome | None:
        """The incident as its workflow has it; None where there is none."""
        handle = self._client.get_workflow_handle(incident_id(number))
        async with answering(QUERY_SECONDS, "The incident"):
            try:
                return await handle.query(
                    IncidentWorkflow.incident, actor, rpc_timeout=timedelta(seconds=QUERY_SECONDS)
                )
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise

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
