"""Main of the API process: `python -m api`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from socket import create_server, socket
from typing import Any

import uvicorn
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from api.app import Backend, create_app
from api.edge.connections import ConnectionBounds, bounded_protocol
from api.exports.files import remove_left_rows
from api.temporal_ui.proxy import redirect_former_port
from hotline import entry, process
from hotline.installation import require_own, until_compared
from hotline.keys import renew_repeatedly, ring_of
from hotline.settings import Settings, require_encryption
from hotline.temporal.connection import connect

PROGRAM = "api"
"""Name under which SQL has the keys of this process."""
GRACE_SECONDS = 12
"""Seconds for open requests at shutdown, longer than any of them may take."""


async def serve(settings: Settings, address: str | None = None) -> None:
    """Answer until SIGTERM or SIGINT, then end open requests.

    `address` is that of the API, to which requests at HOTLINE_UI_PORT are redirected; None leaves that port closed.
    """
    require_encryption(settings)
    remove_left_rows()
    client = await connect(settings, lazy=True)
    await require_own(client, settings, PROGRAM)
    backend = Backend(settings, client)
    app = create_app(backend)
    server = _Server(server_config(app, settings))
    server.end_waiting = backend.end_waiting
    if address:
        app.user_middleware.append(Middleware(redirect_former_port, port=settings.ui_port, api=address))
        server.further_port = settings.ui_port

    async def watch_stores() -> None:
        try:
            # A store that does not answer yet is compared when it does.
            await asyncio.gather(
                until_compared(client, settings), renew_repeatedly(backend.direct.engine, ring_of(settings), PROGRAM)
            )
        finally:
            server.should_exit = True

    watching = asyncio.create_task(watch_stores())
    await server.serve()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


class _Server(uvicorn.Server):
    """Server that ends the answers that wait for news, some without end, before it waits for open requests.

    It answers without TLS at a further port of this machine too, if there is one.
    """

    end_waiting: Callable[[], Awaitable[None]]
    further_port: int | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen. Raises OSError, before anything has begun, if the further port is taken."""
        bound = create_server(("127.0.0.1", self.further_port)) if self.further_port else None
        await super().startup(sockets)
        if bound:
            # Typed as a class without its constructor.
            protocol: Any = self.config.http_protocol_class
            connection = partial(protocol, self.config, self.server_state, self.lifespan.state)
            self.servers.append(await asyncio.get_running_loop().create_server(connection, sock=bound))

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await self.end_waiting()
        await super().shutdown(sockets)


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    bounds = ConnectionBounds(settings.request_seconds, settings.connections, settings.connections_per_address)
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=bounded_protocol(bounds),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # An address that a client names itself would escape the limit of wrong keys.
        proxy_headers=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        headers=[("strict-transport-security", "max-age=31536000")] if settings.tls_certificate else [],
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main(address: str | None = None) -> None:
    """Start the API with the settings of the environment. `hotline up` gives its address: see `serve`."""
    process.run(partial(serve, address=address))


if __name__ == "__main__":
    entry.run_main(partial(main, *sys.argv[1:]))
