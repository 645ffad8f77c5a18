"""Pollers: activities without an end, begun anew each half hour, so that the history of their workflow stays short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

RUN_TIME = timedelta(minutes=30)
"""Time after which a poller returns: long enough to cost Temporal next to nothing."""
RUN_TIMEOUT = 2 * RUN_TIME
"""Time after which a poller that has not returned is given up."""
HEARTBEAT_SECONDS = 2.0
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Time after which another worker takes over from one that died."""


class RunOverError(Exception):
    """Error that ends the work of a poller at a pause, before it concludes."""


class PollerRun:
    """One run of a poller. It is over after the time RUN_TIME, when the worker stops, or by `end`."""

    def __init__(self) -> None:
        self.details: tuple[Any, ...] = ()
        """Details of the heartbeats, after the instant of each."""
        self._time = asyncio.get_running_loop().time
        self._ends = self._time() + RUN_TIME.total_seconds()
        self._ended = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._ended.is_set() or activity.is_worker_shutdown() or self._time() >= self._ends

    def end(self) -> None:
        self._ended.set()

    async def wait(self, seconds: float, *events: asyncio.Event) -> None:
        awaited = (activity.wait_for_worker_shutdown(), *(event.wait() for event in (self._ended, *events)))
        waits = [asyncio.ensure_future(each) for each in awaited]
        timeout = max(min(seconds, self._ends - self._time()), 0)
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def pause(self, seconds: float) -> None:
        """Raise RunOverError if the run is over then."""
        await self.wait(seconds)
        if self.is_over:
            raise RunOverError


@asynccontextmanager
async def poller_run() -> AsyncIterator[PollerRun]:
    """Begin a run of the present activity, and send heartbeats until the context ends."""
    current = PollerRun()

    async def send_heartbeats() -> None:
        while True:
            # The instant is sealed, so that readiness tells a heartbeat from an old one, or one of somebody else.
            activity.heartbeat(now(), *current.details)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    heartbeats = asyncio.create_task(send_heartbeats())
    try:
        yield current
    finally:
        heartbeats.cancel()


def now() -> datetime:
    return datetime.now(UTC)
