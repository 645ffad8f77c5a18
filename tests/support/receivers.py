"""The edge of the company: a real HTTP receiver and a real mail server on loopback, which behave as they are told."""

import asyncio
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
    """Takes what is posted. `ids` are those of a gateway that knows idempotency keys: each message once."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.behave: Behaviour = self.accept
        self.stopped = asyncio.Event()

    def ids(self, header: str = "Idempotency-Key") -> list[str]:
        return [request.headers[header] for request in self.requests]

    async def accept(self) -> web.StreamResponse:
        return web.json_response({"ok": True}, status=202)

    async def welcome(self) -> web.StreamResponse:
        """What the robots of groups answer: they know no other status than 200."""
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
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver at a port of its own."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        made.stopped.set()
        await runner.cleanup()


class MailServer:
    """Keeps the mails that it takes; `refusing` as many as it is told to."""

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
    """A mail server at a port of its own."""
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
    """One that takes connections and says nothing on them until it is over."""
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
