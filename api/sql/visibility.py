"""Waiting until SQL shows what Temporal has accepted: one look for all who wait, and none while nobody does."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

log = logging.getLogger("hotline.api")

TICK_SECONDS = 0.002
"""Least pause between two looks: a publication takes some ten milliseconds."""
SLOWEST_TICK_SECONDS = 0.1
"""Longest pause while SQL answers."""
LOOKS = 2
"""So many looks fall into the usual wait: a quiet machine is asked often, a busy one is left to its work."""
LEARNING = 0.1
"""Weight of the latest wait in the usual one."""
UNLEARNING = 0.5
"""The same for somebody who waits alone and is told by the first look: after a busy hour, nobody shall wait as if it
went on. Among many there is always one whose look comes just in time."""
FAILING_TICK_SECONDS = 0.5
"""Longest pause while SQL answers with errors."""
PATIENCE = 3
"""Looks that fail in a row until whoever waits is told that it is no use."""

Look = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]
"""The versions that SQL shows of these cases; a case it does not know is absent."""


class _Waiter(NamedTuple):
    version: int
    since: float
    looks: int
    shown: asyncio.Future[bool]


class Visibility:
    """Tells when the read model has caught up with a case. For one event loop."""

    def __init__(self, look: Look, tick_seconds: float = TICK_SECONDS) -> None:
        self._look = look
        self._tick = tick_seconds
        self._waiting: dict[str, list[_Waiter]] = {}
        self._poller: asyncio.Task[None] | None = None
        self._failures = 0
        self._usual = 0.0
        self._looks = 0

    async def shows(self, number: str, version: int, seconds: float) -> bool:
        """Whether SQL shows this version of the case, or a later one, within so many seconds.

        While SQL is known to be down, the answer is no after a single look.
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
        """Stop looking; whoever still waits is told no."""
        if self._poller:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        self._give_up()

    async def _poll(self) -> None:
        pause = self._pause()
        while self._waiting:
            # The first look comes after a pause, too: nothing can be there at once.
            await asyncio.sleep(pause)
            if not self._waiting:
                return
            self._looks += 1
            try:
                versions = await self._look(tuple(self._waiting))
            except Exception as error:  # noqa: BLE001 - whatever is the matter with SQL, the answer is 202
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
            # It was there before somebody looked, nobody knows since when.
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
