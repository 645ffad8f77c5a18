"""Proxy of the Temporal UI: decides on every request under `/temporal` before the UI's server gets it."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.complaints.cases import Cases
from api.edge.browsers import READING, require_same_origin, source
from api.edge.limits import TOO_MANY_REQUESTS, KeyedLocks, Limits
from api.edge.problems import ProblemError, declare
from api.routing import CurrentCatalogue
from api.sign_in.security import WRONG_SCOPE
from api.sign_in.sessions import Session, Sessions, takes_pages
from api.temporal_ui.acting import act
from api.temporal_ui.dangerous import GRANT, DangerousRequests, flags
from api.temporal_ui.pages import not_shown
from api.temporal_ui.reading import SETTINGS, admit, answer_codec
from api.temporal_ui.rules import NOT_ALLOWED, UI_PATH, Match, RequestKind, refused, rule_of, shown

RENDER = f"{UI_PATH}/render"
"""Page of a text, which the UI shows in a frame: `?content=` holds the details of a case."""
UI_AWAY = declare("temporal-ui-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Temporal UI unavailable")
TO_UI = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "if-modified-since", "x-csrf-token"})
"""Headers that the UI's server gets. Others could hold a key of the API, or become metadata for Temporal."""
FROM_UI = frozenset({"content-type", "content-length", "content-encoding", "last-modified", "vary"})
"""Headers that are taken of its answers."""
CONNECTIONS = 100
"""Most connections to it. A process keeps 200 files beside those of its own clients."""
_TOKEN = re.compile(r"_csrf=([A-Za-z0-9_-]{1,200})(?:;|$)")
_TIMEOUTS = {"connect": 5.0, "read": 90.0, "write": 30.0, "pool": 5.0}
"""Seconds, `pool` for a free connection. The server holds a question for news of a history for up to a minute."""
WAITING, WAITING_IN_ALL = 10, 80
"""Histories of which one person, and all of this process, wait for news at the same time: a page of a case for each."""


class UiServer:
    """Server of the Temporal UI at an address, empty if there is none, and bounds of what each person asks it."""

    def __init__(self, address: str | None, locks: KeyedLocks) -> None:
        self.address = address or ""
        self._locks = locks
        self._waiting = Counter[str]()
        # The transport alone: a client would add headers, and share cookies between people.
        self._transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=CONNECTIONS))

    @asynccontextmanager
    async def asked(self, request: Request, query: bytes, body: bytes) -> AsyncIterator[httpx.Response]:
        """Send the request with this query and body; yield the answer while it comes.

        Raises ProblemError if the server does not answer, or sends the browser to another site.
        """
        # As bytes: httpx encodes text as ASCII, and a browser may send more.
        headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") in TO_UI]
        if token := token_in(request.headers.get("cookie", "")):
            headers.append((b"cookie", f"_csrf={token}".encode()))
        path: bytes = request.scope["raw_path"]
        if path == RENDER.encode():
            # Where the server has it: its route has the public path, which is cut off of what is asked.
            path = UI_PATH.encode() + path
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
            leads_to = answer.headers.get("location", UI_PATH)
            if not leads_to.startswith(f"{UI_PATH}/") and leads_to != UI_PATH:
                detail = "The Temporal UI leads elsewhere: its own sign-in must be off, and its public path /temporal."
                raise ProblemError(UI_AWAY, detail)
            yield answer
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Close the connections; requests that wait are answered 503."""
        await self._transport.aclose()

    @asynccontextmanager
    async def place(self, request: Request, person: str, match: Match, query: bytes) -> AsyncIterator[None]:
        """Hold a place of the person in this context: texts are drawn one by one, and few histories wait for news.

        Raises ClientDisconnect, or ProblemError if the person waits for too many histories, or too long for a text.
        """
        async with AsyncExitStack() as taken:
            if request.method in READING:
                await taken.enter_async_context(_while_connected(request))
            if match.kind is RequestKind.RENDER:
                await taken.enter_async_context(self._locks.hold("render", person))
            if b"waitNewEvent=" in query:
                if self._waiting[person] >= WAITING or self._waiting.total() >= WAITING_IN_ALL:
                    most = (
                        f"{WAITING} histories of one person and {WAITING_IN_ALL} in all wait for news at the same time"
                    )
                    detail = f"At most {most}: close pages of cases, or reload them by hand. 请关闭部分工单页面。"
                    raise ProblemError(TOO_MANY_REQUESTS, detail, headers={"Retry-After": "60"})
                self._waiting[person] += 1
                taken.callback(self._waiting.subtract, [person])
            yield


def token_in(cookies: str) -> str | None:
    """Token against forged requests that these cookies hold, which the UI's server demands of every POST."""
    found = _TOKEN.search(cookies)
    return found[1] if found else None


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


