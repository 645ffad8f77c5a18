"""Late recognition of callers: of intakes that could not wait for it, and of corrected ones."""

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
    """Lookups that nobody waits for. They are in memory only: those of an API that ends are lost.

    Args:
        reader: tells what was known of the caller before this case.
        complaints: tells the case, once of each version.
        projection: writes what the case returns.
    """

    def __init__(self, reader: Reader, complaints: ComplaintClient, projection: ProjectionWriter) -> None:
        self._reader = reader
        self._complaints = complaints
        self._projection = projection
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, number: str, intake: Intake, at: datetime, corrected: int | None = None) -> None:
        """Look the caller of an intake at this instant up in the background; `corrected` is the version that is so."""
        task = asyncio.create_task(self._look_up(number, intake, at, corrected))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all lookups."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self, number: str, intake: Intake, at: datetime, corrected: int | None) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                known = await self._reader.known_late(intake, at, number)
                if known != UNKNOWN_CALLER.facts or corrected:
                    said = Recognised(**known._asdict(), corrected=corrected is not None)
                    if batch := await self._complaints.recognise(number, said, f"recognise-{corrected or 1}"):
                        await self._projection.write(batch)
            except ProblemError:
                continue
            return
        log.warning("SQL does not tell who called about %s: the case has no flags, and a household's credits", number)
