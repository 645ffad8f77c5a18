"""Requests that a page makes of the API in this process: limits, rights, names and checks are those of its routes."""

from collections.abc import Mapping

import httpx
from asgi_correlation_id import correlation_id
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from api.directory import ACTOR
from api.edge.middleware import REQUEST_ID
from api.edge.problems import IN_CHINESE
from api.sign_in.security import IDEMPOTENCY_KEY, request_key
from domain.shared.actors import Actor


async def get(request: Request, actor: Actor, path: str, query: str, language: str) -> httpx.Response:
    """Read as this person, as `post` sends."""
    address = str(request.base_url.replace(path=path, query=query))
    return await _send(request, actor, httpx.Request("GET", address, headers={"Accept-Language": language}))


async def post(
    request: Request, actor: Actor, path: str, body: bytes, key: str, more: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send JSON as this person, who has signed in; `request` is the page's own, and `key` that of the action.

    `more` are headers. The extension `IN_CHINESE` of the answer is the problem of a refusal in Chinese.
    """
    headers = {
        **(more or {}),
        "Content-Type": "application/json",
        # A header holds no Chinese: a digest stands for such a key.
        IDEMPOTENCY_KEY: key if key.isascii() else request_key(actor, key),
    }
    sent = httpx.Request("POST", str(request.base_url.replace(path=path)), headers=headers, content=body)
    return await _send(request, actor, sent)


async def _send(request: Request, actor: Actor, sent: httpx.Request) -> httpx.Response:
    request_id = correlation_id.get() or ""
    if REQUEST_ID.fullmatch(request_id):
        sent.headers["X-Request-ID"] = request_id

    # The transport makes client and server of the address, which holds what the browser sent as Host.
    served: Scope = {name: request.scope[name] for name in ("client", "server")} | {ACTOR: actor}

    async def as_actor(scope: Scope, receive: Receive, send: Send) -> None:
        served.update({**scope, **served})
        await request.app(served, receive, send)

    # The transport alone: a client would add headers.
    answer = await httpx.ASGITransport(as_actor).handle_async_request(sent)
    await answer.aread()
    answer.extensions[IN_CHINESE] = served.get(IN_CHINESE)
    return answer
