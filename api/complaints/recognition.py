"""Late recognition of callers: of intakes that could not wait for it, and of corrected ones.

Those of intakes are in memory only. Of corrected callers SQL tells which were not looked up yet, whoever corrected them
and whichever API process has ended since.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

from api.edge.problems import ProblemError
from api.sql import ProjectionWriter, Reader
from api.temporal.client import ComplaintClient
from domain.case.automatic.recognise import Recognised
from domain.case.intake import Intake
from readmodel.callers import UNKNOWN_CALLER, UNRECOGNISED_PAGE, unrecognised
from readmodel.cases.queries import get_case

log = logging.getLogger("hotline.api")

PAUSES = (1.0, 5.0, 25.0, 125.0, 600.0)
"""Seconds before each look: most of what is slow is over by then, and an outage of ten minutes."""
EVERY_SECONDS = 15.0
"""Time between two rounds of corrected callers. A correction over HTTP begins one at once."""
AGAIN_SECONDS = 0.1
"""Time after which what was cancelled, and goes on, is cancelled again."""
_UNKNOWN = "SQL did not tell who called about %s: the flags of the case, and the class of its credits, may be wrong"


class Recognition:
    """Lookups that nobody waits for.

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
        self._corrected = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None
        self._after = ""

    def start(self) -> None:
        """Look corrected callers up until `close`."""
        self._rounds = asyncio.create_task(self._look_up_corrected())

    def begin(self, number: str, intake: Intake, at: datetime) -> None:
        """Look the caller of an intake up in the background, as known at this instant."""
        task = asyncio.create_task(self._look_up(number, intake, at), name=number)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note_correction(self) -> None:
        """Begin a round soon: SQL has a corrected caller."""
        self._corrected.set()

    async def close(self) -> None:
        """Cancel all lookups, and log whose are lost."""
        for task in self._tasks:
            log.warning(_UNKNOWN, task.get_name())
        ending = {*self._tasks, *([self._rounds] if self._rounds else [])}
        while ending:
            # Temporal's client makes an error of a cancellation, after which the next round would begin.
            for task in ending:
                task.cancel()
            _, ending = await asyncio.wait(ending, timeout=AGAIN_SECONDS)

    async def _look_up(self, number: str, intake: Intake, at: datetime) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            with suppress(ProblemError):
                await self._tell(number, intake, at)
                return
        log.warning(_UNKNOWN, number)

    async def _look_up_corrected(self) -> None:
        while True:
            # `wait_for` of Python 3.11 loses a cancellation that comes with the event, and `close` would wait for ever.
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._corrected.wait()
            self._corrected.clear()
            await asyncio.sleep(PAUSES[0])
            try:
                await self._round()
            except ProblemError:
                continue  # SQL does not answer, which is logged
            except Exception:
                log.exception("corrected callers are not looked up; the next round tries again")

    async def _round(self) -> None:
        """Look the next corrected callers up, those that failed after all others. Raises ProblemError without SQL."""
        numbers = await self._reader.ask(unrecognised, self._after)
        self._after = numbers[-1] if len(numbers) == UNRECOGNISED_PAGE else ""
        for number in numbers:
            await self._recognise(number)

    async def _recognise(self, number: str) -> None:
        """Look up the corrected caller of a case. What fails is tried again by the next round."""
        try:
            if case := await self._reader.ask(get_case, number):
                await self._tell(number, case.intake, case.registered_at, case.caller_version)
                await self._projection.note_recognised(number, case.caller_version)
        except (ProblemError, ValueError) as error:
            log.warning("the corrected caller of %s is not looked up yet: %s", number, type(error).__name__)

    async def _tell(self, number: str, intake: Intake, at: datetime, caller_version: int = 1) -> None:
        """Tell the case what was known of its caller, whom it names since this version. Raises ProblemError."""
        known = await self._reader.known_late(intake, at, number)
        if known != UNKNOWN_CALLER.facts or caller_version > 1:
            said = Recognised(**known._asdict(), caller_version=caller_version)
            if batch := await self._complaints.recognise(number, said, f"recognise-{caller_version}"):
                await self._projection.write(batch)
