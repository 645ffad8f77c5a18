"""A real HTTP receiver and a real mail server on loopback, which behave as a test tells them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import NamedTuple

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[], Awaitable[web.StreamResponse]]


class Receiver:
    """HTTP server that keeps what is posted."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.behave: Behaviour = self.accept
        self.stopped = asyncio.Event()

    def ids(self, header: str = "Idempotency-Key") -> list[str]:
        """Return the ids of the requests, by which a gateway knows a repetition."""
        return [request.headers[header] for request in self.requests]

    async def accept(self) -> web.StreamResponse:
        return web.json_response({"ok": True}, status=202)

    async def welcome(self) -> web.StreamResponse:
        """Answer as group robots do, which know no other status than 200."""
        return web.json_response({"code": 0, "errcode": 0})

    async def refuse(self) -> web.StreamResponse:
        return web.json_response({"error": "13800138000 is not served"}, status=500)

    async def hang(self) -> web.StreamResponse:
        await self.stopped.wait()
        return web.Response()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(Received(request.path_qs, dict(request.headers), body))
        return await self.behave()


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of its own, over TLS if it is given some."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield made
    finally:
        made.stopped.set()
        await runner.cleanup()


class MailServer:
    """Mail server that keeps the mails; it refuses the next `refusing` ones."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.refusing = 0
        self.connected = asyncio.Event()

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusing:
            self.refusing -= 1
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """Run a mail server on a port of its own."""
    made = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(made, loop=loop), LOOPBACK, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def silent_mail_server() -> AsyncIterator[MailServer]:
    """Run a mail server that accepts connections and never answers."""
    made, over = MailServer(), asyncio.Event()

    async def never_greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connected.set()
        await over.wait()
        writer.close()

    async with await asyncio.start_server(never_greet, LOOPBACK, 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            over.set()
