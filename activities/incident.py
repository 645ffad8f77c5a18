"""The work of an incident: it is written down, and its cases are called on, portion by portion."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.client import Client

from activities.projection import unavailable
from activities.rounds import GONE, call_on, take_silent
from domain.case.automatic.settle import OVER, SETTLE, Settled, Settlement
from domain.case.batch import ProjectionBatch
from domain.case.commands import Command, LinkIncident
from domain.case.intake import SYSTEM
from domain.case.lifecycle import Action
from domain.incident.batch import Gathered, Gathering, HandingOn, IncidentBatch, SeenTo, Settling, sampled
from domain.incident.notices import News
from readmodel import incidents
from readmodel.database import reading
from readmodel.projection import NotRegisteredError, write
from readmodel.writer import GroupWriter

BATCH = 200
"""Cases of one activity: some seconds' work, after which the incident shows how far it is."""
SLICE = 500
"""Messages of one transaction: the cases that are published meanwhile wait for no longer than that takes."""
UPDATE_TIMEOUT = timedelta(seconds=20)
"""A case whose worker died is handed to another within this time."""
WRITE_SECONDS = 5.0
"""Longest wait for SQL; then each case goes on by itself."""
LINKED = "linked"


class Incidents:
    """The activities of incidents.

    Args:
        writer: takes part in the one thread that writes.
        engine: to read with.
        client: the way to the cases.
        workflow_id: the workflow of a case's number.
    """

    def __init__(self, writer: GroupWriter, engine: Engine, client: Client, workflow_id: Callable[[str], str]) -> None:
        self._writer = writer
        self._engine = engine
        self._client = client
        self._workflow_id = workflow_id

    @activity.defn(name="publish_incident")
    async def publish(self, batch: IncidentBatch) -> None:
        """Return when the incident's row, events and messages to staff are committed."""
        await self._write(partial(incidents.write, batch=batch))

    @activity.defn(name="inform_callers")
    async def inform(self, news: News) -> None:
        """Write a message to the caller of each case; the courier sends them."""
        for start in range(0, len(news.numbers), SLICE):
            await self._write(partial(incidents.inform, news=news, numbers=news.numbers[start : start + SLICE]))
            activity.heartbeat()

    @activity.defn(name="gather_cases")
    async def gather(self, gathering: Gathering) -> Gathered:
        """Link the next cases of the scope; answer how many, and where to go on."""
        numbers = await asyncio.to_thread(self._candidates, gathering)
        answers = await call_on(numbers, lambda number: self._link(number, gathering.incident, "gather"))
        return Gathered(linked=answers[LINKED], after=numbers[-1] if len(numbers) == BATCH else None)

    @activity.defn(name="settle_cases")
    async def settle(self, settling: Settling) -> SeenTo:
        """Complete and reply; answer how many cases came out how (`domain.case.automatic.settle`).

        What the cases publish by that is written here, many in one transaction: a case that was asked again answers the
        same, so a later try writes the same again.
        """
        incident, lent = settling.incident, list[ProjectionBatch]()
        words = Settlement(incident=incident, result=settling.result, message=settling.message)

        async def ask(number: str) -> str:
            chosen = sampled(incident, number, settling.follow_up_percent)
            told = words.model_copy(update={"follow_up": chosen})
            settled: Settled = await self._update(number, SETTLE, told, Settled, f"{SETTLE}-{incident}")
            if settled.batch:
                lent.append(settled.batch)
            return settled.outcome

        async def finish() -> None:
            if lent:
                await self._write_lent(lent)
                lent.clear()

        answers = await call_on(settling.numbers, ask, finish=finish, served=self._served)
        answers[OVER] += answers.pop(GONE, 0)
        silent = tuple(take_silent(answers))
        return SeenTo(counts=+answers, silent=silent)

    async def _write_lent(self, batches: Sequence[ProjectionBatch]) -> None:
        """Write what cases have lent, or let each write by itself, which goes on trying until SQL takes it."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.run(partial(write, batches=tuple(batches)))
        except (DBAPIError, NotRegisteredError, TimeoutError):
            for batch in batches:
                await self._client.get_workflow_handle(self._workflow_id(batch.number)).signal("publish")

    def _served(self) -> float:
        return self._writer.submitted_at

    @activity.defn(name="relink_cases")
    async def relink(self, handing: HandingOn) -> SeenTo:
        """Link the cases to another incident, or to none; answer how many did."""
        why = f"{handing.incident}->{handing.to}"
        answers = await call_on(
            handing.numbers, lambda number: self._link(number, handing.to, why), served=self._served
        )
        silent = tuple(take_silent(answers))
        return SeenTo(counts=answers, silent=silent)

    async def _link(self, number: str, incident: str | None, why: str) -> str:
        """Keyed, so that asked again the case knows that it has done it."""
        key = f"{why}-{incident}-{number}"
        command = Command(actor=SYSTEM, body=LinkIncident(incident=incident), key=key, digest=key)
        await self._update(number, Action.LINK_INCIDENT.value, command, dict)
        return LINKED

    async def _update(self, number: str, name: str, argument: Any, answer: type, once: str | None = None) -> Any:  # noqa: ANN401 - the update's own
        """Send an update; one that was sent `once` before is not done again, and answers what it answered."""
        handle = self._client.get_workflow_handle(self._workflow_id(number))
        return await handle.execute_update(name, argument, result_type=answer, id=once, rpc_timeout=UPDATE_TIMEOUT)

    def _candidates(self, gathering: Gathering) -> list[str]:
        with reading(self._engine) as connection:
            return incidents.candidates(connection, gathering, BATCH)

    async def _write(self, work: Callable[..., None]) -> None:
        try:
            await self._writer.run(work)
        except DBAPIError as error:
            raise unavailable(error) from None
