"""Shifts: an activity that never ends runs as one shift after the other, so that its workflow's history stays short."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

SHIFT = timedelta(minutes=30)
"""Length of one run of the activity: long enough to cost Temporal next to nothing."""
HEARTBEAT_SECONDS = 2.0


class Shift:
    """One run of an activity. It is over after `length`, or when the worker stops.

    Args:
        length: length of the run.
        stop: event that is set when the worker stops.
    """

    def __init__(self, length: timedelta, stop: asyncio.Event) -> None:
        self._time = asyncio.get_running_loop().time
        self._ends = self._time() + length.total_seconds()
        self._stop = stop

    @property
    def is_over(self) -> bool:
        """True once the activity is to return."""
        return self._stop.is_set() or self._time() >= self._ends

    async def rest(self, seconds: float, *events: asyncio.Event) -> None:
        """Wait so many seconds, or until an event is set or the shift is over."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stop, *events)]
        timeout = max(min(seconds, self._ends - self._time()), 0)
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


@asynccontextmanager
async def shift() -> AsyncIterator[Shift]:
    """Begin a shift of the activity that runs, and send heartbeats until the context ends."""
    stop = asyncio.Event()
    async with _while_running(_heartbeat()), _while_running(_set_on_shutdown(stop)):
        yield Shift(SHIFT, stop)


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


@asynccontextmanager
async def _while_running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _heartbeat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _set_on_shutdown(stop: asyncio.Event) -> None:
    await activity.wait_for_worker_shutdown()
    stop.set()