FORMER_PAGES = b"/ui/"
"""Path below which the pages beside the UI were, at a port of their own: they stand at the root now."""
NO_UI = declare("no-temporal-ui", HTTPStatus.NOT_FOUND, "No Temporal UI")
SCRIPTS = f"{UI_PATH}/_app/immutable/"
FOR_EVER = "private, max-age=31536000, immutable"
"""Of scripts and styles, whose names change with their content."""
FRAME = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
"""Policy of the page of a text: it may be shown in a frame of the UI, and open links, and no more."""
PAGE = (
    "default-src 'self'; script-src 'self'{}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Policy of a page of the UI, with the digests of the scripts that stand in it."""
_UNCOUNTED = frozenset({RequestKind.ASSET, RequestKind.PAGE})
"""Kinds without data. A page of the UI loads some twenty of its 365 scripts."""
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def redirect_former_port(app: ASGIApp, port: int, api: str) -> ASGIApp:
    """Redirect to the address `api` what is asked of the port in people's bookmarks."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        answer = app
        if scope["type"] == "http" and scope["server"][1] == port:
            path, query = scope["raw_path"], scope["query_string"]
            target = path[len(FORMER_PAGES) - 1 :] if path.startswith(FORMER_PAGES) else UI_PATH.encode() + path
            # As it was sent: decoded, an id with a slash in it would be another path.
            answer = response = Response(status_code=HTTPStatus.TEMPORARY_REDIRECT)
            response.raw_headers.append((b"location", api.encode() + target + (b"?" + query if query else b"")))
        await answer(scope, receive, send)

    return served


@dataclass(eq=False)
class UiProxy:
    """Application under `/temporal`, before the UI's server."""

    path: ClassVar[str] = UI_PATH

    ui: UiServer
    cases: Cases
    sessions: Sessions
    limits: Limits
    in_force: CurrentCatalogue
    dangerous: DangerousRequests
    locks: KeyedLocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # For metrics: no path or query becomes a label.
        scope["route"] = self
        async with AsyncExitStack() as open_answers:
            open_answers.enter_context(suppress(ClientDisconnect))
            response = await self._answer(Request(scope, receive), open_answers)
            await response(scope, receive, send)

    async def _answer(self, request: Request, open_answers: AsyncExitStack) -> Response:
        if not self.ui.address:
            raise ProblemError(NO_UI, "No Temporal UI is set: HOTLINE_TEMPORAL_UI_URL is its address.")
        session = self.sessions.open(request)
        if session is None:
            return self.sessions.sign_in_page(request)
        try:
            return await self._let_through(request, session, self._matched(request, session), open_answers)
        except ProblemError as refusal:
            if takes_pages(request) and refusal.problem.status != HTTPStatus.NOT_FOUND:
                return not_shown(refusal)
            return shown(refusal)

    def _matched(self, request: Request, session: Session) -> Match:
        """Find the rule of a request, and count it. Raises ProblemError if there is none, or too many came."""
        require_same_origin(request, secure=self.sessions.secure)
        match = rule_of(request.method, request.scope["raw_path"])
        if match is None or match.kind not in _UNCOUNTED:
            limit = self.limits.ui_payloads if match and match.kind is RequestKind.CODEC else self.limits.ui_requests
            limit.take(f"person {session.actor.id}")
        if match is None:
            raise refused(request.method)
        if match.kind is RequestKind.RENDER and request.headers.get("sec-fetch-site") != "same-origin":
            raise ProblemError(NOT_ALLOWED, "Only a page of the Temporal UI shows this. 仅在 Temporal UI 页面内显示。")
        if match.kind is RequestKind.UPDATE and session.scope == "read":
            raise ProblemError(WRONG_SCOPE, "Your key is for reading alone. 此密钥仅限查阅。")
        return match

    async def _let_through(
        self, request: Request, session: Session, match: Match, open_answers: AsyncExitStack
    ) -> Response:
        """Answer a request that has a rule. Raises ProblemError."""
        # There the UI goes after a refusal that it has no place to show.
        if match.kind is RequestKind.LOGIN and self.dangerous.confirmation(request, session):
            return RedirectResponse(GRANT, HTTPStatus.SEE_OTHER)
        query = await admit(self.cases, session.actor, match, request.scope["query_string"])
        if match.kind is RequestKind.UPDATE and match.workflow_id:
            return await act(self.in_force.catalogue, request, session.actor, match.workflow_id, match.ids["name"])
        body = b"" if request.method in READING else await request.body()
        decided: Response | tuple[bytes, bytes] = query, body
        if match.kind is RequestKind.DANGEROUS:
            decided = await self.dangerous.confirm(request, session, match)
        elif match.kind is RequestKind.CODEC:
            # Large ones take a thread a second: many at once would hold up the requests of others.
            async with self.locks.hold("codec", session.actor.id):
                decided = await answer_codec(self.cases, session.actor, match.rule.does, body)
        if isinstance(decided, Response):
            return decided
        query, body = decided
        async with self.ui.place(request, session.actor.id, match, query):
            answer = await open_answers.enter_async_context(self.ui.asked(request, query, body))
        if self.sessions.open(request) is None:  # it ended while the UI's server waited for news
            return self.sessions.sign_in_page(request)
        if match.kind is RequestKind.SETTINGS and answer.is_success:
            return JSONResponse({**flags(json.loads(await answer.aread()), session), "Codec": SETTINGS})
        return await _passed_on(request, match, answer, secure=self.sessions.secure)


async def _passed_on(request: Request, match: Match, answer: httpx.Response, *, secure: bool) -> Response:
    """Send the answer of the UI's server under our own policy, and without cookies but its token."""
    response: Response
    policy = PAGE.format("")
    if answer.headers.get("content-type", "").startswith("text/html"):
        html = await answer.aread()
        response = Response(html, answer.status_code, media_type="text/html")
        policy = FRAME if match.kind is RequestKind.RENDER else PAGE.format("".join(map(source, _SCRIPT.findall(html))))
    else:
        response = StreamingResponse(answer.aiter_raw(), answer.status_code)
        named = [(name.lower(), value) for name, value in answer.headers.raw]  # as ASGI wants them
        response.raw_headers = [field for field in named if field[0].decode() in FROM_UI]
    response.headers["Content-Security-Policy"] = policy
    if "location" in answer.headers:
        response.headers["Location"] = answer.headers["location"]
    if match.kind is RequestKind.RENDER:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
    if match.kind is RequestKind.ASSET:
        if request.url.path.startswith(SCRIPTS) and answer.is_success:
            response.headers["Cache-Control"] = FOR_EVER
    elif token := token_in(answer.headers.get("set-cookie", "")):
        ending = "; Secure" if secure else ""
        response.headers["Set-Cookie"] = f"_csrf={token}; Path={UI_PATH}; SameSite=Strict{ending}"
    return response
