"""The online backup of docs/backup.md: both databases copied one after the other while people act, and restored."""

import re
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.pages import examples, page
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CALL = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}


def copy(file: Path, backup: Path) -> None:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup / file.name)) as target:
        source.backup(target)


def test_an_online_backup_in_the_documented_order_loses_nothing(tmp_path: Path) -> None:
    """Cases change, end and are registered between the two copies. Each is whole after the restore and goes on."""
    [script] = [each.text for each in examples(page("docs/backup.md")) if "sqlite3" in each.text]
    first, last = re.findall(r"sqlite3 data/(\S+)", script)
    [others] = re.findall(r"cp -rp (.+) backup/", script)
    restored = tmp_path / "after" / "data"
    for folder in (tmp_path / "before", restored):
        folder.mkdir(parents=True)
    with Service(tmp_path / "before") as service, administrator(service, service.admin_key) as http:
        key = service.admin_key
        changed, ended = register(http), register(http)
        copy(service.data_dir / first, restored)
        act(http, changed, "dispatch", department="repair")
        act(http, ended, "refuse", reason="非供水范围")
        act(http, fresh := register(http), "dispatch", department="metering")
        copy(service.data_dir / last, restored)
        for name in others.split():
            source = service.data_dir.parent / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, restored / source.name)
    with Service(tmp_path / "after") as service, administrator(service, key) as http:
        for number in (changed, ended, fresh):
            wait_until(partial(has_events, http, number, 2), service.said)
        for number in (changed, fresh):
            assert act(http, number, "comment", note="用户又来电") == 3


def administrator(service: Service, key: str) -> httpx.Client:
    """A client with the key of an administrator."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"{service.api}/v1", headers=headers, trust_env=False, timeout=30)


def register(http: httpx.Client) -> str:
    """Register a case; return its number."""
    answer = http.post("/complaints", json=CALL)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return str(answer.json()["number"])


def act(http: httpx.Client, number: str, action: str, **body: str) -> int:
    """Take the action; return the version of the case after it."""
    answer = http.post(f"/complaints/{number}/actions/{action}", json=body)
    assert answer.status_code == httpx.codes.OK, answer.text
    return int(answer.json()["version"])


def has_events(http: httpx.Client, number: str, count: int) -> bool:
    """Return True if SQL has the case with so many events."""
    answer = http.get(f"/complaints/{number}/timeline")
    return answer.is_success and len(answer.json()["items"]) == count
