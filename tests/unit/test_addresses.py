"""Addresses that nothing is sent to, however they are written, and wherever names lead."""

import os
import socket
import ssl
from collections.abc import Callable
from itertools import chain, product, repeat
from typing import Any

import httpx
import pytest

from activities.notifications.channels.base import (
    CheckedTransport,
    ForbiddenAddressError,
    check_literal,
    check_resolved,
    checked_client,
    post,
)
from api.edge.problems import ProblemError
from api.sign_in.tokens import Issuer
from tests.support.issuer import DISCOVERY, KEYS, running_issuer
from tests.support.proxy import forward_proxy
from tests.support.receivers import receiver
from tests.support.tls import CERTIFICATE, TLS_KEY

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


@pytest.fixture
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def served_over_tls() -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(CERTIFICATE, TLS_KEY)
    return made


def changes_after(lookups: int) -> Callable[[str], list[str]]:
    """Name that leads to the loopback so many times, and then to a forbidden address that reaches the loopback too."""
    answers = chain(repeat(["127.0.0.1"], lookups), repeat(["0.0.0.0"]))  # noqa: S104 - refused
    return lambda _: next(answers)


@pytest.mark.parametrize(
    ("scheme", "environment"),
    [
        ("http", {"HTTP_PROXY": "{proxy}", "NO_PROXY": "rebind.example"}),
        ("https", {"ALL_PROXY": "{proxy}", "NO_PROXY": "localhost, .example"}),
        ("http", {"ALL_PROXY": "{proxy}", "no_proxy": "hotline.internal,*"}),
        ("https", {"HTTP_PROXY": "{proxy}"}),
        ("http", {"https_proxy": "{proxy}"}),
        ("http", {"NO_PROXY": "{proxy}"}),
    ],
)
@pytest.mark.usefixtures("without_proxies")
async def test_what_goes_past_a_proxy_is_checked(
    scheme: str,
    environment: dict[str, str],
    resolve: Resolve,
    monkeypatch: pytest.MonkeyPatch,
    served_over_tls: ssl.SSLContext,
) -> None:
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    async with forward_proxy() as proxy, receiver(served_over_tls if scheme == "https" else None) as made:
        for name, value in environment.items():
            monkeypatch.setenv(name, value.format(proxy=proxy.address))
        url = made.url.replace("127.0.0.1", "rebind.example")
        async with checked_client(blind) as http:
            resolve(changes_after(1))
            with pytest.raises(ForbiddenAddressError):
                await post(http, url, {}, b"{}", 5)
            assert made.requests == []
            resolve(changes_after(2))
            await post(http, url, {}, b"{}", 5)
        assert (len(made.requests), proxy.asked) == (1, [])


@pytest.mark.parametrize(
    ("variable", "value", "asked"),
    [
        ("HTTP_PROXY", "http://{proxy}", "POST {url}/hook"),
        ("all_proxy", "{proxy}", "POST {url}/hook"),
        ("HTTPS_PROXY", "{proxy}", "CONNECT {host}"),
    ],
)
@pytest.mark.usefixtures("without_proxies")
async def test_what_goes_through_a_proxy_arrives_there(
    variable: str,
    value: str,
    asked: str,
    resolve: Resolve,
    monkeypatch: pytest.MonkeyPatch,
    served_over_tls: ssl.SSLContext,
) -> None:
    """The name leads elsewhere here than for the proxy. The certificate is checked."""
    resolve(lambda _: ["10.1.2.3"])
    monkeypatch.setenv("NO_PROXY", "other.example,127.0.0.1,::1")
    is_tunnel = asked.startswith("CONNECT")
    async with forward_proxy() as proxy, receiver(served_over_tls if is_tunnel else None) as made:
        monkeypatch.setenv(variable, value.format(proxy=proxy.address))
        url = made.url.replace("127.0.0.1", "localhost" if is_tunnel else "far.example")
        async with checked_client(ssl.create_default_context(cafile=CERTIFICATE)) as http:
            await post(http, f"{url}/hook", {}, b"{}", 5)
        assert [request.path for request in made.requests] == ["/hook"]
        assert proxy.asked == [asked.format(url=url, host=url.removeprefix("https://"))]


@pytest.mark.parametrize("variables", ["", "http", "https", "all", "http https", "http https all"])
@pytest.mark.parametrize(
    "no_proxy",
    [
        *("", "*", "a.example,*", "example", "a.example", ".a.example", " A.example , ,10.1.2.3", "a.example:8080"),
        *("localhost", "10.1.2.3", "10.1.2.3/32", "::1", "::1,fd00::2", "http://a.example", "all://*.a.example:8080"),
    ],
)
@pytest.mark.usefixtures("without_proxies")
async def test_requests_take_the_proxies_that_httpx_takes(
    variables: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    for name in variables.split():
        monkeypatch.setenv(f"{name}_proxy", f"http://{name}.example:3128")
    tls = ssl.create_default_context()
    hosts = ("example", "a.example", "b.a.example", "ba.example", "localhost", "10.1.2.3", "[::1]", "[fd00::1]")
    async with httpx.AsyncClient(verify=tls) as usual, checked_client(tls) as checked:
        for scheme, host, port in product(("http", "https"), hosts, ("", ":8080")):
            url = httpx.URL(f"{scheme}://{host}{port}")
            expected, found = (client._transport_for_url(url) for client in (usual, checked))
            assert isinstance(found, CheckedTransport) == (expected is usual._transport), url
            assert proxy_of(found) == proxy_of(expected), url


def proxy_of(transport: httpx.AsyncBaseTransport) -> object:
    """None of a transport that connects directly."""
    return getattr(transport._pool, "_proxy_url", None)  # type: ignore[attr-defined]  # of the one class that is in use


@pytest.mark.usefixtures("without_proxies")
async def test_an_issuer_is_reached_at_checked_addresses_only(resolve: Resolve) -> None:
    """A reading looks its name up for the check, the connection, and the check of the keys' address."""
    async with running_issuer() as issuer:
        issuer.url = issuer.url.replace("127.0.0.1", "issuer.example")
        resolve(changes_after(1))
        with pytest.raises(ProblemError, match="issuer of access tokens does not answer"):
            await Issuer(issuer.url).key("first")
        assert not issuer.requests
        resolve(changes_after(3))
        read = Issuer(issuer.url)
        assert await read.key("first")
        resolve(changes_after(1))
        with pytest.raises(ProblemError, match="issuer of access tokens does not answer"):
            await read.exchange({"grant_type": "password", "username": "mei", "password": ""}, None)
        assert issuer.requests == {DISCOVERY: 1, KEYS: 1}
        resolve(changes_after(2))
        assert "error" in await read.exchange({"grant_type": "password", "username": "mei", "password": ""}, None)


@pytest.mark.usefixtures("without_proxies")
async def test_an_issuer_is_reached_through_a_proxy(resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(lambda _: ["10.1.2.3"])
    async with running_issuer() as issuer, forward_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        issuer.url = issuer.url.replace("127.0.0.1", "issuer.example")
        assert await Issuer(issuer.url).key("first")
        assert proxy.asked == [f"GET {issuer.url}/.well-known/openid-configuration"]
