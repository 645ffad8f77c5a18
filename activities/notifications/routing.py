"""The courier where there are several channels: what is due is spread over them, and each has a lane of its own."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from activities.notifications.channels import log_channel
from activities.notifications.lane import GATHER_SECONDS, Mailbox, now, patiently, rest
from readmodel import deliveries
from readmodel.deliveries import Parcel, Quiet, Route
from readmodel.mailbox import Report
from readmodel.writer import GroupWriter


class ParcelBox:
    """What waits on one channel.

    Args:
        writer: see Courier.
        channel: its name.
        quiet: says who is left in peace until when.
        clock: tells the instant.
    """

    def __init__(self, writer: GroupWriter, channel: str, quiet: Quiet, clock: Callable[[], datetime] = now) -> None:
        self._writer = writer
        self._channel = channel
        self._quiet = quiet
        self._clock = clock
        self.news = asyncio.Event()

    async def exchange(self, report: Report, limit: int) -> list[Parcel]:
        """See Box."""
        at = self._clock()
        work = partial(deliveries.exchange, channel=self._channel, quiet=self._quiet, report=report, at=at, limit=limit)
        return await self._writer.run(work)

    async def in_doubt(self, limit: int) -> list[str]:
        """See Box."""
        return await self._writer.run(partial(deliveries.in_doubt, channel=self._channel, limit=limit))

    async def give_back(self, keys: Collection[str], delivered: Collection[str]) -> None:
        """See Box."""
        settle = partial(deliveries.give_back, channel=self._channel, keys=keys, delivered=delivered, at=self._clock())
        await self._writer.run(settle)


class Spreader:
    """Makes a row on each channel for whatever is due: one transaction, so a crash leaves nothing in doubt.

    Args:
        writer: see Courier.
        route: the channels of a recipient.
        boxes: the channels' boxes, which hear that there is something.
        poll_seconds: longest time between two looks.
        batch: most notifications in one transaction.
    """

    def __init__(
        self, writer: GroupWriter, route: Route, boxes: Sequence[ParcelBox], *, poll_seconds: float, batch: int
    ) -> None:
        self._writer = writer
        self._route = route
        self._boxes = boxes
        self._poll_seconds = poll_seconds
        self._batch = batch

    async def run(self, stop: asyncio.Event, ends: float) -> int:
        """Spread until told to stop, or until the loop's clock says `ends`. Answers 0: the lanes deliver."""

        async def work() -> None:
            await self._take_over()
            await self._rounds(stop, ends)

        await patiently(work, stop, ends, self._poll_seconds)
        return 0

    async def _take_over(self) -> None:
        """Give back what a courier without channels had in hand when it died."""
        mailbox = Mailbox(self._writer)
        while keys := await mailbox.in_doubt(self._batch):
            await mailbox.give_back(keys, ())

    async def _rounds(self, stop: asyncio.Event, ends: float) -> None:
        clock = asyncio.get_running_loop().time
        while not stop.is_set() and clock() < ends:
            looked = clock()
            self._writer.news.clear()
            work = partial(deliveries.spread, route=self._route, at=now(), limit=self._batch)
            spread = await self._writer.run(work)
            if spread:
                for box in self._boxes:
                    box.news.set()
            if spread == 0:
                await rest(min(self._poll_seconds, ends - clock()), stop, self._writer.news)
            if spread < self._batch:
                await rest(looked + min(GATHER_SECONDS, self._poll_seconds) - clock(), stop)


class ParcelLog:
    """The log channel as one of several: it is given the message without what is personal."""

    def __init__(self, log: log_channel.LogChannel) -> None:
        self._log = log

    async def deliver(self, messages: Sequence[Parcel]) -> Mapping[str, str]:
        """See Channel."""
        return await self._log.deliver([parcel.message for parcel in messages])

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """See Channel."""
        return await self._log.delivered(keys)
