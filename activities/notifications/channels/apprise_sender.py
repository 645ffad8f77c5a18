"""Letters by Apprise, a library that knows over a hundred services: WeCom, DingTalk, Feishu, mail, and more."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode
from apprise.plugins.base import NotifyBase

from activities.notifications.channel_file import AppriseChannel
from activities.notifications.postman import DeliveryError, Letter, within

# What it logs names addresses of people, and of rooms that whoever knows the address may write to.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AppriseSender:
    """Sends to one address of Apprise's, which answers no more than whether the service took it.

    Each letter has a thread, and the channel has places for `concurrency` of them: Apprise's own threads are shared,
    and a service that hangs would take them all. A thread cannot be stopped. One whose time is over keeps its place
    until its service lets go of it, so a service that hangs fills its own places and no other's.
    """

    def __init__(self, channel: AppriseChannel) -> None:
        self._url = channel.url.get_secret_value()
        self._timeout_seconds = channel.timeout_seconds
        self._places = asyncio.Semaphore(channel.concurrency)

    async def send(self, letter: Letter) -> None:
        """See Sender. Its time runs from when it has a thread; for that it waits no longer than once more so long."""
        async with within(self._timeout_seconds):
            await self._places.acquire()
        notify = partial(self._service().notify, letter.text, letter.subject, body_format=NotifyFormat.TEXT)
        async with within(self._timeout_seconds):
            if not await self._in_a_thread(notify):
                raise DeliveryError("the service did not take it")

    def _in_a_thread(self, work: Callable[[], bool]) -> asyncio.Future[bool]:
        """Start it; its place is free again when it has ended, however late."""
        outcome: Future[bool] = Future()
        outcome.set_running_or_notify_cancel()
        loop = asyncio.get_running_loop()

        def free(_: Future[bool]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits for a place any more
                loop.call_soon_threadsafe(self._places.release)

        outcome.add_done_callback(free)
        try:
            # The process does not wait for a daemon when it ends, as it would for a thread of an executor.
            threading.Thread(target=_settle, args=(outcome, work), name="apprise", daemon=True).start()
        except RuntimeError as error:
            outcome.set_exception(error)
        return asyncio.wrap_future(outcome)

    def _service(self) -> NotifyBase:
        """A new one each time: kept, it would put seconds between two messages while their time runs."""
        asset = AppriseAsset(storage_mode=PersistentStoreMode.MEMORY)
        service = Apprise.instantiate(self._url, asset=asset)
        assert service is not None  # noqa: S101 - the file was checked
        # A thread cannot be stopped: so it shall not go on for long after its time, and deliver what was given up.
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_seconds / 2
        return service


def _settle(outcome: Future[bool], work: Callable[[], bool]) -> None:
    try:
        outcome.set_result(work())
    except Exception as error:  # noqa: BLE001 - a service may fail in any way; who waits for it is told
        outcome.set_exception(error)
