"""`kill -9` of the worker while gateways have messages in hand and have not answered: what then reaches people."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.support.receivers import Receiver, receiver
from tests.support.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CALLS = 10
"""Each owes one message: one call more, and the watch suspects a surge, which is a message of its own."""
ANSWERED = 5
"""Messages that a gateway confirms before it falls silent: those that are known to be sent when the worker dies."""
CONCURRENCY = 4
PATIENCE_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.1
CHANNELS = """
[channels.sms]
kind = "sms"
url = "{url}"
to = "13800138000"
timeout_seconds = 60
concurrency = {concurrency}

[[routes]]
to = "dispatcher"
channels = ["sms"]
"""


async def until(holds: Callable[[], bool], explain: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - neither a gateway nor SQL tells a test of its news
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"still {explain()}") from None


@asynccontextmanager
async def silent_after_a_while() -> AsyncIterator[Receiver]:
    """A gateway that takes every message, confirms the first, and says nothing of the others."""
    async with receiver() as made:

        async def take() -> web.StreamResponse:
            return await (made.accept() if len(made.requests) <= ANSWERED else made.hang())

        made.behave = take
        yield made


async def register(service: Service) -> list[str]:
    """Take calls in, each of which owes the dispatcher a message; their numbers."""
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    body = {"service_code": "no_water", "location": {"district": "west"}, "description": "家里没水。"}
    async with httpx.AsyncClient(base_url=service.api, headers=headers, trust_env=False, timeout=30) as http:
        answers = [await http.post("/v1/complaints", json=body) for _ in range(CALLS)]
    assert all(answer.is_success for answer in answers), answers
    return [answer.json()["number"] for answer in answers]


def statuses(service: Service) -> Counter[str]:
    """Count the deliveries by status."""
    with closing(sqlite3.connect(service.data_dir / "hotline.db")) as connection:
        return Counter(status for (status,) in connection.execute("SELECT status FROM deliveries"))


def texts(gateway: Receiver) -> dict[str, set[str]]:
    """Return the texts that arrived under each idempotency key: the messages of a gateway that knows these keys."""
    found: dict[str, set[str]] = {}
    for request in gateway.requests:
        body: dict[str, Any] = json.loads(request.body)
        found.setdefault(request.headers["Idempotency-Key"], set()).add(body["text"])
    return found


async def test_after_a_kill_a_gateway_that_knows_keys_has_each_message_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "channels.toml"
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(silent_after_a_while())
        file.write_text(CHANNELS.format(url=gateway.url, concurrency=CONCURRENCY), encoding="utf-8")
        service = Service(tmp_path, variables={"HOTLINE_CHANNELS": str(file)})
        await asyncio.to_thread(service.start)
        stack.push_async_callback(asyncio.to_thread, service.stop)

        numbers = await register(service)
        await until(lambda: len(gateway.requests) > ANSWERED, lambda: len(gateway.requests))
        await asyncio.to_thread(service.kill, "worker")
        in_hand = statuses(service)["sending"]
        gateway.behave = gateway.accept
        await until(lambda: statuses(service) == {"sent": CALLS}, lambda: statuses(service))

    assert 1 <= in_hand <= CONCURRENCY
    assert CALLS < len(gateway.requests) <= CALLS + in_hand
    told = texts(gateway)
    assert len(told) == CALLS
    said = [text for (text,) in told.values()]
    assert sorted(number for number in numbers for text in said if number in text) == sorted(numbers)
