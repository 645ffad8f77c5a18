"""Letters by Apprise, a library that knows over a hundred services: WeCom, DingTalk, Feishu, mail, and more."""

import logging

from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode
from apprise.plugins.base import NotifyBase

from activities.channel_file import AppriseChannel
from activities.postman import DeliveryError, Letter

# What it logs names addresses of people, and of rooms that whoever knows the address may write to.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AppriseSender:
    """Sends to one address of Apprise's, which answers no more than whether the service took it."""

    def __init__(self, channel: AppriseChannel) -> None:
        self._url = channel.url.get_secret_value()
        self._timeout_seconds = channel.timeout_seconds

    async def send(self, letter: Letter) -> None:
        """See Sender."""
        if not await self._service().async_notify(letter.text, letter.subject, body_format=NotifyFormat.TEXT):
            raise DeliveryError("the service did not take it")

    def _service(self) -> NotifyBase:
        """A new one each time: kept, it would put seconds between two messages while their time runs."""
        asset = AppriseAsset(storage_mode=PersistentStoreMode.MEMORY)
        service = Apprise.instantiate(self._url, asset=asset)
        assert service is not None  # noqa: S101 - the file was checked
        # A thread cannot be stopped: so it shall not go on for long after its time, and deliver what was given up.
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_seconds / 2
        return service
