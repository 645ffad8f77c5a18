"""Receivers that nothing is sent to: the cloud's own services, which would answer with the secrets of a machine."""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore
import httpx

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
    if any(map(_is_forbidden, _meant_by(address))):
        raise ForbiddenAddressError


def _is_forbidden(address: IPv4Address | IPv6Address) -> bool:
    of_nobody = address.is_link_local or address.is_multicast or address.is_unspecified
    return of_nobody or any(address in network for network in FORBIDDEN)


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
    """Return the host's addresses.

    Raises ForbiddenAddressError if one of them is such a one, OSError if it cannot be resolved.
    """
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
        """Connect to the first of the host's addresses that answers.

        Raises ForbiddenAddressError if one of them is such a one, httpcore.ConnectError if none answers.
        """
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

    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(limits=limits)
        # httpx has no parameter for it.
        self._pool._network_backend = CheckedNetwork()  # noqa: SLF001 - as said
