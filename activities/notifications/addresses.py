"""Receivers that nothing is sent to: the cloud's own services, which would answer with the secrets of a machine."""

import asyncio
import socket
from ipaddress import IPv6Address, ip_address

CLOUDS = frozenset(map(ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
"""Services for a machine's own data that are not link-local: of Alibaba, Oracle and Amazon."""


class ForbiddenAddressError(ValueError):
    """Error of a receiver at an address that nothing is sent to."""

    def __init__(self) -> None:
        super().__init__("is at a link-local, multicast or unspecified address; accepted: a receiver in your network")


def check_literal(host: str) -> None:
    """Raise ForbiddenAddressError if the host is written as such an address. Names are checked when they are used."""
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in CLOUDS:
        raise ForbiddenAddressError


async def check_resolved(host: str) -> None:
    """Raise ForbiddenAddressError if one of the host's addresses is such a one, OSError if it cannot be resolved."""
    for *_, (address, *_) in await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM):
        check_literal(str(address))
