"""Turns: what counts what was done before is done one at a time, by telephone or person."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from api.problems import unavailable
from api.temporal.client import NO_ANSWER, RETRY_SECONDS

TURN_SECONDS = 10.0
"""Longest wait for a turn: a little more than a workflow gets for its answer."""


class Turns:
    """Locks by what is counted, for as long as somebody holds them or waits."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, kind: str, of: str) -> AsyncIterator[None]:
        """Hold the turn of a telephone or a person. Raises ProblemError 503 if it does not come in time."""
        lock = self._locks.setdefault((kind, of), asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await lock.acquire()
        except TimeoutError:
            detail = f"Earlier requests of this kind got no answer within {TURN_SECONDS:.0f} s. Send the same again."
            raise unavailable(NO_ANSWER, detail, RETRY_SECONDS) from None
        try:
            yield
        finally:
            lock.release()
