"""Late recognition of callers: if SQL did not answer in time at intake, it is asked again and the case is told."""

import asyncio
import logging
from datetime import datetime

from api.problems import ProblemError
from api.sql.projection import ProjectionWriter
from api.sql.reader import Reader
from api.temporal.complaints import ComplaintClient
from domain.case.automatic.recognise import Recognised
from domain.case.intake import Intake
from readmodel.recognition import UNKNOWN_CALLER

log = logging.getLogger("hotline.api")

PAUSES = (1.0, 5.0, 25.0, 125.0, 600.0)
"""Seconds before each look: most of what is slow is over by then, and an outage of ten minutes."""


class Recognition:
    """Lookups that intake could not wait for. They are in memory only: those of an API that ends are lost.

    Args:
        reader: tells what was known of the caller before this case.
        complaints: tells the case, once.
        projection: writes what the case returns.
    """

    def __init__(self, reader: Reader, complaints: ComplaintClient, projection: ProjectionWriter) -> None:
        self._reader = reader
        self._complaints = complaints
        self._projection = projection
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, number: str, intake: Intake, at: datetime) -> None:
        """Look the caller up in the background."""
        task = asyncio.create_task(self._look_up(number, intake, at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all lookups."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self, number: str, intake: Intake, at: datetime) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                known = await self._reader.known_late(intake, at, number)
                if known != UNKNOWN_CALLER.facts and (
                    batch := await self._complaints.recognise(number, Recognised(**known._asdict()))
                ):
                    await self._projection.write(batch)
            except ProblemError:
                continue
            return
        log.warning("SQL does not tell who called about %s: the case has no flags, and a household's credits", number)
