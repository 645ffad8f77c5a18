"""Power loss: what was answered is on the disk, in Temporal and in SQL. `test_kill.py` is about processes that die."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.load import PATH, complaint
from tests.support.power import disk, traced
from tests.support.service import CHILDREN, Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LOGS = ("temporal.db-wal", "hotline.db-wal")
"""Files that a commit of Temporal and of the read model is written to."""
UNSAFE = {"HOTLINE_UNSAFE_AT_POWER_LOSS": "true"}
AT_ONCE = 6
ANSWERS = 60
"""Answers before the power is cut."""
DONE = (httpx.codes.OK, httpx.codes.CREATED)


class Client:
    """The administrator, who plays cases and remembers the version of each that was answered as done."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.answered: dict[str, int] = {}
        self.answers = 0
        self._lock = threading.Lock()

    def case(self) -> Iterator[None]:
        """Play a case from its registration to the follow-up, an answer at a time."""
        number = self._post("/complaints", complaint())["number"]
        yield
        for action, body in PATH:
            self._post(f"/complaints/{number}/actions/{action}", body)
            yield

    def play(self) -> None:
        """Play case after case until the service is gone."""
        try:
            while True:
                for _ in self.case():
                    pass
        except httpx.HTTPError:
            return

    def listed(self) -> dict[str, int]:
        """Return number and version of every case in the list."""
        found: dict[str, int] = {}
        cursor: str | None = ""
        while cursor is not None:
            answer = self.http.get("/complaints", params={"cursor": cursor} if cursor else None)
            answer.raise_for_status()
            page = answer.json()
            found |= {item["number"]: item["version"] for item in page["items"]}
            cursor = page["next_cursor"]
        return found

    def comment(self, number: str) -> int:
        """Comment on a case, which its workflow must know; return the version after it."""
        return int(self._post(f"/complaints/{number}/actions/comment", {"note": "The power is back."})["version"])

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        answer.raise_for_status()
        case: dict[str, Any] = answer.json()
        if answer.status_code in DONE:  # 202 does not say that lists show it
            with self._lock:
                self.answers += 1
                self.answered[case["number"]] = case["version"]
        return case


@contextmanager
def connected(service: Service) -> Iterator[Client]:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    with httpx.Client(base_url=f"{service.api}/v1", headers=headers, trust_env=False, timeout=30) as http:
        yield Client(http)


def syncs_of_each_answer(folder: Path, variables: dict[str, str]) -> Sequence[dict[str, int]]:
    """Play a case on a service of its own; return the syncs of each log from each request to its answer."""
    each = []
    with Service(folder, variables=variables) as service, connected(service) as client:
        for _ in client.case():  # the first case also makes what later ones find
            pass
        with traced(folder / "traces", [service.pid(name) for name in CHILDREN]) as syncs:
            before = syncs.settled(LOGS)
            for _ in client.case():
                after = syncs.count(LOGS)
                each.append({log: after[log] - before[log] for log in LOGS})
                before = syncs.settled(LOGS)
    return each


def test_both_stores_are_synced_before_each_answer(tmp_path: Path) -> None:
    each = syncs_of_each_answer(tmp_path, {})
    assert len(each) == 1 + len(PATH)
    assert all(count >= 1 for answer in each for count in answer.values()), each


def test_the_unsafe_mode_does_not_sync_for_each_answer(tmp_path: Path) -> None:
    each = syncs_of_each_answer(tmp_path, UNSAFE)
    for log in LOGS:
        assert sum(answer[log] for answer in each) < len(each), each


def test_a_power_cut_takes_nothing_that_was_answered(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with disk(service.data_dir) as its_disk, service:
        with connected(service) as client, ThreadPoolExecutor(AT_ONCE) as pool:
            players = [pool.submit(client.play) for _ in range(AT_ONCE)]
            wait_until(lambda: client.answers >= ANSWERS or any(player.done() for player in players), service.said)
            service.kill("supervisor", *CHILDREN, first=its_disk.cut)
        for player in players:
            player.result()
        assert client.answers >= ANSWERS, service.said()
        its_disk.unmount()
        its_disk.mount()
        # Before the service starts: its reconciler would write what SQL lacks.
        with closing(sqlite3.connect(service.data_dir / "hotline.db")) as database:
            kept = dict(database.execute("SELECT number, version FROM cases"))
        service.start()
        with connected(service) as again:
            listed = again.listed()
            for found in (kept, listed):
                assert {
                    number for number, version in client.answered.items() if found.get(number, 0) < version
                } == set()
            for number, version in client.answered.items():
                assert again.comment(number) > version
