"""Proxy before the embedded Temporal UI, which would answer to any name in `Host` and so to any web page.

It adds the pages of `ui_pages`. `hotline up` runs it as `python -m hotline.local.ui_proxy ADDRESS`, with the address at
which the UI listens.
"""

import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware import HostCheck
from api.same_origin import READING, is_from_another_site
from domain.catalogue.catalogue import Catalogue
from hotline import entry, process
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.local import ui_pages
from hotline.local.service import LOOPBACK
from hotline.settings import Settings, hosts_of

HEAD_BYTES = 1_000_000
"""Largest head of a request: the UI asks for the details of a case at `/render?content=`, 9 bytes for each Chinese
character and 12 for some. It itself takes 1 MiB."""
GRACE_SECONDS = 1
"""Seconds for open requests at shutdown: pages of the UI hold one that waits for news."""
_OF_ONE_CONNECTION = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
"""Headers about the connection itself, which are not passed on."""


def create_app(ui: str, hosts: Collection[str], catalogue: Callable[[], Catalogue]) -> Starlette:
    """Return the application that answers to these hosts with what the UI at this address answers.

    `catalogue` returns the catalogue in force, for the pages that the proxy adds.
    """
    # The transport alone: a client would add headers, and share cookies between browsers.
    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with transport:
            yield

    return Starlette(
        routes=[*ui_pages.routes(ui, transport, catalogue), Mount("/", UiProxy(ui, transport))],
        lifespan=lifespan,
        middleware=[Middleware(HostCheck, hosts=hosts), Middleware(OriginCheck)],
    )


class OriginCheck:
    """Refusal of what a page of another site sends to be done: it needs no answer to do harm."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] not in READING and is_from_another_site(Headers(scope=scope)):
            refusal = PlainTextResponse("Only pages of the Temporal UI itself may send this.", HTTPStatus.FORBIDDEN)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class UiProxy:
    """Application that passes each request on as it is, and the answer back while it comes."""

    def __init__(self, ui: str, transport: httpx.AsyncBaseTransport) -> None:
        self._ui = ui
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            answer = await self._transport.handle_async_request(self._request(Request(scope, receive)))
        except httpx.TransportError as error:
            away = f"The Temporal UI does not answer ({error!r}); `hotline up` starts it again if it has ended."
            await PlainTextResponse(away, HTTPStatus.SERVICE_UNAVAILABLE)(scope, receive, send)
            return
        try:
            response = StreamingResponse(answer.aiter_raw(), answer.status_code)
            response.raw_headers = _passed_on(answer.headers.raw)
            await response(scope, receive, send)
        finally:
            await answer.aclose()

    def _request(self, request: Request) -> httpx.Request:
        query = request.scope["query_string"]
        # As it was sent: decoded, an id with a slash in it would be another path.
        target = request.scope["raw_path"] + (b"?" + query if query else b"")
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        return httpx.Request(
            request.method,
            self._ui,
            headers=_passed_on(request.headers.raw),
            content=request.stream() if has_body else None,
            extensions={"target": target},
        )


def _passed_on(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in _OF_ONE_CONNECTION]


async def serve(ui: str, settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT."""
    in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    app = create_app(ui, hosts_of(settings), lambda: in_force.catalogue)
    await uvicorn.Server(server_config(app, settings)).serve()


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how the proxy is served."""
    return uvicorn.Config(
        app,
        host=LOOPBACK,
        port=settings.ui_port,
        # httptools takes no address beyond 64 KiB.
        http="h11",
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main() -> None:
    """Start the proxy with the settings of the environment and the UI's address of the command line."""
    process.run(partial(serve, sys.argv[1]))


if __name__ == "__main__":
    entry.run_main(main)
