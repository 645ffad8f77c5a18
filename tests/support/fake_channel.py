"""A courier between a database and a channel that fails as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Engine
from temporalio.testing import ActivityEnvironment

from activities.notifications.courier import Courier, DeliveryLoop, Polling, RoutingLoop
from domain.case.automatic.internal_updates import Undelivered
from readmodel.notifications import DUE, Delivery, deliveries, notifications
from readmodel.writer import GroupWriter
from tests.support.batches import call, published
from tests.support.rows import rows

PATIENCE = 60.0


def never(*_: Any) -> None:
    """Quiet hours that do not exist."""


def to_fake(*_: Any) -> list[str]:
    return ["fake"]


class FakeChannel:
    """A channel that remembers what it delivered and fails as it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.broken: dict[str, str] = {}
        self.dead: list[tuple[str, Undelivered]] = []
        self.deaf = False
        self.raises: Exception | None = None

    async def deliver(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        if self.raises:
            raise self.raises
        self.told += [each.key for each in deliveries if each.key not in self.broken]
        return {each.key: self.broken[each.key] for each in deliveries if each.key in self.broken}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        return {*keys} & {*self.told}

    async def give_up(self, number: str, notification: Undelivered) -> None:
        if self.deaf:
            raise ConnectionError
        self.dead.append((number, notification))


def told_of(key: str, error: str) -> tuple[str, Undelivered]:
    """Case and notification as the case is told."""
    return key.split("-", maxsplit=1)[0], Undelivered(key=key, channel="fake", error=error)


class FakeHarness:
    """A courier between a database and a fake channel."""

    def __init__(self, database: Engine, writer: GroupWriter) -> None:
        self.database = database
        self.writer = writer
        self.channel = FakeChannel()
        self.polling = Polling(poll_seconds=0.05)
        self.singly = False

    def courier(self) -> Courier:
        loop = DeliveryLoop(
            self.writer, "fake", self.channel, never, self.channel.give_up, self.polling, singly=self.singly
        )
        return Courier(RoutingLoop(self.writer, to_fake, [loop], self.polling), loop)

    async def notify(self, count: int, first: int = 0) -> list[str]:
        """Register so many cases, each with one notification of the dispatcher. Returns the keys."""
        batches = [published(call(first + place), ())[0] for place in range(count)]
        await asyncio.gather(*(self.writer.submit(batch) for batch in batches))
        return [f"{batch.number}-1-dispatcher" for batch in batches]

    @asynccontextmanager
    async def running(self, courier: Courier | None = None) -> AsyncIterator[ActivityEnvironment]:
        """The activity runs, until its worker is shut down at the end of the block."""
        environment = ActivityEnvironment()
        task = asyncio.create_task(environment.run((courier or self.courier()).deliver_notifications))
        try:
            yield environment
        finally:
            environment.worker_shutdown()
            await asyncio.wait_for(task, PATIENCE)

    async def statuses(self) -> list[str]:
        return [row["status"] for row in await asyncio.to_thread(self.rows)]

    async def settled(self, *statuses: str) -> list[dict[str, Any]]:
        """Return the rows of the deliveries once every one has one of these statuses."""
        return await self.once(lambda found: {row["status"] for row in found} <= {*statuses})

    async def once(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the rows of the deliveries once the condition holds. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await asyncio.to_thread(self.rows)
                if found and holds(found):
                    return found
                await asyncio.sleep(0.02)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the deliveries; `routing` stands for notifications that have none yet."""
        waiting = [row | {"status": "routing"} for row in rows(self.database, notifications) if row["status"] == DUE]
        return [*rows(self.database, deliveries), *waiting]

    async def told(self, count: int) -> None:
        """The channel was told this many. Raises TimeoutError."""
        await self.once(lambda _: len(self.channel.told) >= count)
