"""Incidents for tests of workflows: begun as the service begins them, driven by the plain client."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from activities.names import incident_id
from domain.case.lifecycle import State
from domain.case.views import CaseView
from domain.incident.actions import INCIDENT_ACTION_OF, Resolve
from domain.incident.state import Opening, Scope
from domain.kit.event import ActionBody, Command
from domain.shared.actors import Actor
from tests.support.hotline import ADMIN, Complaint, Hotline, until
from workflows.clients.incidents import start_incident
from workflows.clients.start import Request
from workflows.incident.messages import IncidentOutcome
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.words import CatalogueNames

OVER = Resolve(result="已换管", message="已恢复供水")


class Cause:
    """One running incident."""

    def __init__(self, hotline: Hotline, number: str) -> None:
        self.number = number
        self._hotline = hotline

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Of the run that there is now."""
        return self._hotline.client.get_workflow_handle(incident_id(self.number))

    def run(self, run_id: str) -> WorkflowHandle[Any, Any]:
        """Of a certain run."""
        return self._hotline.client.get_workflow_handle(incident_id(self.number), run_id=run_id)

    async def act(self, body: ActionBody, by: Actor = ADMIN, key: str = "", digest: str = "") -> IncidentOutcome:
        """Send the update of this body."""
        command: Command[Any] = Command(actor=by, body=body, key=key, digest=digest)
        outcome = await self.handle.execute_update(
            INCIDENT_ACTION_OF[type(body)].name, command, result_type=IncidentOutcome, id=key or None
        )
        return cast("IncidentOutcome", outcome)

    async def seen(self) -> IncidentOutcome:
        """The live incident; asked again of a run that is too new to answer."""

        async def look() -> IncidentOutcome | None:
            try:
                return await self.handle.query(IncidentWorkflow.incident)
            except RPCError as error:
                if error.status is RPCStatusCode.FAILED_PRECONDITION:
                    return None
                raise

        found = await until(look, lambda seen: seen is not None)
        assert found is not None
        return found

    async def waits_for(self, count: int) -> None:
        """Until it knows of so many cases."""
        await until(self.seen, lambda seen: seen.waiting == count)

    async def in_state(self, state: str) -> IncidentOutcome:
        return await until(self.seen, lambda seen: seen.incident.state == state)

    async def timeline(self) -> list[dict[str, Any]]:
        """Return the incident's events in SQL."""
        return await asyncio.to_thread(self._rows, "incident_events")

    async def published(self, *actions: str) -> list[dict[str, Any]]:
        """Its timeline in SQL, once these are all that happened."""
        return await until(self.timeline, lambda rows: tuple(row["action"] for row in rows) == actions)

    async def messages(self) -> list[dict[str, Any]]:
        """Return the notifications to staff about the incident."""
        return await asyncio.to_thread(self._rows, "notifications")

    def _rows(self, table: str) -> list[dict[str, Any]]:
        with self._hotline.engine.connect() as connection:
            # The table names are the tests' own.
            query = text(f"SELECT * FROM {table} WHERE number = :number ORDER BY seq")
            return [dict(row) for row in connection.execute(query, {"number": self.number}).mappings()]


async def declare(
    hotline: Hotline, district: str, services: Sequence[str] = ("no_water",), known_by: str = "", **changes: Any
) -> Cause:
    """An incident of this scope, by somebody's hand."""
    at = datetime.now(UTC)
    scope = Scope(services=tuple(services), districts=(district,))
    usual = {"at": at, "actor": ADMIN, "title": "爆管 burst main", "scope": scope, "since": at}
    opening = Opening.model_validate(usual | changes)
    named = known_by or uuid.uuid4().hex
    names = CatalogueNames.of(hotline.catalogue)
    incident, *_ = await start_incident(hotline.client, hotline.settings.task_queue, opening, Request(key=named), names)
    return Cause(hotline, incident.number)


async def linked(hotline: Hotline, cause: Cause, count: int, district: str | None = None) -> list[Complaint]:
    """So many cases that were registered with the incident, which knows of them."""
    before = (await cause.seen()).waiting
    where = district or (await cause.seen()).incident.scope.districts[0]
    started = [await hotline.start(district=where, incident=cause.number) for _ in range(count)]
    await cause.waits_for(before + count)
    return started


async def count_timers(cause: Cause) -> int:
    """Count the timers in the incident's history."""
    history = (await cause.handle.fetch_history()).events
    return sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in history)


async def replied(complaint: Complaint) -> CaseView:
    """The case, once its caller has been replied to."""
    return await until(complaint.view, lambda view: view.state is State.PENDING_FOLLOW_UP)


async def actions(complaint: Complaint) -> list[str]:
    """Return the case's actions in SQL, once all are there."""
    version = (await complaint.view()).version
    return [row["action"] for row in sorted(await complaint.published(version), key=lambda row: row["seq"])]


async def count_of(complaint: Complaint, kind: EventType.ValueType) -> int:
    """Count the events of this kind in the case's history."""
    return sum(event.event_type == kind for event in (await complaint.handle.fetch_history()).events)


async def told(complaint: Complaint, kind: str) -> list[dict[str, Any]]:
    return [row for row in await complaint.rows("notifications") if row["kind"] == kind]
