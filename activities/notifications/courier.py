"""The courier: the activity that routes notifications to channels and sends them."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.request import getproxies

import httpx
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.names import UNDELIVERED, UNSEALED, complaint_id
from activities.notifications.addresses import CheckedTransport
from activities.notifications.channels.base import RemoteConfig, RenderedNotification, Resources
from activities.notifications.delivery import DeliveryLoop, GiveUp, Polling, RoutingLoop
from activities.notifications.routing import ChannelFile
from activities.notifications.texts import Templates
from activities.poller import now, poller_run
from activities.run_status import is_gone
from domain.case.automatic.external import Undelivered
from readmodel import processes
from readmodel.notifications import Delivery
from readmodel.writer import GroupWriter

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=10)
"""Time for which a courier claims to send; another one waits for its end. One that died is noticed as late."""
CLAIM_PAUSE_SECONDS = 3.0
REPORT_TIMEOUT = timedelta(seconds=8)
"""Longest wait for a case; a later try tells it again."""


class CourierConfig(NamedTuple):
    """Configuration of the courier.

    Args:
        area_code: returns that of telephones without one.
    """

    channels: ChannelFile
    templates: Templates
    log_file: Path
    polling: Polling = Polling()
    area_code: Callable[[], str] = str

    def render(self, delivery: Delivery, *, to_phone: bool = False) -> RenderedNotification:
        """Return the delivery in words, in the language of its route; see Templates."""
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
                    claiming = group.create_task(self._keep_claim(holder))
                    await asyncio.gather(*(loop.run(current) for loop in (self._router, *self._channels)))
                    claiming.cancel()
            finally:
                await self._claim(holder, timedelta(0))
        return sum(channel.sent for channel in self._channels)

    async def _claim(self, holder: str, time: timedelta = CLAIM) -> bool | None:
        """Claim to be the one that sends. Returns False while another one is, None if SQL does not answer."""
        work = partial(processes.claim, holder=holder, at=(at := now()), until=at + time)
        try:
            return await self._router.writer.run(work)
        except SQLAlchemyError as error:
            logger.warning("the courier waits for SQL: %s", type(error).__name__)
            return None

    async def _keep_claim(self, holder: str) -> None:
        """Claim it again and again. Raises ApplicationError if another one has it, as this process stood still."""
        while True:
            await asyncio.sleep(CLAIM_PAUSE_SECONDS)
            if await self._claim(holder) is False:
                raise ApplicationError("another courier sends")


@asynccontextmanager
async def courier(
    writer: GroupWriter, config: CourierConfig, give_up: GiveUp, clock: Callable[[], datetime] = now
) -> AsyncIterator[Courier]:
    """Build the courier; its channels are closed at the end of the context."""
    channels, polling = config.channels, config.polling
    # Each channel limits its own connections; in a common limit, one that hangs would take those of the others.
    unlimited = httpx.Limits(max_connections=None)
    # A proxy of the environment resolves names by itself.
    transport = None if getproxies() else CheckedTransport(unlimited)
    async with httpx.AsyncClient(limits=unlimited, transport=transport) as http:
        loops = [
            DeliveryLoop(
                writer,
                name,
                table.channel(
                    name, Resources(http, partial(config.render, to_phone=table.needs_phone), config.log_file)
                ),
                partial(channels.quiet_until, name),
                give_up,
                # A crash leaves in doubt what was taken, so a remote channel takes no more than it sends at once.
                polling._replace(batch=table.concurrency) if isinstance(table, RemoteConfig) else polling,
                singly=isinstance(table, RemoteConfig),
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
        if await is_gone(update):
            logger.info("case %s has ended; it is not told that %s was not delivered", number, key)
    except WorkflowUpdateFailedError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type == UNSEALED:
            raise
        logger.info("case %s takes no word that %s was not delivered: %s", number, key, error.cause)
