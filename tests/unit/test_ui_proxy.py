"""Proxy before the Temporal UI: what it refuses, and that all else passes through it as it was sent."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from hotline.files.catalogue import load_catalogue
from hotline.local.service import hidden_address
from hotline.local.ui_proxy import HEAD_BYTES, create_app, server_config
from hotline.settings import Settings
from tests.support.api import served
from workflows.presentation.details.words import LONGEST_DETAILS, markdown

CATALOGUE = load_catalogue(Settings().catalogue)
ODD = "/api/v1/namespaces/default/workflows/a%2Fb%20%C3%A9/query//x?query=A%20%3D%20%22b%22&&q=?"


@dataclass
class Ui:
    """Stands in for the UI: it keeps what it is sent, and its answer pauses in the middle."""

    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        target = f"{scope['raw_path'].decode()}?{scope['query_string'].decode()}"
        self.asked.append((request.method, target, await request.body(), dict(request.headers)))
        response: Response = StreamingResponse(self._halves(), 201)
        if request.method != "GET":
            response = Response(gzip.compress(b"done"), 201, {"Content-Encoding": "gzip"})
        headers = MutableHeaders(raw=response.raw_headers)
        headers.append("Set-Cookie", "one=1")
        headers.append("Set-Cookie", "two=2")
        await response(scope, receive, send)

    async def _halves(self) -> AsyncIterator[bytes]:
        yield b"first"
        await self.goes_on.wait()
        yield b"last"


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Ui, httpx.AsyncClient]]:
    ui = Ui()
    async with (
        served(Starlette(routes=[Mount("/", ui)]), config=server_config) as address,
        served(create_app(address, {"127.0.0.1", "ui.example"}, lambda: CATALOGUE), config=server_config) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        yield ui, http


async def test_a_request_and_its_answer_pass_as_they_are() -> None:
    async with proxied() as (ui, http):
        sent = {"Host": "UI.example:8233", "X-Csrf-Token": "t", "Accept-Encoding": "gzip", "User-Agent": "browser"}
        request = http.build_request(
            "POST", "/", content=b"\x00body", headers=sent, extensions={"target": ODD.encode()}
        )
        answer = await http.send(request)
        again = await http.post("/again", content=halves())
    [(method, target, body, headers), (_, _, streamed, _)] = ui.asked
    assert (method, target, body) == ("POST", ODD, b"\x00body")
    assert {name: headers[name.lower()] for name in sent} == sent
    assert (answer.status_code, answer.headers["content-encoding"], answer.text) == (201, "gzip", "done")
    assert answer.headers.get_list("set-cookie") == ["one=1", "two=2"]
    assert (again.status_code, streamed) == (201, b"onetwo")


async def halves() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def test_an_answer_is_passed_on_while_it_comes() -> None:
    async with proxied() as (ui, http), http.stream("GET", "/") as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"first"
        ui.goes_on.set()
        assert await anext(parts) == b"last"


async def test_the_longest_details_of_a_case_pass_in_an_address() -> None:
    text = "水" * (LONGEST_DETAILS - 1)
    shown = markdown([text, text])
    assert len(shown) == LONGEST_DETAILS
    longest = f"/render?content={quote(shown, safe='')}&theme=dark"
    async with proxied() as (ui, http):
        ui.goes_on.set()
        # httpx refuses addresses of this length; a browser sends them.
        answer = await sent_as_it_is(http.base_url.host, http.base_url.port, longest)
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert ui.asked[0][1] == longest
        beyond = await sent_as_it_is(http.base_url.host, http.base_url.port, f"/{'a' * 2 * HEAD_BYTES}")
        assert beyond.startswith(b"HTTP/1.1 400 ")
        assert len(ui.asked) == 1


async def sent_as_it_is(host: str, port: int | None, address: str) -> bytes:
    """Return the first line of the answer to an address of any length."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {address} HTTP/1.1\r\nHost: ui.example\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return line


async def test_a_request_for_another_name_does_not_reach_the_ui() -> None:
    async with proxied() as (ui, http):
        for host in ("evil.example", "127.0.0.1.evil.example:80", "localhost.", "[", "127.0.0.2"):
            answer = await http.get("/api/v1/namespaces", headers={"Host": host})
            assert (answer.status_code, ui.asked) == (421, [])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_another_site_sends_does_not_reach_the_ui(method: str) -> None:
    async with proxied() as (ui, http):
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "http://ui.example.evil.example"},
            {"Origin": "http://ui.example:3000"},
            {"Origin": "null"},
            {"Origin": "http://ui.example", "Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            answer = await http.request(method, "/", headers={"Host": "ui.example"} | headers)
            assert (answer.status_code, ui.asked) == (403, []), headers


async def test_what_a_page_of_the_ui_or_a_program_sends_reaches_it() -> None:
    own: list[dict[str, str]] = [
        {},
        {"Origin": "http://ui.example"},
        {"Origin": "https://ui.example", "Sec-Fetch-Site": "same-origin"},
    ]
    async with proxied() as (ui, http):
        for headers in own:
            assert (await http.post("/", headers={"Host": "ui.example"} | headers)).text == "done"
    assert len(ui.asked) == len(own)


async def test_without_the_ui_the_proxy_says_so() -> None:
    host, port = hidden_address()
    async with (
        served(create_app(f"http://{host}:{port}", {"127.0.0.1"}, lambda: CATALOGUE)) as url,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        for path in ("/", "/ui/case/2608034711004"):
            answer = await http.get(f"{url}{path}")
            assert (answer.status_code, "does not answer" in answer.text) == (503, True)
