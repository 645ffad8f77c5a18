"""Wait until SQL shows what Temporal has accepted: one look for all waiters, and none while there are none."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

log = logging.getLogger("hotline.api")

TICK_SECONDS = 0.002
"""Shortest pause between two looks: a publication takes some ten milliseconds."""
SLOWEST_TICK_SECONDS = 0.1
"""Longest pause while SQL answers."""
LOOKS = 2
"""Looks during the usual wait: the busier the machine, the fewer looks a second."""
LEARNING = 0.1
"""Weight of the latest wait in the moving average of waits."""
UNLEARNING = 0.5
"""The same for a waiter that was alone and found its version at the first look: then the average falls fast, after a
busy hour. Of many waiters, one is always told by its first look, so they say nothing."""
FAILING_TICK_SECONDS = 0.5
"""Longest pause while SQL answers with errors."""
PATIENCE = 3
"""Looks that fail in a row before the waiters give up."""

Look = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]
"""Returns the versions that SQL shows of these cases; a case without a row is absent."""


class _Waiter(NamedTuple):
    version: int
    since: float
    looks: int
    shown: asyncio.Future[bool]


class Visibility:
    """Waiters for versions of cases in the read model. For one event loop."""

    def __init__(self, look: Look, tick_seconds: float = TICK_SECONDS) -> None:
        self._look = look
        self._tick = tick_seconds
        self._waiting: dict[str, list[_Waiter]] = {}
        self._poller: asyncio.Task[None] | None = None
        self._failures = 0
        self._usual = 0.0
        self._looks = 0

    async def shows(self, number: str, version: int, seconds: float) -> bool:
        """Return True if SQL shows this version of the case, or a later one, within so many seconds.

        While SQL is known to be down, the answer is False after a single look.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(version, time.perf_counter(), self._looks, loop.create_future())
        self._waiting.setdefault(number, []).append(waiter)
        if self._poller is None or self._poller.done():
            self._poller = loop.create_task(self._poll())
        patience = loop.call_later(seconds, _tell, waiter, False)
        try:
            return await waiter.shown
        finally:
            patience.cancel()
            self._leave(number, waiter)

    async def close(self) -> None:
        """Stop looking, and answer the waiters with False."""
        if self._poller:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        self._give_up()

    async def _poll(self) -> None:
        pause = self._pause()
        while self._waiting:
            # Also before the first look: nothing can be there at once.
            await asyncio.sleep(pause)
            if not self._waiting:
                return
            self._looks += 1
            try:
                versions = await self._look(tuple(self._waiting))
            except Exception as error:  # noqa: BLE001 - for any error of SQL, the answer is 202
                pause = self._failed(error, pause)
            else:
                self._failures = 0
                self._tell_those_at(versions)
                pause = self._pause()

    def _failed(self, error: Exception, pause: float) -> float:
        self._failures += 1
        if self._failures == 1:
            log.warning("SQL does not show what was accepted: %s", type(error).__name__)
        if self._failures >= PATIENCE:
            self._give_up()
        return min(pause * 2, FAILING_TICK_SECONDS)

    def _tell_those_at(self, versions: Mapping[str, int]) -> None:
        for number, version in versions.items():
            for waiter in self._waiting.get(number, ()):
                if waiter.version <= version:
                    self._learn(waiter)
                    _tell(waiter, True)

    def _learn(self, waiter: _Waiter) -> None:
        waited = time.perf_counter() - waiter.since
        if len(self._waiting) > 1 or self._looks - waiter.looks > 1:
            self._usual += LEARNING * (waited - self._usual)
        else:
            # It was there before the look, for an unknown time.
            self._usual += UNLEARNING * min(waited / 2 - self._usual, 0)

    def _pause(self) -> float:
        return min(max(self._tick, self._usual / LOOKS), SLOWEST_TICK_SECONDS)

    def _give_up(self) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                _tell(waiter, False)

    def _leave(self, number: str, waiter: _Waiter) -> None:
        waiters = self._waiting[number]
        waiters.remove(waiter)
        if not waiters:
            del self._waiting[number]


def _tell(waiter: _Waiter, shown: bool) -> None:
    if not waiter.shown.done():
        waiter.shown.set_result(shown)
