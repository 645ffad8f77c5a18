"""Base types of channels: their tables in the file of channels, and how they send."""

import asyncio
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from activities.notifications.addresses import check_literal, check_resolved
from readmodel.notifications import Delivery


def _is_permitted(url: str) -> str:
    check_literal(urlsplit(url).hostname or "")
    return url


Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$"), AfterValidator(_is_permitted)]

logger = logging.getLogger(__name__)
# httpx logs every address, and an address may hold a key.
logging.getLogger("httpx").setLevel(logging.WARNING)


class RenderedNotification(NamedTuple):
    """A notification in the words of its templates. `phone` is the caller's; None if the case has none."""

    key: str
    number: str
    kind: str
    recipient: str
    created_at: datetime
    subject: str
    text: str
    phone: str | None


Render = Callable[[Delivery], RenderedNotification]


class Channel(Protocol):
    """A way to deliver notifications."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Deliver them; return the keys that failed, each with the reason. If it raises, all of them failed.

        A reason is stored and shown to operators: it holds no personal data.
        """

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys that this channel knows to be delivered. Called after a crash."""


class Resources(NamedTuple):
    """Resources that channels share."""

    http: httpx.AsyncClient
    render: Render
    log_file: Path


class ConfigTable(BaseModel):
    """A table of the file of channels. Validation errors do not show the value: it may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ChannelConfig(ConfigTable, ABC):
    """The table of a channel. A subclass adds `kind` and further keys."""

    @property
    def needs_phone(self) -> bool:
        """True if the channel sends to the caller's telephone number."""
        return False

    @abstractmethod
    def channel(self, name: str, resources: Resources) -> Channel:
        """Return the channel of this table; `name` is the table's."""


class DeliveryError(Exception):
    """Error of a notification that was not accepted. Its text is the reason, without personal data."""


Send = Callable[[RenderedNotification], Awaitable[None]]
"""Sends one notification, and returns when it is accepted.

Raises DeliveryError. Any other exception means the same, and its type is the reason."""


class RemoteConfig(ChannelConfig):
    """The table of a channel to another machine, which may be slow or down."""

    timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="seconds that one message may take")
    concurrency: int = Field(default=16, ge=1, le=100, description="messages that are under way at once")


class ProgramConfig(ChannelConfig):
    """The table of a channel to a program, which has no quiet hours."""

    copies: bool = Field(default=False, description="true for a copy of every message, whoever it is to")


class RemoteChannel:
    """Channel that sends all deliveries that it is given at once, each on its own."""

    def __init__(self, send: Send, render: Render) -> None:
        self._send = send
        self._render = render

    async def deliver(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        reasons = await asyncio.gather(*(self._deliver(delivery) for delivery in deliveries))
        return {each.key: reason for each, reason in zip(deliveries, reasons, strict=True) if reason is not None}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """Return no key: a remote service cannot be asked. Deliveries in doubt are sent again, under the same id."""
        logger.warning("%d notifications are sent again: the courier ended while they were under way", len(keys))
        return set()

    async def _deliver(self, delivery: Delivery) -> str | None:
        try:
            await self._send(self._render(delivery))
        except DeliveryError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - its text may name a number, an address or a secret
            return type(error).__name__
        return None


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Raise DeliveryError if the context takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DeliveryError(f"no answer within {seconds:g} s") from None


async def post(http: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> None:
    """Post a JSON body within `seconds`.

    Raises DeliveryError if the status is no success, ForbiddenAddressError if nothing is sent to that address.
    """
    headers = {**headers, "Content-Type": "application/json"}
    async with time_limit(seconds):
        await check_resolved(urlsplit(url).hostname or "")
        async with http.stream("POST", url, headers=headers, content=body, timeout=None) as response:
            # The body of the answer is not read: it may be endless.
            if not response.is_success:
                raise DeliveryError(f"the receiver answered {response.status_code}")


def message_id(*parts: str) -> str:
    """Return an id for a header, the same at every try. It is a hash because keys may name staff."""
    return f"msg_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
