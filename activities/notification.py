"""The courier's work: taking due notifications out of the read model and handing them to a channel."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from readmodel.mailbox import Failure, Message, Report, exchange, give_back, in_doubt
from readmodel.writer import GroupWriter

SHIFT = timedelta(minutes=30)
"""How long one run of the activity lasts: long enough to cost Temporal next to nothing."""
HEARTBEAT_SECONDS = 2.0
GATHER_SECONDS = 0.25
"""Least time between two looks: under load a look then finds many messages, and the writer is left alone."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(hours=1)
LONGEST_SQL_PAUSE_SECONDS = 30.0
ERROR_LENGTH = 200

logger = logging.getLogger(__name__)
GiveUp = Callable[[str, str], Awaitable[None]]
"""Tell the case of this number that the message of this key was given up. May be told again."""


class Channel(Protocol):
    """A way to reach people."""

    async def deliver(self, messages: Sequence[Message]) -> Mapping[str, str]:
        """Deliver them; answer the keys that failed, with the reason. To raise means that all failed.

        A reason is kept and shown to operators: it holds no personal data.
        """

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that this channel knows it delivered: asked after a crash."""


def pause(tries: int, chance: float) -> timedelta:
    """How long to wait after so many tries: twice as long each time, to an hour; `chance`, 0 to 1, parts the crowd."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(tries - 1, 30), LONGEST_PAUSE)
    return longest * (0.5 + chance / 2)


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


class Courier:
    """The activity `relay`; one at a time, which its workflow sees to.

    Args:
        writer: takes part in the one thread that writes, so that neither waits for the other's lock.
        channel: delivers.
        give_up: hears of dead letters, before they are marked as such.
        poll_seconds: longest time between two looks; what this process commits is seen at once.
        batch: most messages taken in one look.
        max_tries: tries after which a message is a dead letter.
    """

    def __init__(
        self,
        writer: GroupWriter,
        channel: Channel,
        give_up: GiveUp,
        *,
        poll_seconds: float = 1.0,
        batch: int = 100,
        max_tries: int = 8,
    ) -> None:
        self._writer = writer
        self._channel = channel
        self._give_up = give_up
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._max_tries = max_tries

    @activity.defn(name="relay")
    async def relay(self) -> int:
        """Relay until the shift ends or the worker stops; answer how many messages were delivered.

        SQL that is down is waited for. Whatever was taken and not settled when it ends is in doubt for the next run.
        """
        stop = asyncio.Event()
        async with _while_running(_beat()), _while_running(_set_on_shutdown(stop)):
            return await self._shift(stop)

    async def _shift(self, stop: asyncio.Event) -> int:
        clock = asyncio.get_running_loop().time
        ends = clock() + SHIFT.total_seconds()
        sent = 0
        wait = self._poll_seconds
        while not stop.is_set() and clock() < ends:
            try:
                await self.settle()
                wait = self._poll_seconds
                sent += await self._rounds(stop, ends)
            except SQLAlchemyError as error:
                logger.warning("the courier waits for SQL: %s", type(error).__name__)
                await _rest(wait, stop)
                wait = min(wait * 2, LONGEST_SQL_PAUSE_SECONDS)
        return sent

    async def settle(self) -> None:
        """Ask the channel about what an earlier run left in doubt, and give the rest back."""
        while keys := await self._writer.run(partial(in_doubt, limit=self._batch)):
            delivered = await self._channel.delivered(keys)
            await self._writer.run(partial(give_back, keys=keys, delivered=delivered & set(keys), at=_now()))

    async def round(self, report: Report) -> Report:
        """Note what became of the last messages, take the next, deliver them: one transaction a round."""
        messages = await self._writer.run(partial(exchange, report=report, at=_now(), limit=self._batch))
        if not messages:
            return Report()
        try:
            failed = dict(await self._channel.deliver(messages))
        except Exception as error:  # noqa: BLE001 - a channel may fail in any way; the messages are tried again
            logger.warning("the channel failed: %s", type(error).__name__)
            failed = dict.fromkeys((message.key for message in messages), type(error).__name__)
        sent = tuple(message.key for message in messages if message.key not in failed)
        lost = [message for message in messages if message.key in failed]
        return Report(sent, tuple([await self._failure(message, failed[message.key]) for message in lost]))

    async def _rounds(self, stop: asyncio.Event, ends: float) -> int:
        loop = asyncio.get_running_loop()
        gather = min(GATHER_SECONDS, self._poll_seconds)
        sent, report = 0, Report()
        while not stop.is_set() and loop.time() < ends:
            looked = loop.time()
            self._writer.news.clear()
            report = await self.round(report)
            sent += len(report.sent)
            taken = len(report.sent) + len(report.failed)
            if taken == 0:
                await _rest(min(self._poll_seconds, ends - loop.time()), stop, self._writer.news)
            if taken < self._batch:
                await _rest(looked + gather - loop.time(), stop)
        await self._writer.run(partial(exchange, report=report, at=_now(), limit=0))
        return sent

    async def _failure(self, message: Message, error: str) -> Failure:
        again = _now() + pause(message.tries, random.random())  # noqa: S311 - parts a crowd, hides nothing
        error = error[:ERROR_LENGTH]
        if message.tries < self._max_tries:
            return Failure(message.key, error, again)
        try:
            await self._give_up(message.number, message.key)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the message is not dead before its case knows
            logger.warning("case %s could not be told of a dead letter: %s", message.number, type(trouble).__name__)
            return Failure(message.key, error, again)
        return Failure(message.key, error, None)


def _now() -> datetime:
    return datetime.now(UTC)


async def _rest(seconds: float, *events: asyncio.Event) -> None:
    """Wait so long, or until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


@asynccontextmanager
async def _while_running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _beat() -> None:
    """Tell Temporal, for as long as the loop turns, that the activity lives."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _set_on_shutdown(stop: asyncio.Event) -> None:
    await activity.wait_for_worker_shutdown()
    stop.set()
