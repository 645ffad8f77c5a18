"""Callers whom intake did not know in time: SQL is asked again, and flags the case late."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from api.problems import ProblemError
from domain.case.automatic.recognise import Recognised
from domain.case.intake import Intake
from readmodel.recognition import CallerFacts

log = logging.getLogger("hotline.api")

PAUSES = (1.0, 5.0, 25.0, 125.0, 600.0)
"""Seconds before each look: most of what is slow is over by then, and an outage of ten minutes."""


class Recognition:
    """What the desk leaves to be made up for. It is kept in memory alone: what an API that ends had left is not.

    Args:
        lookup: what was known of the caller before the case of this number; raises ProblemError with SQL down.
        tell: tells the case; raises ProblemError with Temporal down. Told twice, a case is flagged once.
        pauses: see PAUSES.
    """

    def __init__(
        self,
        lookup: Callable[[Intake, datetime, str], Awaitable[CallerFacts]],
        tell: Callable[[str, Recognised], Awaitable[None]],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._lookup = lookup
        self._tell = tell
        self._pauses = pauses
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, number: str, intake: Intake, at: datetime) -> None:
        """Make up for it in a while, beside all else."""
        task = asyncio.create_task(self._make_up(number, intake, at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _make_up(self, number: str, intake: Intake, at: datetime) -> None:
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                known = await self._lookup(intake, at, number)
                if known.flags:
                    await self._tell(
                        number, Recognised(flags=known.flags, possible_duplicates=known.possible_duplicates)
                    )
            except ProblemError:
                continue
            return
        log.warning("SQL does not tell who called about %s: the case keeps no flags of the intake", number)
