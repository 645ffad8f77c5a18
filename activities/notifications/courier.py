"""The courier: the activity that routes notifications to channels and sends them, by one loop for each channel.

A channel to another machine always has as many deliveries under way as it may: as soon as one is done, the next is
taken. What is done is marked in groups, each with the next take.
"""

import asyncio
import logging
import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.names import UNDELIVERED, UNSEALED, complaint_id
from activities.notifications.channels import base
from activities.notifications.routing import ChannelFile
from activities.notifications.texts import Templates
from activities.poller import PollerRun, now, poller_run
from activities.run_status import is_not_found
from domain.case.automatic.internal_updates import Undelivered
from readmodel import notifications, processes
from readmodel.base.database import WriteConnection
from readmodel.notifications import ChannelsTo, Delivery, Failure, QuietUntil, Results
from readmodel.writer import GroupWriter

GATHER_SECONDS = 0.25
"""Least time between two polls after one that left nothing due: the next finds several rows, and others can write."""
MARK_SECONDS = 0.02
"""Time in which deliveries that are done gather before they are marked together, while more is due."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(hours=1)
FIRST_SQL_PAUSE_SECONDS, LONGEST_SQL_PAUSE_SECONDS = 1.0, 30.0
ERROR_LENGTH = 200

logger = logging.getLogger(__name__)
GiveUp = Callable[[str, Undelivered], Awaitable[None]]
"""Tell a case, by its number, that a notification is not delivered. May be called again for the same."""


class Polling(NamedTuple):
    """Limits of a loop that polls SQL: longest time between two polls, most rows of one, tries before it gives up.

    Rows that this process commits are seen at once.
    """

    poll_seconds: float = 1.0
    batch: int = 100
    max_tries: int = 36


class Loop(ABC):
    """A loop that polls SQL. No loop waits for another."""

    writer: GroupWriter
    """Writer of this process; the loop takes turns with its other users."""
    rows_written: asyncio.Event
    """Event that is set when there may be rows to take."""
    polling: Polling

    async def run(self, poller: PollerRun) -> None:
        """Poll until the run is over. While SQL is down, wait for ever longer times."""
        clock = asyncio.get_running_loop().time
        shortest = min(self.polling.poll_seconds, FIRST_SQL_PAUSE_SECONDS)
        wait = shortest
        while not poller.is_over:
            started = clock()
            try:
                await self.recover()
                await self._poll(poller)
                await self.finish()
            except SQLAlchemyError as error:
                logger.warning("the courier waits for SQL: %s", type(error).__name__)
                if clock() - started > LONGEST_SQL_PAUSE_SECONDS:
                    # SQL was back for a while: this is another outage.
                    wait = shortest
                await poller.wait(wait)
                wait = min(wait * 2, LONGEST_SQL_PAUSE_SECONDS)

    @abstractmethod
    async def recover(self) -> None:
        """Clear up what an earlier run left; called at the start of the run and after SQL was down."""

    @abstractmethod
    async def round(self) -> bool:
        """Process rows that are due; return True if none is left that is due."""

    async def finish(self) -> None:  # noqa: B027 - a loop may hold nothing
        """Record what the loop still holds in memory; called at the end of the run."""

    async def _poll(self, poller: PollerRun) -> None:
        clock = asyncio.get_running_loop().time
        while not poller.is_over:
            started = clock()
            self.rows_written.clear()
            if await self.round():
                await poller.wait(self.polling.poll_seconds, self.rows_written)
                await poller.wait(started + min(GATHER_SECONDS, self.polling.poll_seconds) - clock())


@dataclass(eq=False)
class DeliveryLoop(Loop):
    """The deliveries of one channel, with tries, pauses and dead letters; no more than a batch is under way.

    `give_up` gets late notifications, and dead letters before they are marked as such. `singly`: the channel
    is given each delivery on its own, or else all that were taken together. `area_code` is of telephones without one.
    """

    writer: GroupWriter
    name: str
    channel: base.Channel
    quiet_until: QuietUntil
    give_up: GiveUp
    polling: Polling
    singly: bool = False
    clock: Callable[[], datetime] = now
    area_code: Callable[[], str] = str
    rows_written: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    sent: int = field(default=0, init=False)
    """Deliveries that were sent in this run."""
    _under_way: dict[asyncio.Task[None], int] = field(default_factory=dict, init=False)
    """Tasks that deliver, each with the number of its deliveries."""
    _sent: list[str] = field(default_factory=list, init=False)
    _failed: list[Failure] = field(default_factory=list, init=False)
    _reported: set[str] = field(default_factory=set, init=False)
    """Keys of late notifications of which their cases know."""

    async def run(self, poller: PollerRun) -> None:
        self.sent, self._sent, self._failed = 0, [], []
        try:
            await super().run(poller)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def recover(self) -> None:
        """Record what SQL could not take before it went down, and resolve what an earlier run left in doubt."""
        await self.finish()
        while keys := await self.writer.run(
            partial(notifications.in_doubt, channel=self.name, limit=self.polling.batch)
        ):
            delivered = await self.channel.delivered(keys) & set(keys)
            resolve = partial(notifications.resolve_in_doubt, keys=keys, delivered=delivered)
            await self.writer.run(partial(resolve, channel=self.name, at=self.clock()))

    async def round(self) -> bool:
        """Record results, take what is due in one transaction, and begin to send it; wait while the channel is full."""
        busy = sum(self._under_way.values())
        room = self.polling.batch - busy if self.singly or not busy else 0
        taken = await self._record_and_take(room)
        for batch in [[each] for each in taken] if self.singly else [taken] * bool(taken):
            task = asyncio.create_task(self._deliver(batch))
            self._under_way[task] = len(batch)
            task.add_done_callback(self._under_way.pop)
        if len(taken) < room:
            return True
        if self._under_way:  # all may be done since the room was counted
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(MARK_SECONDS)
        return False

    async def finish(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        if self._sent or self._failed:
            await self._record_and_take(0)

    async def _record_and_take(self, room: int) -> list[Delivery]:
        results = Results(tuple(self._sent), tuple(self._failed))

        def record_and_take(connection: WriteConnection) -> list[Delivery]:
            at = self.clock()
            notifications.record(connection, self.name, results, at)
            return notifications.take(
                connection, self.name, self.quiet_until, at, room, self.area_code(), in_batch=not self.singly
            )

        taken = await self.writer.run(record_and_take)
        # Others may have come meanwhile.
        del self._sent[: len(results.sent)], self._failed[: len(results.failed)]
        return taken

    async def _deliver(self, taken: list[Delivery]) -> None:
        try:
            reasons = dict(await self.channel.deliver(taken))
        except Exception as error:  # noqa: BLE001 - a channel may fail in any way; the deliveries are tried again
            logger.warning("the channel failed: %s", type(error).__name__)
            reasons = dict.fromkeys((delivery.key for delivery in taken), type(error).__name__)
        sent = [delivery.key for delivery in taken if delivery.key not in reasons]
        self._reported.difference_update(sent)
        self._sent += sent
        self._failed += [await self._failure(each, reasons[each.key]) for each in taken if each.key in reasons]
        self.sent += len(sent)
        self.rows_written.set()

    async def _failure(self, delivery: Delivery, error: str) -> Failure:
        error = error[:ERROR_LENGTH]
        next_try_at = now() + pause(delivery.tries, random.random())  # noqa: S311 - spreads tries, hides nothing
        is_last = delivery.tries >= self.polling.max_tries
        # A case that could not be updated is updated at the next try: the last one may be a day away.
        if is_last or (delivery.tries >= notifications.LATE_TRIES and delivery.key not in self._reported):
            try:
                await self.give_up(delivery.number, Undelivered(key=delivery.key, channel=self.name, error=error))
                self._reported.add(delivery.key)
            except Exception as refusal:  # noqa: BLE001 - no notification is dead before its case knows
                reason = type(refusal).__name__
                logger.warning("case %s could not be updated with a notification: %s", delivery.number, reason)
                is_last = False
        if is_last:
            self._reported.discard(delivery.key)
        return Failure(delivery.key, error, None if is_last else next_try_at)


@dataclass(eq=False)
class RoutingLoop(Loop):
    """The routing of notifications: one transaction creates their deliveries, so a crash leaves nothing in doubt."""

    writer: GroupWriter
    channels_to: ChannelsTo
    channels: Sequence[DeliveryLoop]
    polling: Polling

    def __post_init__(self) -> None:
        self.rows_written = self.writer.notifications_written

    async def recover(self) -> None:
        """Route anew what waits for channels that the operator removed."""
        names = [channel.name for channel in self.channels]
        await self.writer.run(partial(notifications.reroute, channels=names, at=now()))

    async def round(self) -> bool:
        route = partial(notifications.route, channels_to=self.channels_to, at=now(), limit=self.polling.batch)
        routed = await self.writer.run(route)
        if routed:
            for channel in self.channels:
                channel.rows_written.set()
        return routed < self.polling.batch


def pause(tries: int, chance: float) -> timedelta:
    """Doubled with each try, up to an hour. `chance`, 0 to 1, spreads the tries."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(tries - 1, 30), LONGEST_PAUSE)
    return longest * (0.5 + chance / 2)


