"""Proxy of the Temporal UI before a stand-in for the UI's server, which shows what reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from tests.support.api import Api, Clock, further_api, served


@dataclass
class Ui:
    """Stands in for the UI's server: it keeps what it is sent, and its answer pauses in the middle."""

    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Response | None = None
    left: int = 0
    """Requests whose sender left before the answer."""

    def __post_init__(self) -> None:
        self.answers.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode() + (f"?{query}" if query else "")
        self.asked.append((request.method, target, await request.body(), dict(request.headers)))
        waits = [asyncio.ensure_future(self.answers.wait()), asyncio.ensure_future(receive())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not self.answers.is_set():
            self.left += 1
            return
        response = self.answer or StreamingResponse(self._halves(), 201)
        headers = MutableHeaders(raw=response.raw_headers)
        headers.append("Set-Cookie", "hotline=forged; Path=/")
        headers.append("Set-Cookie", "_csrf=a1b2; Path=/; SameSite=Strict")
        await response(scope, receive, send)

    async def _halves(self) -> AsyncIterator[bytes]:
        yield b"first"
        await self.goes_on.wait()
        yield b"last"


@dataclass
class Behind:
    """API before a stand-in for the UI's server."""

    api: Api
    ui: Ui

    async def ask(self, path: str, by: str | None = "chief", method: str = "GET", **more: Any) -> httpx.Response:
        """Send what the browser of somebody sends; None has not signed in."""
        headers = {**(self.api.session(by) if by else {}), **more.pop("headers", {})}
        return await self.api.http.request(method, path, headers=headers, **more)


@asynccontextmanager
async def ui_proxy(made: Api, clock: Clock | None = None, **changes: Any) -> AsyncIterator[Behind]:
    """Yield a further API on the databases of one, before a UI of its own."""
    ui = Ui()
    async with (
        served(Starlette(routes=[Mount("/", ui)])) as address,
        further_api(made, clock or made.clock, temporal_ui_url=address, **changes) as api,
    ):
        yield Behind(api, ui)
