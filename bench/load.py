"""The load generator: plays whole complaints over HTTP, in a process of its own, on connections that are kept.

    HOTLINE_BENCH_KEY=... python -m bench.load http://127.0.0.1:8080 --cases 100 --concurrent 20 --warm 20

Prints its round as JSON. An answer of 202 (kept, not yet in the read model) is counted; any other surprise ends it.
"""

import argparse
import json
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from itertools import cycle
from typing import Any, Self

import aiohttp
import orjson
import uvloop

from bench.measure import Round, closed_loop

KEY_VARIABLE = "HOTLINE_BENCH_KEY"
ACCEPTED = 202
EXPECTED = (200, 201, ACCEPTED)
CLOSED = "closed"
TIMEOUT_SECONDS = 30.0

PATH: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("dispatch", {"department": "repair", "note": "The caller lives alone, please ring first."}),
    ("sign_for", {}),
    ("arrive", {}),
    ("complete", {"result": "The riser leaked at the meter's joint; the gasket is replaced, water is back."}),
    ("reply", {"message": "The leak is repaired and the water is back."}),
    ("follow_up", {"outcome": "satisfied"}),
)
"""The plain path after registering: every action with the body that staff would send."""


def complaint() -> Mapping[str, Any]:
    """Return the body of a registration by a new caller: a lookup takes longer for a caller of a hundred calls."""
    caller = f"{uuid.uuid4().int % 10**10:010d}"
    return {
        "service_code": "leak",
        "channel": "phone",
        "caller": {"name": "李婆婆", "phone": f"0{caller}", "account_no": caller},
        "location": {"district": "west", "address": f"下闸新村{caller}号", "lat": 22.5333, "lng": 113.3611},
        "description": "No water at home since this morning; the wall beside the meter is wet.",
    }


class UnexpectedAnswer(Exception):  # noqa: N818 - an answer, not a fault of ours
    """Error of an answer that the plain path does not expect; the text holds the answer."""

    UNAVAILABLE = 503

    def __init__(self, status: int, path: str, answer: bytes) -> None:
        super().__init__(f"{status} to {path or 'register'}: {answer.decode(errors='replace')}")
        self.status = status


class Hotline:
    """A client of the API that plays complaints: `async with Hotline(url, key) as hotline`."""

    def __init__(self, url: str, key: str, connections: int = 100) -> None:
        self._url = f"{url}/v1/complaints"
        self._key = key
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._key}"},
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=TIMEOUT_SECONDS),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def case(self, sample: Round) -> None:
        """Play one complaint from the call to the follow-up; each action is sent when the one before is answered."""
        await self._play(sample)

    async def case_and_read(self, sample: Round) -> None:
        """Play one complaint and read it. Raises UnexpectedAnswer if it is not closed."""
        number = await self._play(sample)
        assert self._session is not None, "use `async with`"
        with sample.timed("read"):
            async with self._session.get(f"{self._url}/{number}") as response:
                answer = await response.read()
        if not response.ok or orjson.loads(answer)["state"] != CLOSED:
            raise UnexpectedAnswer(response.status, f"GET /{number}", answer)

    async def _play(self, sample: Round) -> str:
        number = await self.register(sample)
        for action, body in PATH:
            await self.act(number, action, body, sample)
        return number

    async def register(self, sample: Round, **changes: str) -> str:
        """Register a complaint and return its number; `changes` are those of its body."""
        body = {**complaint(), **changes}
        with sample.timed("register"):
            answer = await self.post("", body, str(uuid.uuid4()), sample)
        return str(orjson.loads(answer)["number"])

    async def act(self, number: str, action: str, body: Mapping[str, Any], sample: Round) -> None:
        """Do one action."""
        with sample.timed("action"):
            await self.post(f"/{number}/actions/{action}", body, str(uuid.uuid4()), sample)

    async def post(self, path: str, body: Mapping[str, Any], key: str, sample: Round) -> bytes:
        """Send a body to a path below /v1/complaints with an idempotency key; return the body of the answer.

        Raises:
            UnexpectedAnswer: it was neither done nor kept.
        """
        assert self._session is not None, "use `async with`"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        async with self._session.post(self._url + path, data=orjson.dumps(body), headers=headers) as response:
            answer = await response.read()
        if response.status not in EXPECTED:
            raise UnexpectedAnswer(response.status, path, answer)
        sample.waiting += response.status == ACCEPTED
        return answer


async def drive(urls: Sequence[str], key: str, *, cases: int, concurrent: int, warm: int, read: bool = False) -> Round:
    """Measure one round, after `warm` cases that are not counted; `read` each case at its end.

    If there are several addresses, each case is played on the next one.
    """
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Hotline(url, key, connections=concurrent)) for url in urls]
        turns = cycle([client.case_and_read if read else client.case for client in clients])

        async def case(sample: Round) -> None:
            await next(turns)(sample)

        if warm:
            await closed_loop(case, warm, concurrent)
        return await closed_loop(case, cases, concurrent)


def main(arguments: Sequence[str] | None = None) -> None:
    """Play a round and print it as JSON; the key comes from the environment, not to be seen in a list of processes."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("urls", metavar="url", nargs="+")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--concurrent", type=int, default=20)
    parser.add_argument("--warm", type=int, default=0)
    parser.add_argument("--read", action="store_true", help="read each case at its end, which must be closed")
    given = parser.parse_args(arguments)
    key = os.environ[KEY_VARIABLE]
    load = drive(given.urls, key, cases=given.cases, concurrent=given.concurrent, warm=given.warm, read=given.read)
    try:
        played = uvloop.run(load)
    except ExceptionGroup as errors:
        if refusals := errors.subgroup(UnexpectedAnswer):
            sys.exit(f"{parser.prog}: {refusals.exceptions[0]}")
        raise
    print(json.dumps(asdict(played)))


if __name__ == "__main__":
    main()
