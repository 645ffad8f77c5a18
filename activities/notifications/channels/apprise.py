"""Channels by Apprise, a library for over a hundred services: WeCom, DingTalk, Feishu, mail, and more."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Literal

from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode
from apprise.plugins.base import NotifyBase
from pydantic import Field, SecretStr, field_validator

from activities.notifications.channels import base
from activities.notifications.channels.base import check_literal, check_resolved

# Its log names mail addresses and group addresses, which are secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AppriseConfig(base.RemoteConfig):
    """WeCom, DingTalk, Feishu, mail and everything else that Apprise knows."""

    kind: Literal["apprise"]
    url: SecretStr = Field(description="one address in Apprise's form: dingtalk://..., mailtos://...")

    @field_validator("url")
    @classmethod
    def _is_readable(cls, url: SecretStr) -> SecretStr:
        service = Apprise.instantiate(url.get_secret_value())
        if service is None:
            raise ValueError("Apprise cannot read it")
        for host in _hosts(service):
            check_literal(host)
        return url

    def channel(self, name: str, resources: base.Resources) -> base.Channel:  # noqa: ARG002 - see ChannelConfig
        return base.RemoteChannel(AppriseSender(self).send, resources.render)


class AppriseSender:
    """Sender to one Apprise address. Apprise only answers if the service accepted the notification.

    Each notification has a thread, at most `concurrency` at once: a service that hangs would take all threads of
    Apprise's shared pool. A thread cannot be stopped. After its time limit it still counts until the service lets go
    of it, so a service that hangs blocks its own channel only.
    """

    def __init__(self, config: AppriseConfig) -> None:
        self._url = config.url.get_secret_value()
        self._timeout_seconds = config.timeout_seconds
        self._threads = asyncio.Semaphore(config.concurrency)

    async def send(self, notification: base.RenderedNotification) -> None:
        """See Send. The time limit holds for the wait for a thread and, once more, for the sending."""
        async with base.time_limit(self._timeout_seconds):
            await self._threads.acquire()
        service = self._service()
        notify = partial(service.notify, notification.text, notification.subject, body_format=NotifyFormat.TEXT)
        async with base.time_limit(self._timeout_seconds):
            for host in _hosts(service):
                await check_resolved(host)
            if not await self._in_thread(notify):
                raise base.DeliveryError("the service did not take it")

    def _in_thread(self, work: Callable[[], bool]) -> asyncio.Future[bool]:
        """Start `work` in a thread, which counts until it ends, however late."""
        outcome: Future[bool] = Future()
        outcome.set_running_or_notify_cancel()
        loop = asyncio.get_running_loop()

        def release(_: Future[bool]) -> None:
            with suppress(RuntimeError):  # the event loop has ended meanwhile
                loop.call_soon_threadsafe(self._threads.release)

        outcome.add_done_callback(release)
        try:
            # A process that ends does not wait for a daemon thread, as it would for a thread of an executor.
            threading.Thread(target=_settle, args=(outcome, work), name="apprise", daemon=True).start()
        except RuntimeError as error:
            outcome.set_exception(error)
        return asyncio.wrap_future(outcome)

    def _service(self) -> NotifyBase:
        """Make a new one each time: one that is kept pauses for seconds between two notifications."""
        asset = AppriseAsset(storage_mode=PersistentStoreMode.MEMORY, http_redirects=False)
        service = Apprise.instantiate(self._url, asset=asset)
        assert service is not None  # noqa: S101 - AppriseConfig checks the address
        # So that the thread does not go on long after the time limit and deliver what was given up.
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_seconds / 2
        return service


def _hosts(service: NotifyBase) -> list[str]:
    """Empty for a service that has its own host: its address begins with a token."""
    templates: Sequence[str] = service.templates
    if not any("{host}" in template for template in templates):
        return []
    host = getattr(service, "smtp_host", None) or getattr(service, "host", None)
    return [host] if host else []


def _settle(outcome: Future[bool], work: Callable[[], bool]) -> None:
    try:
        outcome.set_result(work())
    except Exception as error:  # noqa: BLE001 - a service may fail in any way; the waiting task gets the error
        outcome.set_exception(error)
