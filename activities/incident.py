"""Activities of incidents: rows in SQL, news to callers, and updates of the linked cases."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.client import Client

from activities.fan_out import GONE, fan_out
from activities.projection import plain_errors, read
from domain.case.actions.link_incident import LinkIncident
from domain.case.automatic.settle import SETTLE, Settled, Settlement
from domain.case.batch import ProjectionBatch
from domain.case.incident_link import OVER
from domain.incident.batch import BatchResult, Gathered, Gathering, IncidentBatch, Relinking, Settling, sampled
from domain.incident.notifications import News
from domain.shared.actors import SYSTEM
from domain.shared.command import Command
from readmodel import incidents
from readmodel.projection import NotRegisteredError, write
from readmodel.writer import GroupWriter

BATCH = 200
"""Cases of one activity, which takes seconds; then the incident shows its progress."""
SLICE = 500
"""Notifications of one transaction, for which publications of cases wait."""
UPDATE_TIMEOUT = timedelta(seconds=20)
"""Longest wait for a case; another worker takes over from one that died within this time."""
WRITE_SECONDS = 5.0
"""Longest wait for SQL; then each case publishes by itself."""
LINKED = "linked"


class Incidents:
    """The activities of incidents.

    Args:
        writer: group writer of the read model.
        engine: engine of the read model, to read.
        client: client that updates cases.
        workflow_id: returns the workflow id of a case's number.
    """

    def __init__(self, writer: GroupWriter, engine: Engine, client: Client, workflow_id: Callable[[str], str]) -> None:
        self._writer = writer
        self._engine = engine
        self._client = client
        self._workflow_id = workflow_id

    @activity.defn(name="publish_incident")
    async def publish(self, batch: IncidentBatch) -> None:
        """Commit the row of the incident, its events and notifications to staff."""
        await self._write(partial(incidents.write, batch=batch))

    @activity.defn(name="inform_callers")
    async def inform(self, news: News) -> None:
        """Write a notification for the caller of each case; the courier sends them."""
        for start in range(0, len(news.numbers), SLICE):
            await self._write(partial(incidents.inform, news=news, numbers=news.numbers[start : start + SLICE]))
            activity.heartbeat()

    @activity.defn(name="gather_cases")
    async def gather(self, gathering: Gathering) -> Gathered:
        """Link the next cases of the scope; return their count and the number to continue after."""
        numbers = await read(self._engine, lambda connection: incidents.candidates(connection, gathering, BATCH))
        answers, _ = await fan_out(numbers, lambda number: self._link(number, gathering.incident, "gather"))
        return Gathered(linked=answers[LINKED], after=numbers[-1] if len(numbers) == BATCH else None)

    @activity.defn(name="settle_cases")
    async def settle(self, settling: Settling) -> BatchResult:
        """Complete the cases and reply; return the count of each outcome (`domain.case.automatic.settle`).

        The batches that cases return are written here, many in one transaction. A case that is asked again returns
        the same batch, so a later attempt writes the same rows.
        """
        incident, batches = settling.incident, list[ProjectionBatch]()
        words = Settlement(incident=incident, result=settling.result, message=settling.message)

        async def ask(number: str) -> str:
            chosen = sampled(incident, number, settling.follow_up_percent)
            told = words.model_copy(update={"follow_up": chosen})
            settled: Settled = await self._update(number, SETTLE, told, Settled, f"{SETTLE}-{incident}")
            if settled.batch:
                batches.append(settled.batch)
            return settled.outcome

        async def flush() -> None:
            if batches:
                await self._write_settled(batches)
                batches.clear()

        answers, silent = await fan_out(settling.numbers, ask, flush=flush, last_served=self._last_served)
        answers[OVER] += answers.pop(GONE, 0)
        return BatchResult(counts=+answers, silent=silent)

    async def _write_settled(self, batches: Sequence[ProjectionBatch]) -> None:
        """Write the batches of settled cases; if SQL does not take them, signal each case to write its own."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.run(partial(write, batches=tuple(batches)))
        except (DBAPIError, NotRegisteredError, TimeoutError):
            for batch in batches:
                await self._client.get_workflow_handle(self._workflow_id(batch.number)).signal("publish")

    def _last_served(self) -> float:
        return self._writer.submitted_at

    @activity.defn(name="relink_cases")
    async def relink(self, relinking: Relinking) -> BatchResult:
        """Link the cases to another incident, or to none; return the count of each answer."""
        why = f"{relinking.incident}->{relinking.to}"
        answers, silent = await fan_out(
            relinking.numbers, lambda number: self._link(number, relinking.to, why), last_served=self._last_served
        )
        return BatchResult(counts=answers, silent=silent)

    async def _link(self, number: str, incident: str | None, why: str) -> str:
        """Link a case by an update with a key, so that the case knows it if it is asked again."""
        key = f"{why}-{incident}-{number}"
        command = Command(actor=SYSTEM, body=LinkIncident(incident=incident), key=key, digest=key)
        await self._update(number, "link_incident", command, dict)
        return LINKED

    async def _update(self, number: str, name: str, argument: Any, answer: type, once: str | None = None) -> Any:  # noqa: ANN401 - the update's own
        """Send an update; if one with the id `once` was sent before, return its answer."""
        handle = self._client.get_workflow_handle(self._workflow_id(number))
        return await handle.execute_update(name, argument, result_type=answer, id=once, rpc_timeout=UPDATE_TIMEOUT)

    async def _write(self, work: Callable[..., None]) -> None:
        with plain_errors():
            await self._writer.run(work)
