"""`kill -9` in the middle of a salt tide: afterwards no call is lost and no caller is told anything twice."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from demo.client import Json
from tests.e2e.service import ROOT, Service, wait_until

pytestmark = pytest.mark.e2e

CATALOGUE = ROOT / "catalogue" / "surge.toml"
CASES = 100
FIRST_KILL_AFTER = 30
SECONDS_OF_DAY = "50"
"""Between two waves passes a tenth: as long as until the watch of the service looks again."""
PATIENCE_SECONDS = 150.0


@contextmanager
def playing(service: Service, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demo as a program of its own; killed at the end where it has not ended by itself."""
    argv = ["demo", "--surge", "--cases", str(CASES), "--day-seconds", SECONDS_OF_DAY]
    port = str(urlsplit(service.api).port)
    argv += ["--data-dir", str(service.data_dir), "--api-port", port]
    with said.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "cli", *argv], cwd=ROOT, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def incidents(service: Service) -> list[Json]:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    answer = httpx.get(f"{service.api}/v1/incidents", headers=headers, trust_env=False, timeout=30)
    found: list[Json] = answer.raise_for_status().json()["items"]
    return found


def settling(service: Service) -> bool:
    return any(each["state"] == "settling" for each in incidents(service))


def registered(service: Service) -> int:
    """How many numbers the demo has written down."""
    journals = [*(service.data_dir / "demo" / "surge").glob("*.jsonl")]
    return sum(path.read_text(encoding="utf-8").count('"index"') for path in journals)


def test_a_surge_that_is_killed_in_its_middle_loses_nothing_and_tells_nobody_twice(tmp_path: Path) -> None:
    """First the demo dies while calls come in; then demo and worker, while cases are completed and replied to."""
    said = tmp_path / "demo.log"
    with Service(tmp_path, CATALOGUE) as service:
        with playing(service, said):
            wait_until(lambda: registered(service) >= FIRST_KILL_AFTER, lambda: said.read_text(encoding="utf-8"))
        with playing(service, said):
            wait_until(lambda: settling(service), lambda: said.read_text(encoding="utf-8"))
            service.kill("worker")
        assert settling(service)
        with playing(service, said) as demo:
            assert demo.wait(PATIENCE_SECONDS) == 0, said.read_text(encoding="utf-8")

        assert registered(service) == CASES
        assert Counter(each["state"] for each in incidents(service))["resolved"] == 1
        assert service.said().count("worker ended (SIGKILL)") == 1
        lines = (service.data_dir / "notifications.log").read_text(encoding="utf-8").splitlines()
    assert max(Counter(json.loads(line)["key"] for line in lines).values()) == 1
    assert "Nothing is lost" in said.read_text(encoding="utf-8")
