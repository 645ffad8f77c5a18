"""`kill -9` in the middle of a salt tide: afterwards no call is lost and no caller is told anything twice."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from demo.__main__ import SURGE_CATALOGUE as CATALOGUE
from demo.client import Json
from tests.support.forking import Forked
from tests.support.receivers import Receiver, receiver
from tests.support.service import CHILDREN, ROOT, Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CASES = 100
KILLED_AFTER = 50
"""Calls that are registered when everything dies but the demo."""
SECONDS_OF_DAY = "50"
"""Between two waves passes a tenth: as long as until the watch of the service looks again."""
PATIENCE_SECONDS = 150.0
CHANNELS = """
# Never, whatever the hour at which this runs.
[quiet_hours]
start = 03:00:00
end = 03:00:00

[channels.sms]
kind = "sms"
url = "{url}"
to = "13800138000"

[channels.log]
kind = "log"

[[routes]]
to = "caller:*"
channels = ["sms", "log"]

[[routes]]
to = "*"
channels = ["log"]
"""
REPORTED = (
    "The calls (来电), wave by wave",
    "The incident (突发事件)",
    "callers told",
    "all replied to",
    "How the cases came to it (并案)",
    "Emergencies (爆管) meanwhile",
    "The follow-ups (回访)",
    "The promises (时限)",
    "Where to look",
    f"Nothing is lost: all {CASES} calls are there and closed, one incident is left",
    "none of them twice",
)


@contextmanager
def playing(service: Service, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demo as a program of its own; killed at the end where it has not ended by itself."""
    argv = ["--surge", "--cases", str(CASES), "--day-seconds", SECONDS_OF_DAY]
    argv += ["--deadline", str(PATIENCE_SECONDS)]
    port = str(urlsplit(service.api).port)
    argv += ["--data-dir", str(service.data_dir), "--api-port", port]
    with said.open("ab") as out:
        process = Forked([sys.executable, "-m", "demo", *argv], cwd=ROOT, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def running(folder: Path, gateway: Receiver) -> AsyncIterator[Service]:
    """The whole service, with text messages to callers."""
    file = folder / "channels.toml"
    file.write_text(CHANNELS.format(url=gateway.url), encoding="utf-8")
    service = Service(folder, CATALOGUE, {"HOTLINE_CHANNELS": str(file)})
    await asyncio.to_thread(service.start)
    try:
        yield service
    finally:
        await asyncio.to_thread(service.stop)


def incidents(service: Service) -> list[Json]:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    answer = httpx.get(f"{service.api}/v1/incidents", headers=headers, trust_env=False, timeout=30)
    found: list[Json] = answer.raise_for_status().json()["items"]
    return found


def settling(service: Service) -> bool:
    return any(each["state"] == "settling" for each in incidents(service))


def registered(service: Service) -> int:
    """Count the calls that have a case."""
    [(cases,)] = rows(service, "SELECT count(*) FROM cases")
    return int(cases)


def rows(service: Service, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(service.data_dir / "hotline.db")) as connection:
        return connection.execute(query).fetchall()


def play_through_kills(service: Service, said: Path) -> None:
    """All dies but the demo while calls come in, then the worker dies while cases are replied to."""

    def printed() -> str:
        return said.read_text(encoding="utf-8")

    with playing(service, said) as demo:
        wait_until(lambda: registered(service) >= KILLED_AFTER, printed)
        service.kill("supervisor", *CHILDREN)
        assert registered(service) < CASES
        service.start()
        wait_until(lambda: settling(service), printed)
        service.kill("worker")
        assert settling(service)
        assert demo.wait(PATIENCE_SECONDS) == 0, printed()


def owed(service: Service) -> tuple[int, Counter[str]]:
    """Count the messages that callers were to have, and the replies that each case had."""
    [(messages,)] = rows(service, "SELECT count(*) FROM notifications WHERE recipient LIKE 'caller:%'")
    replied = rows(service, "SELECT number FROM events WHERE action = 'reply'")
    return messages, Counter(number for (number,) in replied)


def received(gateway: Receiver) -> tuple[int, Counter[str]]:
    """The same, of a gateway that goes by the key: what comes again under one is no second message."""
    texts = {request.headers["Idempotency-Key"]: json.loads(request.body)["text"] for request in gateway.requests}
    replied = [text for text in texts.values() if "已处理并回复" in text]
    return len(texts), Counter(re.findall(r"\d{13}", text)[0] for text in replied)


async def test_a_surge_that_is_killed_in_its_middle_loses_nothing_and_tells_nobody_twice(tmp_path: Path) -> None:
    """Neither by the log, which remembers what it has, nor by a gateway that is told everything anew."""
    said = tmp_path / "demo.log"
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(receiver())
        service = await stack.enter_async_context(running(tmp_path, gateway))
        await asyncio.to_thread(play_through_kills, service, said)

        assert registered(service) == CASES
        assert Counter(each["state"] for each in incidents(service))["resolved"] == 1
        assert service.said().count("worker ended (SIGKILL)") == 1
        lines = (service.data_dir / "notifications.log").read_text(encoding="utf-8").splitlines()
        to_be_told = owed(service)
    assert max(Counter(json.loads(line)["key"] for line in lines).values()) == 1
    assert received(gateway) == to_be_told
    printed = " ".join(said.read_text(encoding="utf-8").split())
    for words in REPORTED:
        assert words in printed
