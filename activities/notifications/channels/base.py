"""Base of the channels: their tables in the file of channels, how they send, and the receivers that nothing is sent to.

Those are the cloud's own services, which would answer with the secrets of a machine.
"""

import asyncio
import hashlib
import logging
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpcore
import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from readmodel.notifications import Delivery

FORBIDDEN = (
    ip_network("100.100.100.200/32"),  # Alibaba
    ip_network("168.63.129.16/32"),  # Azure
    ip_network("192.0.0.192/32"),  # Oracle
    ip_network("fd00:ec2::/32"),  # Amazon
    ip_network("fd20:ce::/32"),  # Google
    ip_network("255.255.255.255/32"),  # broadcast
)
"""Services of clouds for a machine's own data that are not link-local, and broadcast."""
EMBEDDING = tuple(map(ip_network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""IPv6 addresses whose last 32 bits are an IPv4 address: IPv4-compatible ones, and those of NAT64."""
IN_THE_MIDDLE = ip_network("64:ff9b:1::/48")
"""The same by RFC 6052: 16 bits before bits 64 to 71, and 16 after."""
PATIENCE_SECONDS = 3.0
"""Wait for one of several addresses of a name, before the next is tried."""


class ForbiddenAddressError(ValueError):
    """Error of a receiver at an address that nothing is sent to."""

    def __init__(self) -> None:
        super().__init__(
            "is at an address of a cloud's own services, or at a link-local, multicast, broadcast or unspecified one;"
            " accepted: a receiver in your network, or on the internet"
        )


def check_literal(host: str) -> None:
    """Raise ForbiddenAddressError if the host is written as such an address. Names are checked when they are used."""
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        try:
            # The system's resolver takes an address as one number too, and in octal and hexadecimal digits.
            address = ip_address(socket.inet_aton(host))
        except (OSError, ValueError):
            return
    for meant in _meant_by(address):
        of_nobody = meant.is_link_local or meant.is_multicast or meant.is_unspecified
        if of_nobody or any(meant in network for network in FORBIDDEN):
            raise ForbiddenAddressError


def _meant_by(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the address, and the IPv4 addresses that it leads to."""
    yield address
    if isinstance(address, IPv4Address):
        return
    yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))
    bits = int(address)
    if any(address in network for network in EMBEDDING):
        yield IPv4Address(bits & 0xFFFF_FFFF)
    if address in IN_THE_MIDDLE:
        yield IPv4Address((bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF)


async def check_resolved(host: str) -> tuple[str, ...]:
    """Addresses of the host. Raises ForbiddenAddressError, also if one of several is such a one, and OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = tuple(str(address) for *_, (address, *_) in found)
    for address in addresses:
        check_literal(address)
    return addresses


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Network that connects to the very addresses that were checked: a name may lead elsewhere soon after."""

    _network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises ForbiddenAddressError, and ConnectError if none does."""
        try:
            *earlier, last = await check_resolved(host)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for address in earlier:
            try:
                return await self._network.connect_tcp(address, port, PATIENCE_SECONDS, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)


class CheckedTransport(httpx.AsyncHTTPTransport):
    """HTTP over a `CheckedNetwork`."""

    def __init__(self, limits: httpx.Limits, tls: ssl.SSLContext | bool = True) -> None:
        super().__init__(verify=tls, limits=limits)
        # httpx has no parameter for it.
        self._pool._network_backend = CheckedNetwork()  # noqa: SLF001 - as said


def checked_client(tls: ssl.SSLContext | bool = True, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    """Client over a CheckedTransport, except through a proxy of the environment, which resolves names by itself."""
    # Each channel limits its own connections; in a common limit, one that hangs would take those of the others.
    proxies, limits = getproxies(), httpx.Limits(max_connections=None)
    direct = [entry for part in proxies.get("no", "").split(",") if (entry := part.strip())]
    # httpx reads the environment only for a client without a transport of its own. These are its rules.
    mounts: dict[str, httpx.AsyncBaseTransport | None] = {}
    for scheme in {"http", "https", "all"} & proxies.keys() if "*" not in direct else ():
        url = proxies[scheme] if "://" in proxies[scheme] else f"http://{proxies[scheme]}"
        mounts[f"{scheme}://"] = httpx.AsyncHTTPTransport(verify=tls, limits=limits, proxy=url)
    for entry in direct:
        pattern = f"all://[{entry}]" if entry.count(":") > 1 else f"all://*{entry}"
        mounts[entry if "://" in entry else pattern] = None
    return httpx.AsyncClient(transport=CheckedTransport(limits, tls), mounts=mounts, auth=auth)


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
        """Keys that this channel knows to be delivered. Called after a crash."""


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
        return False

    @abstractmethod
    def channel(self, name: str, resources: Resources) -> Channel:
        """`name` is that of the table."""


class DeliveryError(Exception):
    """Error of a notification that was not accepted. Its text is the reason, without personal data."""


Send = Callable[[RenderedNotification], Awaitable[None]]
"""Sends one notification, and returns when it is accepted.

Raises DeliveryError. Any other exception means the same, and its type is the reason."""


class RemoteConfig(ChannelConfig):
    """The table of a channel to another machine, which may be slow or down."""

    timeout_seconds: float = Field(10.0, gt=0, le=60, description="seconds that one message may take")
    concurrency: int = Field(16, ge=1, le=100, description="messages that are under way at once")


class ProgramConfig(ChannelConfig):
    """The table of a channel to a program, which has no quiet hours."""

    copies: bool = Field(False, description="true for a copy of every message, whoever it is to")


class RemoteChannel:
    """Channel that sends all deliveries that it is given at once, each on its own."""

    def __init__(self, send: Send, render: Render) -> None:
        self._send = send
        self._render = render

    async def deliver(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        reasons = await asyncio.gather(*(self._deliver(delivery) for delivery in deliveries))
        return {each.key: reason for each, reason in zip(deliveries, reasons, strict=True) if reason is not None}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """No remote service can be asked. Deliveries in doubt are sent again, under the same id."""
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
    """Raise DeliveryError if the context takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DeliveryError(f"no answer within {seconds:g} s") from None


async def post(http: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> None:
    """Post a JSON body within `seconds`. Raises DeliveryError, ForbiddenAddressError and OSError."""
    headers = {**headers, "Content-Type": "application/json"}
    async with time_limit(seconds):
        await check_resolved(urlsplit(url).hostname or "")
        async with http.stream("POST", url, headers=headers, content=body, timeout=None) as response:
            # The body of the answer is not read: it may be endless.
            if not response.is_success:
                raise DeliveryError(f"the receiver answered {response.status_code}")


def message_id(*parts: str) -> str:
    """For a header, the same at every try. It is a hash because keys may name staff."""
    return f"msg_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
