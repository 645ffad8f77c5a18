"""Middleware of every request, as plain ASGI: metrics, a limit of the body, and a problem for every fault.

Each layer is a function of the application below it, as Starlette's `Middleware` takes it.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from http import HTTPStatus

from asgi_correlation_id import correlation_id
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge.problems import BAD_REQUEST, INTERNAL, ProblemError, declare

log = logging.getLogger("hotline.api")

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. An action takes some 10 ms; 2.5 s is the wait for SQL; 10 s is the promise to answer at all."""
LEVELS = {"ready": 2, "degraded": 1, "unavailable": 0}
"""Value of `hotline_readiness` for each status."""


class Metrics:
    """Metrics of one application. `calendar_days_left` returns the days for which the holidays are still known."""

    def __init__(self, calendar_days_left: Callable[[], float]) -> None:
        self._registry = of = CollectorRegistry()
        answered = "Requests answered, by route, method and status."
        self._requests = Counter("hotline_http_requests", answered, ["route", "method", "status"], registry=of)
        took, name = "From the request's head to the end of the answer.", "hotline_http_request_duration_seconds"
        self._seconds = Histogram(name, took, ["route", "method"], buckets=BUCKETS, registry=of)
        self._accepted = Counter("hotline_accepted_unseen", "Answers 202: durable, and not in SQL yet.", registry=of)
        self._writes = Counter("hotline_sql_writes", "Batches given to SQL, by outcome.", ["outcome"], registry=of)
        for outcome in ("committed", "left_to_case"):
            self._writes.labels(outcome)
        left = Gauge("hotline_calendar_days_left", "Days until the known holidays end.", registry=of)
        left.set_function(calendar_days_left)
        levels = "2: ready, 1: degraded, 0: unavailable, no call can be taken."
        self._readiness = Gauge("hotline_readiness", levels, registry=of)
        self._parts = Gauge("hotline_part_ok", "1: the part of /readyz is ok, 0: it is not.", ["part"], registry=of)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)
        if status == HTTPStatus.ACCEPTED:
            self._accepted.inc()

    def wrote(self, *, committed: bool) -> None:
        """Count a batch that was committed, or that its case is to publish."""
        self._writes.labels("committed" if committed else "left_to_case").inc()

    def checked(self, status: str, parts: Mapping[str, bool]) -> None:
        self._readiness.set(LEVELS[status])
        for part, ok in parts.items():
            self._parts.labels(part).set(ok)

    def text(self) -> bytes:
        return generate_latest(self._registry)


HEAD_TOO_LARGE = declare("head-too-large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request head too large")
BODY_TOO_LARGE = declare("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request body too large")
TOO_SLOW = declare("request-timeout", HTTPStatus.REQUEST_TIMEOUT, "Request body too slow")
WRONG_HOST = declare("wrong-host", HTTPStatus.MISDIRECTED_REQUEST, "Not the address of this service")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Ids that a client may give its requests: a log can carry them as they are."""
Serving = Callable[[], AbstractContextManager[None]]
"""Makes the context in which a request is served."""
_HOST = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(:(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65535
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer: it holds personal data, is what it says it is, and must stay out of caches and other sites."""


def watch(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Outermost layer: metrics of every request, and an answer to every fault."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                own = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(field for field in SECURITY_HEADERS if field[0] not in own)]
            await send(message)

        try:
            await app(scope, receive, sent)
        except Exception:
            request_id = correlation_id.get()
            log.exception("request %s failed", request_id)
            if status:
                raise
            detail = f"The log describes the error under the request id {request_id}."
            await ProblemError(INTERNAL, detail, request_id=request_id).response()(scope, receive, sent)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            # The template of the route: case numbers must not become labels.
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.answered(route, method, status, time.perf_counter() - began)

    return served


def check_host(app: ASGIApp, hosts: Collection[str]) -> ASGIApp:
    """Return a layer that answers to these names alone: a site whose name leads here (DNS rebinding) reads nothing."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).getlist("host") if scope["type"] == "http" else []
        answer = app
        if scope.get("http_version") == "1.1" and not given:
            detail = "HTTP/1.1 needs the header Host, with the name of the service."
            answer = ProblemError(BAD_REQUEST, detail).response()
        elif not all(_name_in(host) in hosts for host in given):
            detail = (
                "The service does not answer to what `Host` names. Its operator may add names: HOTLINE_ALLOWED_HOSTS."
            )
            answer = ProblemError(WRONG_HOST, detail, accepted=sorted(hosts)).response()
        await answer(scope, receive, send)

    return served


def _name_in(host: str) -> str | None:
    """In lower case and without the port; None if the header has no such form."""
    form = _HOST.fullmatch(host)
    if form is None or int(form["port"] or 0) > _LAST_PORT:
        return None
    return (form["name"] or form["v6"]).lower()


def hold_serving_lock(app: ASGIApp, serving: Serving) -> ASGIApp:
    """Return a layer with a context around the answer to each POST: work on many cases then steps aside.

    It begins when the body is there, as a slow sender must not hold up other work.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "POST":
            await app(scope, receive, send)
            return
        with ExitStack() as answering:

            async def received() -> Message:
                message = await receive()
                if not message.get("more_body"):
                    answering.enter_context(serving())
                return message

            await app(scope, received, send)

    return served


def limit_body(app: ASGIApp, limit: int, larger: Mapping[str, int], seconds: float) -> ASGIApp:
    """Return a layer that limits the bytes of a body, also if its length was not announced, and the seconds it takes.

    `larger` has the paths whose bodies may be larger than `limit`.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await app(scope, receive, send)
            return
        most = max(limit, larger.get(scope["path"], 0))
        if int(Headers(scope=scope).get("content-length", 0)) > most:
            await too_large(f"{most} 字节", f"{most} bytes").response()(scope, receive, send)
            return
        read = 0
        late_at: float | None = asyncio.get_running_loop().time() + seconds

        async def bounded() -> Message:
            nonlocal read, late_at
            try:
                async with asyncio.timeout_at(late_at):
                    message = await receive()
            except TimeoutError:
                detail = f"The body has not arrived within {seconds:g} s; nothing was done."
                raise ProblemError(TOO_SLOW, detail) from None
            read += len(message.get("body", b""))
            if read > most:
                raise too_large(f"{most} 字节", f"{most} bytes")
            if not message.get("more_body"):
                late_at = None
            return message

        await app(scope, bounded, send)

    return served


def too_large(most_zh: str, most: str) -> ProblemError:
    """`most_zh` and `most` are a number with its noun."""
    accepted = [(f"不超过 {most_zh}", f"{most} at most")]
    return ProblemError(BODY_TOO_LARGE, f"The body may have {most} at most.", accepted=accepted)
