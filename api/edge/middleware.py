"""Middleware of every request, as plain ASGI: metrics, a limit of the body, and a problem for every fault."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from http import HTTPStatus

from asgi_correlation_id import correlation_id
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge.metrics import Metrics
from api.edge.problems import BAD_REQUEST, INTERNAL, ProblemError, declare

log = logging.getLogger("hotline.api")

HEAD_TOO_LARGE = declare("head-too-large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request head too large")
BODY_TOO_LARGE = declare("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request body too large")
TOO_SLOW = declare("request-timeout", HTTPStatus.REQUEST_TIMEOUT, "Request body too slow")
WRONG_HOST = declare("wrong-host", HTTPStatus.MISDIRECTED_REQUEST, "Not the address of this service")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Ids that a client may give its requests: a log can carry them as they are."""
Serving = Callable[[], AbstractContextManager[None]]
"""Makes the context in which a request is served."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer: it holds personal data, is what it says it is, and must stay out of caches and other sites."""


class Watch:
    """Outermost layer: metrics of every request, and an answer to every fault."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                own = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(field for field in HEADERS if field[0] not in own)]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            request_id = correlation_id.get()
            log.exception("request %s failed", request_id)
            if status:
                raise
            problem = ProblemError(
                INTERNAL, f"The log describes the error under the request id {request_id}.", request_id=request_id
            )
            await problem.response()(scope, receive, watched)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            # The template of the route: case numbers must not become labels.
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.answered(route, method, status, time.perf_counter() - began)


class HostCheck:
    """Answers to requests for these names alone: a site whose name leads here (DNS rebinding) reads nothing."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        given = Headers(scope=scope).getlist("host") if scope["type"] == "http" else []
        if scope.get("http_version") == "1.1" and not given:
            detail = "HTTP/1.1 needs the header Host, with the name of the service."
            await ProblemError(BAD_REQUEST, detail).response()(scope, receive, send)
            return
        if all(_name_in(host) in self._hosts for host in given):
            await self._app(scope, receive, send)
            return
        detail = "The service does not answer to what `Host` names. Its operator may add names: HOTLINE_ALLOWED_HOSTS."
        problem = ProblemError(WRONG_HOST, detail, accepted=sorted(self._hosts))
        await problem.response()(scope, receive, send)


def _name_in(host: str) -> str | None:
    """Return the name in a header `Host`, in lower case and without the port; None if it has no such form."""
    form = _HOST.fullmatch(host)
    if form is None or int(form["port"] or 0) > LAST_PORT:
        return None
    return (form["name"] or form["v6"]).lower()


_HOST = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(:(?P<port>[0-9]{1,5}))?")
LAST_PORT = 65535


class PeopleServed:
    """Context around the answer to each request that may change something: work on many cases then steps aside.

    It begins when the body is there, as a slow sender must not hold up other work.
    """

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        self._app = app
        self._serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        with ExitStack() as answering:

            async def received() -> Message:
                message = await receive()
                if not message.get("more_body"):
                    answering.enter_context(self._serving())
                return message

            await self._app(scope, received, send)


class BodyLimit:
    """Limit of the bytes that are read of a body, also if its length was not announced, and of the seconds it takes.

    `larger` has the paths whose bodies may be larger than `limit`.
    """

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int], seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        limit = max(self._limit, self._larger.get(scope["path"], 0))
        if int(Headers(scope=scope).get("content-length", 0)) > limit:
            await _too_large(limit).response()(scope, receive, send)
            return
        read = 0
        late_at: float | None = asyncio.get_running_loop().time() + self._seconds

        async def bounded() -> Message:
            nonlocal read, late_at
            try:
                async with asyncio.timeout_at(late_at):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            read += len(message.get("body", b""))
            if read > limit:
                raise _too_large(limit)
            if not message.get("more_body"):
                late_at = None
            return message

        await self._app(scope, bounded, send)

    def _too_slow(self) -> ProblemError:
        return ProblemError(TOO_SLOW, f"The body has not arrived within {self._seconds:g} s; nothing was done.")


def _too_large(limit: int) -> ProblemError:
    most = f"{limit} bytes at most"
    return ProblemError(BODY_TOO_LARGE, f"The body may have {most}.", accepted=[most])