CLAIM = timedelta(seconds=10)
"""Time for which a courier claims to send; another one waits for its end. One that died is noticed as late."""
CLAIM_PAUSE_SECONDS = 3.0
REPORT_TIMEOUT = timedelta(seconds=8)
"""Longest wait for a case; a later try tells it again."""


class CourierConfig(NamedTuple):
    """Configuration of the courier. `area_code` returns that of telephones without one."""

    channels: ChannelFile
    templates: Templates
    log_file: Path
    polling: Polling = Polling()
    area_code: Callable[[], str] = str

    def render(self, delivery: Delivery, *, to_phone: bool = False) -> base.RenderedNotification:
        language = self.channels.language(delivery.notification.recipient)
        return self.templates.render(delivery, language, to_phone=to_phone)


class Courier:
    """The activity `deliver_notifications`. Of two at once, as somebody may start them, the second waits."""

    def __init__(self, router: RoutingLoop, *channels: DeliveryLoop) -> None:
        self._router = router
        self._channels = channels

    @activity.defn(name="deliver_notifications")
    async def deliver_notifications(self) -> int:
        """Send notifications until the run ends or the worker stops; return the number of deliveries.

        While SQL is down it waits. Deliveries that are unsettled at its end are in doubt for the next run.
        """
        holder = uuid.uuid4().hex
        async with poller_run() as current:
            while not await self._claim(holder):
                if current.is_over:
                    return 0
                await current.wait(CLAIM_PAUSE_SECONDS)
            try:
                async with asyncio.TaskGroup() as group:
                    claiming = group.create_task(self._renew_claim(holder))
                    await self._run_loops(current, claiming)
                    claiming.cancel()
            finally:
                await self._claim(holder, timedelta(0))
        return sum(channel.sent for channel in self._channels)

    async def _run_loops(self, current: PollerRun, claiming: asyncio.Task[None]) -> None:
        """Run the loops. If the activity is cancelled, they finish what is under way: it would be sent again.

        Anybody who reaches Temporal's port can have it cancelled. A worker that stops has no time for it.
        """
        loops = asyncio.gather(*(loop.run(current) for loop in (self._router, *self._channels)))
        try:
            await asyncio.shield(loops)
        except asyncio.CancelledError:
            current.end()
            if claiming.done() or activity.is_worker_shutdown():
                loops.cancel()
            await asyncio.gather(loops, return_exceptions=True)
            raise

    async def _claim(self, holder: str, time: timedelta = CLAIM) -> bool | None:
        """Claim to be the one that sends. Returns False while another one is, None if SQL does not answer."""
        work = partial(processes.claim, holder=holder, at=(at := now()), until=at + time)
        try:
            return await self._router.writer.run(work)
        except SQLAlchemyError as error:
            logger.warning("the courier waits for SQL: %s", type(error).__name__)
            return None

    async def _renew_claim(self, holder: str) -> None:
        """Claim it again and again. Raises ApplicationError if another one has it, as this process stood still."""
        while True:
            await asyncio.sleep(CLAIM_PAUSE_SECONDS)
            if await self._claim(holder) is False:
                raise ApplicationError("another courier sends")


