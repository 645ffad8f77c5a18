"""HTTP client of the demo, which retries while the service is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from demo.people import Person

AWAY = frozenset({429, 502, 503, 504})
"""Status codes after which the same request is sent again later."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 3.0
PAUSE_GROWTH = 1.6
ANSWER_WITHIN_SECONDS = 20.0
CONNECTIONS = 64
LARGEST_PAGE = "200"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Json = dict[str, Any]


class Unreachable(Exception):  # noqa: N818 - a state of the service, not a fault of the demo
    """Error of a service that did not answer until the deadline."""


class Rejected(Exception):  # noqa: N818 - a refusal is an answer
    """Error of a refused request; `slug` is the last part of the problem's type."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            problem: Json = response.json()
        except ValueError:
            problem = {"detail": response.text[:200]}
        self.status = response.status_code
        self.slug = str(problem.get("type", "")).rpartition(":")[2]
        super().__init__(f"{self.status} {self.slug}: {problem.get('detail') or problem.get('title') or response.text}")


@dataclass
class Traffic:
    """Figures of the connection: `longest_away` is in seconds, `accepted` counts answers 202."""

    requests: int = 0
    retries: int = 0
    longest_away: float = 0.0
    accepted: int = 0


class Hotline:
    """The service as its clients see it; its requests raise Rejected and Unreachable.

    `keys` holds each person's key, by name; who has none acts with `admin_key`. A request that finds the service away
    is sent again, with the same Idempotency-Key, until `deadline` seconds have passed; `tell` hears of it.
    """

    def __init__(self, http: httpx.AsyncClient, admin_key: str, deadline: float) -> None:
        self._http = http
        self._admin_key = admin_key
        self._deadline = deadline
        self.keys: Mapping[str, str] = {}
        self.tell: Callable[[str], None] = lambda _: None
        self.traffic = Traffic()

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, admin_key: str, deadline: float) -> AsyncIterator[Self]:
        """Open a client of the service at this URL, which is without the prefix of its paths."""
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        # A proxy of the environment is no way to this very machine.
        remote = urlsplit(url).hostname not in LOOPBACK
        async with httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/v1", limits=limits, timeout=ANSWER_WITHIN_SECONDS, trust_env=remote
        ) as http:
            yield cls(http, admin_key, deadline)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        return await self._send("GET", path, self._admin_key, {}, params=params)

    async def items(self, path: str, **params: str) -> AsyncIterator[Json]:
        """Yield all items of a list, page by page."""
        asked = {"limit": LARGEST_PAGE, **params}
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(path, {**asked, "cursor": cursor} if cursor else asked)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]

    async def post(self, path: str, body: Json, *, by: Person, key: str, unless_done: bool = False) -> Json:
        """Post a request that counts once, however often it is sent.

        `unless_done`: a request that conflicts with what is done is answered by nothing, and does not raise Rejected.
        """
        token = self.keys.get(by.name, self._admin_key)
        try:
            return await self._send("POST", path, token, {"Idempotency-Key": key}, json=body)
        except Rejected as refusal:
            if not unless_done or refusal.status != HTTPStatus.CONFLICT:
                raise
            return {}

    async def _send(self, method: str, path: str, token: str, headers: Mapping[str, str], **parts: Any) -> Json:  # noqa: ANN401 - httpx's own
        """Send a request until it is answered; it may have been carried out before."""
        headers = {"Authorization": f"Bearer {token}", **headers}
        request = self._http.build_request(method, path, headers=headers, **parts)
        began, pause = time.monotonic(), FIRST_PAUSE_SECONDS
        while (response := await self._answer(request)) is None or response.status_code in AWAY:
            away = time.monotonic() - began
            self.traffic.retries += 1
            self.traffic.longest_away = max(self.traffic.longest_away, away)
            self.tell(f"away for {away:.0f} s, trying on")
            if away > self._deadline:
                raise Unreachable(f"no answer from {request.url} within {self._deadline:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
        if response.is_error:
            raise Rejected(response)
        self.traffic.accepted += response.status_code == HTTPStatus.ACCEPTED
        answer: Json = response.json()
        return answer

    async def _answer(self, request: httpx.Request) -> httpx.Response | None:
        self.traffic.requests += 1
        try:
            return await self._http.send(request)
        except httpx.TransportError:
            return None
