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
_UNKNOWN = "SQL did not tell who called about %s: the flags of the case, and the class of its credits, may be wrong"


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

    def begin(self, number: str, intake: Intake, at: datetime, caller_version: int = 1) -> None:
        """Look the caller up in the background, as known at this instant; the case names them since this version."""
        task = asyncio.create_task(self._look_up(number, intake, at, caller_version), name=number)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all lookups, and log whose."""
        for task in self._tasks:
            log.warning(_UNKNOWN, task.get_name())
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self, number: str, intake: Intake, at: datetime, caller_version: int) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                known = await self._reader.known_late(intake, at, number)
                if known != UNKNOWN_CALLER.facts or caller_version > 1:
                    said = Recognised(**known._asdict(), caller_version=caller_version)
                    if batch := await self._complaints.recognise(number, said, f"recognise-{caller_version}"):
                        await self._projection.write(batch)
            except ProblemError:
                continue
            return
        log.warning(_UNKNOWN, number)
