"""Addresses that nothing is sent to, however they are written, and wherever names lead."""

import os
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from activities.notifications.channels.base import (
    CheckedTransport,
    ForbiddenAddressError,
    check_literal,
    check_resolved,
    post,
)
from activities.notifications.courier import checked_unless_proxied
from tests.support.receivers import receiver

METADATA = "169.254.169.254"
Resolve = Callable[[Callable[[str], list[str]]], None]


@pytest.mark.parametrize(
    "host",
    [
        *(METADATA, "0.0.0.0", "224.0.0.1", "255.255.255.255"),  # noqa: S104 - refused
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *(
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:ec2::253",
            "fd20:ce::254",
            "fe80::1",
            "[fe80::1%eth0]",
            "ff02::1",
            "::",
        ),
        *("::ffff:169.254.169.254", "::ffff:a83f:8110", "::169.254.169.254", "2002:a9fe:a9fe::1"),
        *("2001:0:a9fe:a9fe::34ff:8ef8", "2001:0:cb00:7107::5601:5601"),  # by Teredo: its server, its client
        *("64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::"),
        *("2852039166", "0xa9fea9fe", "0xA9.254.0251.0376", "169.16689662", "025177524776"),
    ],
)
def test_nothing_is_sent_to_a_cloud_or_to_no_single_machine(host: str) -> None:
    with pytest.raises(ForbiddenAddressError, match=r"a cloud's own services.*accepted: a receiver in your network"):
        check_literal(host)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.9", "203.0.113.7", "168.63.129.17", "2130706433"),
        *(
            "::1",
            "fd00::1",
            "fd12:3456::254",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::203.0.113.7",
            "2002:cb00:7107::1",
            "2001:0:cb00:7107::34ff:8ef8",
        ),
        *("hotline.example", "2852039166.example", "metadata"),
    ],
)
def test_a_receiver_elsewhere_is_permitted(host: str) -> None:
    check_literal(host)


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Resolve names by a function; addresses by the system."""
    by_system = socket.getaddrinfo

    def by(name: Callable[[str], list[str]]) -> None:
        def resolved(host: str, port: int | None, *more: Any, **named: Any) -> Any:
            if not str(host).endswith(".example"):
                return by_system(host, port, *more, **named)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in name(host)]

        monkeypatch.setattr(socket, "getaddrinfo", resolved)

    return by


async def test_a_name_is_checked_when_it_is_resolved(resolve: Resolve) -> None:
    """Its operator may let it lead anywhere, and later somewhere else."""
    resolve({"good.example": ["10.1.2.3"], "bad.example": ["10.1.2.3", METADATA]}.__getitem__)
    assert await check_resolved("good.example") == ("10.1.2.3",)
    with pytest.raises(ForbiddenAddressError):
        await check_resolved("bad.example")
    async with httpx.AsyncClient() as http:
        with pytest.raises(ForbiddenAddressError):
            await post(http, "http://bad.example/hook", {}, b"{}", 5)


@pytest.mark.parametrize("good", [1, 2])
async def test_a_name_that_leads_elsewhere_between_check_and_connection_gains_nothing(
    good: int, resolve: Resolve
) -> None:
    """After so many lookups it leads to the cloud. What connects has looked up no other address than it checked."""
    lookups: list[str] = []

    def rebind(host: str) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"] if len(lookups) <= good else [METADATA]

    resolve(rebind)
    async with receiver() as made, httpx.AsyncClient(transport=CheckedTransport(httpx.Limits())) as http:
        url = made.url.replace("127.0.0.1", "rebind.example")
        if good == 1:
            with pytest.raises(ForbiddenAddressError):
                await post(http, url, {}, b"{}", 5)
            assert made.requests == []
        else:
            await post(http, url, {}, b"{}", 5)
            assert [request.headers["Host"] for request in made.requests] == [url.removeprefix("http://")]
        assert len(lookups) == 2


async def test_the_next_address_of_a_name_is_tried(
    resolve: Resolve,
) -> None:
    async with receiver() as made, httpx.AsyncClient(transport=CheckedTransport(httpx.Limits())) as http:
        resolve(lambda _: ["127.0.0.2", "127.0.0.1"])
        await post(http, made.url.replace("127.0.0.1", "two.example"), {}, b"{}", 5)
        assert len(made.requests) == 1


async def test_a_name_that_cannot_be_resolved_is_no_connection(
    resolve: Resolve,
) -> None:
    def unknown(_: str) -> list[str]:
        raise socket.gaierror

    resolve(unknown)
    async with httpx.AsyncClient(transport=CheckedTransport(httpx.Limits())) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("http://nowhere.example/")


@pytest.mark.parametrize(
    ("variable", "is_checked"),
    [(None, True), ("NO_PROXY", True), ("HTTP_PROXY", False), ("https_proxy", False), ("ALL_PROXY", False)],
)
def test_a_proxy_alone_takes_the_place_of_checked_connections(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, is_checked: bool
) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    if variable:
        monkeypatch.setenv(variable, "http://127.0.0.1:3128")
    assert isinstance(checked_unless_proxied(httpx.Limits()), CheckedTransport) == is_checked