@asynccontextmanager
async def courier(
    writer: GroupWriter, config: CourierConfig, give_up: GiveUp, clock: Callable[[], datetime] = now
) -> AsyncIterator[Courier]:
    """Close its channels at the end of the context."""
    channels, polling = config.channels, config.polling
    async with base.checked_client() as http:
        loops = [
            DeliveryLoop(
                writer,
                name,
                table.channel(
                    name, base.Resources(http, partial(config.render, to_phone=table.needs_phone), config.log_file)
                ),
                partial(channels.quiet_until, name),
                give_up,
                # A crash leaves in doubt what was taken, so a remote channel takes no more than it sends at once.
                polling._replace(batch=table.concurrency) if isinstance(table, base.RemoteConfig) else polling,
                singly=isinstance(table, base.RemoteConfig),
                clock=clock,
                area_code=config.area_code,
            )
            for name, table in channels.channels.items()
        ]
        yield Courier(RoutingLoop(writer, channels.channels_to, loops, polling), *loops)


async def report_undelivered(client: Client, number: str, notification: Undelivered) -> None:
    """Tell a case by an update, if its workflow runs and does not know it.

    Raises RPCError if it does not answer, WorkflowUpdateFailedError if it was rebuilt meanwhile, or a clock is wrong.
    """
    handle, key = client.get_workflow_handle(complaint_id(number)), notification.key
    once = f"undelivered-{notification.channel}-{key}"
    update = handle.execute_update(UNDELIVERED, notification, id=once, rpc_timeout=REPORT_TIMEOUT)
    try:
        if await is_not_found(update):
            logger.info("case %s has ended; it does not learn that %s was not delivered", number, key)
    except WorkflowUpdateFailedError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type == UNSEALED:
            raise
        logger.info("case %s takes no word that %s was not delivered: %s", number, key, error.cause)
