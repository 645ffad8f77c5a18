"""The courier's work: taking due notifications out of the read model and handing them to channels, lane by lane."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.notifications.lane import GiveUp, now, patiently
from readmodel.deliveries import recall
from readmodel.writer import GroupWriter

SHIFT = timedelta(minutes=30)
"""How long one run of the activity lasts: long enough to cost Temporal next to nothing."""
HEARTBEAT_SECONDS = 2.0
FIRST_SQL_PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


def case_teller(client: Client, workflow_id: Callable[[str], str]) -> GiveUp:
    """Tell a case by the signal `undelivered` to its workflow; one that has ended needs to know nothing."""

    async def tell(number: str, key: str) -> None:
        try:
            await client.get_workflow_handle(workflow_id(number)).signal("undelivered", key)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            logger.info("case %s has ended; it is not told that %s was not delivered", number, key)

    return tell


class Runner(Protocol):
    """What a courier does side by side with its like: a lane, or the spreading of messages over lanes."""

    async def run(self, stop: asyncio.Event, ends: float) -> int:
        """Work until told to stop, or until the loop's clock says `ends`; answer how many were delivered."""


class Courier:
    """The activity `deliver_notifications`; one at a time, which its workflow sees to.

    Args:
        writer: takes part in the one thread that writes, so that neither waits for the other's lock.
        runners: what it does, side by side: none waits for another.
        channels: names of the channels that have a lane; what waits for any other is routed anew.
    """

    def __init__(self, writer: GroupWriter, *runners: Runner, channels: Collection[str] = ()) -> None:
        self._writer = writer
        self._runners = runners
        self._channels = channels

    @activity.defn(name="deliver_notifications")
    async def deliver_notifications(self) -> int:
        """Relay until the shift ends or the worker stops; answer how many messages were delivered.

        SQL that is down is waited for. Whatever was taken and not settled when it ends is in doubt for the next run.
        """
        stop = asyncio.Event()
        async with while_running(beat()), while_running(set_on_shutdown(stop)):
            ends = asyncio.get_running_loop().time() + SHIFT.total_seconds()
            await patiently(self._recall, stop, ends, FIRST_SQL_PAUSE_SECONDS)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(runner.run(stop, ends)) for runner in self._runners]
        return sum(task.result() for task in tasks)

    async def _recall(self) -> None:
        """The operator may have taken a channel away since the last shift."""
        await self._writer.run(partial(recall, channels=self._channels, at=now()))


@asynccontextmanager
async def while_running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let `work` go on until the context ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def beat() -> None:
    """Tell Temporal, for as long as the loop turns, that the activity lives."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def set_on_shutdown(stop: asyncio.Event) -> None:
    """Set `stop` when the worker is asked to end."""
    await activity.wait_for_worker_shutdown()
    stop.set()
