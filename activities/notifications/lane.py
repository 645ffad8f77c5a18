"""A lane of the courier: from where messages wait, to one channel, with tries, pauses and dead letters."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from readmodel.mailbox import Failure, Message, Report, exchange, give_back, in_doubt
from readmodel.writer import GroupWriter

GATHER_SECONDS = 0.25
"""Least time between two looks: under load a look then finds many messages, and the writer is left alone."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(hours=1)
LATE_TRIES = 8
"""Tries, two to four minutes, after which a message is so late that its case is told, while it is tried on."""
LONGEST_SQL_PAUSE_SECONDS = 30.0
ERROR_LENGTH = 200

logger = logging.getLogger(__name__)
GiveUp = Callable[[str, str], Awaitable[None]]
"""Tell the case of this number that the message of this key does not get through. May be told again."""


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


class Lane(Generic[T]):
    """Takes from one box, hands to one channel, for as long as it is told to.

    Args:
        box: where the messages are.
        channel: delivers.
        give_up: hears of messages that are late, and of dead letters before they are marked as such.
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
        max_tries: int = 36,
    ) -> None:
        self._box = box
        self._channel = channel
        self._give_up = give_up
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._max_tries = max_tries
        self._report = Report()
        self._sent = 0

    async def run(self, stop: asyncio.Event, ends: float) -> int:
        """Relay until told to stop, or until the loop's clock says `ends`; answer how many were delivered."""
        self._sent, self._report = 0, Report()

        async def work() -> None:
            if self._report != Report():
                # What SQL did not hear before it went away is still known here.
                await self._note(0)
            await self.settle()
            await self._rounds(stop, ends)

        await patiently(work, stop, ends, self._poll_seconds)
        return self._sent

    async def settle(self) -> None:
        """Ask the channel about what an earlier run left in doubt, and give the rest back."""
        while keys := await self._box.in_doubt(self._batch):
            delivered = await self._channel.delivered(keys)
            await self._box.give_back(keys, delivered & set(keys))

    async def round(self) -> int:
        """Note what became of the last messages, take the next, deliver them: one transaction. Answers how many."""
        messages = await self._note(self._batch)
        if not messages:
            return 0
        try:
            failed = dict(await self._channel.deliver(messages))
        except Exception as error:  # noqa: BLE001 - a channel may fail in any way; the messages are tried again
            logger.warning("the channel failed: %s", type(error).__name__)
            failed = dict.fromkeys((message.key for message in messages), type(error).__name__)
        sent = tuple(message.key for message in messages if message.key not in failed)
        lost = [message for message in messages if message.key in failed]
        self._report = Report(sent, tuple([await self._failure(message, failed[message.key]) for message in lost]))
        self._sent += len(sent)
        return len(messages)

    async def _note(self, limit: int) -> list[T]:
        messages = await self._box.exchange(self._report, limit)
        self._report = Report()
        return messages

    async def _rounds(self, stop: asyncio.Event, ends: float) -> None:
        loop = asyncio.get_running_loop()
        gather = min(GATHER_SECONDS, self._poll_seconds)
        while not stop.is_set() and loop.time() < ends:
            looked = loop.time()
            self._box.news.clear()
            taken = await self.round()
            if taken == 0:
                await rest(min(self._poll_seconds, ends - loop.time()), stop, self._box.news)
            if taken < self._batch:
                await rest(looked + gather - loop.time(), stop)
        await self._note(0)

    async def _failure(self, message: T, error: str) -> Failure:
        again = now() + pause(message.tries, random.random())  # noqa: S311 - parts a crowd, hides nothing
        error = error[:ERROR_LENGTH]
        last = message.tries >= self._max_tries
        if not last and message.tries != LATE_TRIES:
            return Failure(message.key, error, again)
        try:
            await self._give_up(message.number, message.key)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the message is not dead before its case knows
            logger.warning("case %s could not be told of a message: %s", message.number, type(trouble).__name__)
            return Failure(message.key, error, again)
        return Failure(message.key, error, None if last else again)


async def patiently(work: Callable[[], Awaitable[None]], stop: asyncio.Event, ends: float, pause: float) -> None:
    """Do the work; where SQL is down, wait and begin again: first after so many seconds, then after longer ones."""
    clock = asyncio.get_running_loop().time
    wait = pause
    while not stop.is_set() and clock() < ends:
        began = clock()
        try:
            return await work()
        except SQLAlchemyError as error:
            logger.warning("the courier waits for SQL: %s", type(error).__name__)
        if clock() - began > LONGEST_SQL_PAUSE_SECONDS:
            # It had been back for a while: this is another outage.
            wait = pause
        await rest(wait, stop)
        wait = min(wait * 2, LONGEST_SQL_PAUSE_SECONDS)
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
