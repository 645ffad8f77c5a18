"""Shifts: an activity that never ends runs as one shift after the other, so that its workflow's history stays short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

SHIFT = timedelta(minutes=30)
"""Length of one run of the activity: long enough to cost Temporal next to nothing."""
SHIFT_TIMEOUT = 2 * SHIFT
"""Time after which a run that has not ended is given up."""
HEARTBEAT_SECONDS = 2.0
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Time after which another worker takes over from one that died."""


class ShiftOverError(Exception):
    """Error that ends the work of a shift at a pause, before it concludes."""


class Shift:
    """One run of an activity. It is over after the time SHIFT, or when the worker stops."""

    def __init__(self) -> None:
        self.details: tuple[Any, ...] = ()
        """Details of the heartbeats."""
        self._time = asyncio.get_running_loop().time
        self._ends = self._time() + SHIFT.total_seconds()

    @property
    def is_over(self) -> bool:
        """True once the activity is to return."""
        return activity.is_worker_shutdown() or self._time() >= self._ends

    async def rest(self, seconds: float, *events: asyncio.Event) -> None:
        """Wait so many seconds, or until an event is set or the shift is over."""
        awaited = (activity.wait_for_worker_shutdown(), *(event.wait() for event in events))
        waits = [asyncio.ensure_future(each) for each in awaited]
        timeout = max(min(seconds, self._ends - self._time()), 0)
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds. Raises ShiftOverError if the shift is over then."""
        await self.rest(seconds)
        if self.is_over:
            raise ShiftOverError


@asynccontextmanager
async def shift() -> AsyncIterator[Shift]:
    """Begin a shift of the activity that runs, and send heartbeats until the context ends."""
    current = Shift()
    heartbeats = asyncio.create_task(_heartbeat(current))
    try:
        yield current
    finally:
        heartbeats.cancel()


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


async def _heartbeat(current: Shift) -> None:
    while True:
        activity.heartbeat(*current.details)
        await asyncio.sleep(HEARTBEAT_SECONDS)
