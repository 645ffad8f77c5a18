"""The courier's work: taking due notifications out of the read model and handing them to a channel."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from readmodel.deliveries import recall
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


class Item(Protocol):
    """What a lane carries: a message, or a message on one of several channels."""

    @property
    def key(self) -> str:
        """Of the notification."""

    @property
    def number(self) -> str:
        """Of the case."""

    @property
    def tries(self) -> int:
        """This one included."""


T = TypeVar("T", bound=Item)
T_contra = TypeVar("T_contra", bound=Item, contravariant=True)


class Channel(Protocol[T_contra]):
    """A way to reach people."""

    async def deliver(self, messages: Sequence[T_contra]) -> Mapping[str, str]:
        """Deliver them; answer the keys that failed, with the reason. To raise means that all failed.

        A reason is kept and shown to operators: it holds no personal data.
        """

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that this channel knows it delivered: asked after a crash."""


class Box(Protocol[T]):
    """Where a lane takes from, and notes what became of it. Raises what SQL raised."""

    news: asyncio.Event
    """Set when there may be something to take."""

    async def exchange(self, report: Report, limit: int) -> list[T]:
        """Note what became of what was taken last, and take the next: one transaction."""

    async def in_doubt(self, limit: int) -> list[str]:
        """Keys that were taken by a courier that died."""

    async def give_back(self, keys: Collection[str], delivered: Collection[str]) -> None:
        """Settle them."""


class Mailbox:
    """The notifications themselves: where one channel carries them all."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self.news = writer.news

    async def exchange(self, report: Report, limit: int) -> list[Message]:
        """See Box."""
        return await self._writer.run(partial(exchange, report=report, at=now(), limit=limit))

    async def in_doubt(self, limit: int) -> list[str]:
        """See Box."""
        return await self._writer.run(partial(in_doubt, limit=limit))

    async def give_back(self, keys: Collection[str], delivered: Collection[str]) -> None:
        """See Box."""
        await self._writer.run(partial(give_back, keys=keys, delivered=delivered, at=now()))


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


class Lane(Generic[T]):
    """Takes from one box, hands to one channel, for as long as it is told to.

    Args:
        box: where the messages are.
        channel: delivers.
        give_up: hears of dead letters, before they are marked as such.
        poll_seconds: longest time between two looks; what this process commits is seen at once.
        batch: most messages taken in one look.
        max_tries: tries after which a message is a dead letter.
    """

    def __init__(
        self,
        box: Box[T],
        channel: Channel[T],
        give_up: GiveUp,
        *,
        poll_seconds: float = 1.0,
        batch: int = 100,
        max_tries: int = 8,
    ) -> None:
        self._box = box
        self._channel = channel
        self._give_up = give_up
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._max_tries = max_tries

    async def run(self, stop: asyncio.Event, ends: float) -> int:
        """Relay until told to stop, or until the loop's clock says `ends`; answer how many were delivered."""
        clock = asyncio.get_running_loop().time
        sent = 0
        wait = self._poll_seconds
        while not stop.is_set() and clock() < ends:
            try:
                await self.settle()
                wait = self._poll_seconds
                sent += await self._rounds(stop, ends)
            except SQLAlchemyError as error:
                logger.warning("the courier waits for SQL: %s", type(error).__name__)
                await rest(wait, stop)
                wait = min(wait * 2, LONGEST_SQL_PAUSE_SECONDS)
        return sent

    async def settle(self) -> None:
        """Ask the channel about what an earlier run left in doubt, and give the rest back."""
        while keys := await self._box.in_doubt(self._batch):
            delivered = await self._channel.delivered(keys)
            await self._box.give_back(keys, delivered & set(keys))

    async def round(self, report: Report) -> Report:
        """Note what became of the last messages, take the next, deliver them: one transaction a round."""
        messages = await self._box.exchange(report, self._batch)
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
            self._box.news.clear()
            report = await self.round(report)
            sent += len(report.sent)
            taken = len(report.sent) + len(report.failed)
            if taken == 0:
                await rest(min(self._poll_seconds, ends - loop.time()), stop, self._box.news)
            if taken < self._batch:
                await rest(looked + gather - loop.time(), stop)
        await self._box.exchange(report, 0)
        return sent

    async def _failure(self, message: T, error: str) -> Failure:
        again = now() + pause(message.tries, random.random())  # noqa: S311 - parts a crowd, hides nothing
        error = error[:ERROR_LENGTH]
        if message.tries < self._max_tries:
            return Failure(message.key, error, again)
        try:
            await self._give_up(message.number, message.key)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the message is not dead before its case knows
            logger.warning("case %s could not be told of a dead letter: %s", message.number, type(trouble).__name__)
            return Failure(message.key, error, again)
        return Failure(message.key, error, None)


class Runner(Protocol):
    """What a courier does side by side with its like: a lane, or the spreading of messages over lanes."""

    async def run(self, stop: asyncio.Event, ends: float) -> int:
        """Work until told to stop, or until the loop's clock says `ends`; answer how many were delivered."""


class Courier:
    """The activity `relay`; one at a time, which its workflow sees to.

    Args:
        writer: takes part in the one thread that writes, so that neither waits for the other's lock.
        runners: what it does, side by side: none waits for another.
        channels: names of the channels that have a lane; what waits for any other is routed anew.
    """

    def __init__(self, writer: GroupWriter, *runners: Runner, channels: Collection[str] = ()) -> None:
        self._writer = writer
        self._runners = runners
        self._channels = channels

    @activity.defn(name="relay")
    async def relay(self) -> int:
        """Relay until the shift ends or the worker stops; answer how many messages were delivered.

        SQL that is down is waited for. Whatever was taken and not settled when it ends is in doubt for the next run.
        """
        stop = asyncio.Event()
        async with _while_running(_beat()), _while_running(_set_on_shutdown(stop)):
            ends = asyncio.get_running_loop().time() + SHIFT.total_seconds()
            await self._recall(stop)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(runner.run(stop, ends)) for runner in self._runners]
        return sum(task.result() for task in tasks)

    async def _recall(self, stop: asyncio.Event) -> None:
        """The operator may have taken a channel away since the last shift."""
        while not stop.is_set():
            try:
                return await self._writer.run(partial(recall, channels=self._channels, at=now()))
            except SQLAlchemyError as error:
                logger.warning("the courier waits for SQL: %s", type(error).__name__)
                await rest(1.0, stop)
        return None


def now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


async def rest(seconds: float, *events: asyncio.Event) -> None:
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
