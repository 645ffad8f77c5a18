"""Server of the Temporal UI, as the door asks it: what goes to it, what comes, and how much each person asks."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from http import HTTPStatus

import httpx
from starlette.requests import ClientDisconnect, Request

from api.edge.browsers import READING
from api.edge.limits import TOO_MANY_REQUESTS, Turns
from api.edge.problems import ProblemError, declare
from api.temporal_ui.rules import PREFIX, Match, RequestKind

RENDER = f"{PREFIX}/render"
"""Page of a text, which the UI shows in a frame: `?content=` holds the details of a case."""
UI_AWAY = declare("temporal-ui-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Temporal UI unavailable")
ASKED = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "if-modified-since", "x-csrf-token"})
"""Headers that the UI's server gets. Others could hold a key of the API, or become metadata for Temporal."""
ANSWERED = frozenset({"content-type", "content-length", "content-encoding", "last-modified", "vary"})
"""Headers that are taken of its answers."""
CONNECTIONS = 100
"""Most connections to it. A process keeps 200 files beside those of its own clients."""
_TOKEN = re.compile(r"_csrf=([A-Za-z0-9_-]{1,200})(?:;|$)")
_TIMEOUTS = {"connect": 5.0, "read": 90.0, "write": 30.0, "pool": 5.0}
"""Seconds, `pool` for a free connection. The server holds a question for news of a history for up to a minute."""
WAITING, WAITING_IN_ALL = 10, 80
"""Histories of which one person, and all of this process, wait for news at the same time: a page of a case for each."""


class UiServer:
    """Server of the Temporal UI at an address; None if there is none."""

    def __init__(self, address: str | None) -> None:
        self.address = address or ""
        # The transport alone: a client would add headers, and share cookies between people.
        self._transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=CONNECTIONS))

    @asynccontextmanager
    async def asked(self, request: Request, query: bytes, body: bytes) -> AsyncIterator[httpx.Response]:
        """Send the request with this query and body; yield the answer while it comes.

        Raises ProblemError if the server does not answer, or sends the browser to another site.
        """
        # As bytes: httpx encodes text as ASCII, and a browser may send more.
        headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") in ASKED]
        if token := token_in(request.headers.get("cookie", "")):
            headers.append((b"cookie", f"_csrf={token}".encode()))
        path: bytes = request.scope["raw_path"]
        if path == RENDER.encode():
            # Where the server has it: its route has the public path, which is cut off of what is asked.
            path = PREFIX.encode() + path
        sent = httpx.Request(
            request.method,
            self.address,
            headers=headers,
            content=body or None,
            # As it was sent: decoded, an id with a slash in it would be another path. Longer than httpx takes.
            extensions={"target": path + (b"?" + query if query else b""), "timeout": _TIMEOUTS},
        )
        try:
            answer = await self._transport.handle_async_request(sent)
        except httpx.TransportError as error:
            raise ProblemError(UI_AWAY, f"The Temporal UI does not answer ({type(error).__name__}).") from error
        try:
            leads_to = answer.headers.get("location", PREFIX)
            if not leads_to.startswith(f"{PREFIX}/") and leads_to != PREFIX:
                detail = "The Temporal UI leads elsewhere: its own sign-in must be off, and its public path /temporal."
                raise ProblemError(UI_AWAY, detail)
            yield answer
        finally:
            await answer.aclose()

    async def close(self) -> None:
        await self._transport.aclose()


def token_in(cookies: str) -> str | None:
    """Return the token against forged requests that these cookies hold, which the UI's server demands of every POST."""
    found = _TOKEN.search(cookies)
    return found[1] if found else None


class Places:
    """Bounds of what each person asks: texts are drawn one after the other, and so many histories wait for news."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._waiting = Counter[str]()

    @asynccontextmanager
    async def asked(self, request: Request, person: str, match: Match, query: bytes) -> AsyncIterator[None]:
        """Ask the UI's server in this context.

        Raises ClientDisconnect, or ProblemError if the person waits for too many histories, or too long for a text.
        """
        async with AsyncExitStack() as taken:
            if request.method in READING:
                await taken.enter_async_context(_while_connected(request))
            if match.kind is RequestKind.RENDER:
                await taken.enter_async_context(self._turns.of("render", person))
            if b"waitNewEvent=" in query:
                taken.enter_context(self._place(person))
            yield

    @contextmanager
    def _place(self, person: str) -> Iterator[None]:
        if self._waiting[person] >= WAITING or self._waiting.total() >= WAITING_IN_ALL:
            most = f"{WAITING} histories of one person and {WAITING_IN_ALL} in all wait for news at the same time"
            detail = f"At most {most}: close pages of cases, or reload them by hand. 请关闭部分工单页面。"
            raise ProblemError(TOO_MANY_REQUESTS, detail, headers={"Retry-After": "60"})
        self._waiting[person] += 1
        try:
            yield
        finally:
            self._waiting[person] -= 1


@asynccontextmanager
async def _while_connected(request: Request) -> AsyncIterator[None]:
    """Cancel what this context does when the client hangs up, and raise ClientDisconnect."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        connected.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as connected:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        raise ClientDisconnect from None
