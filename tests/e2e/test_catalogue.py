"""`hotline catalogue apply` on the whole service: shown first, then in force for new cases and for open ones, once."""

import asyncio
import json
import re
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotline.settings import DEFAULT_CATALOGUE
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CASES = 150
AT_ONCE = 20
NEW = f"""
extends = "{DEFAULT_CATALOGUE}"
name = "Zhongshan, twice as patient"

[services.no_water]
resolve = {{ hours = 48, source = "I" }}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("catalogue")) as service:
        yield service


@pytest.fixture
def new(tmp_path: Path) -> Path:
    file = tmp_path / "new.toml"
    file.write_text(NEW, encoding="utf-8")
    return file


async def register(service: Service, count: int) -> list[dict[str, Any]]:
    """So many cases without water."""
    body = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}
    few = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    async with httpx.AsyncClient(base_url=service.api, headers=headers, timeout=60, trust_env=False) as http:

        async def one() -> dict[str, Any]:
            async with few:
                answer = await http.post("/v1/complaints", json=body)
                assert answer.is_success, answer.text
                found: dict[str, Any] = answer.json()
                return found

        return await asyncio.gather(*(one() for _ in range(count)))


def changed(service: Service) -> Counter[str]:
    """Count in SQL how often each case was held to another catalogue."""
    with closing(sqlite3.connect(service.data_dir / "hotline.db")) as connection:
        rows = connection.execute("SELECT number FROM events WHERE action = 'catalogue_change'").fetchall()
    return Counter(number for (number,) in rows)


SHORT = {"HOTLINE_UPDATE_TIMEOUT_SECONDS": "1", "HOTLINE_RECONCILE_SECONDS": "1"}
"""Settings of the command alone: it waits as long for registrations that are under way."""


def test_applying_a_catalogue_reaches_every_open_case_once_despite_a_kill(service: Service, new: Path) -> None:
    cases = asyncio.run(register(service, CASES))
    shown = service.run("catalogue", "apply", str(new), "--dry-run")
    assert "services.no_water.resolve: 24 hours → 48 hours" in shown
    assert f"open cases: {CASES} change, 0 stay the same, 0 keep their terms" in shown
    assert re.search(rf"no_water\s+│\s+resolve\s+│\s+{CASES}\s+│\s+budget", shown)
    assert not changed(service)

    applying = service.begin("catalogue", "apply", str(new), "--yes", "--by", "chief", **SHORT)
    wait_until(lambda: bool(changed(service)), lambda: "no case was called on")
    service.kill("worker")
    said, _ = applying.communicate(timeout=120)
    assert applying.returncode == 0, said
    wait_until(
        lambda: len(changed(service)) == CASES,
        lambda: f"only {len(changed(service))} cases were reached",
    )
    assert changed(service) == {case["number"]: 1 for case in cases}

    [fresh] = asyncio.run(register(service, 1))
    assert {clock["name"]: clock["budget_seconds"] for clock in fresh["clocks"]}["resolve"] == 172_800
    record = json.loads((service.data_dir / "catalogues" / "in_force.json").read_text(encoding="utf-8"))
    assert [entry["by"] for entry in record["entries"]] == [None, "chief"]

    before = changed(service)
    assert "in force for every open case already" in service.run("catalogue", "apply", str(new), "--yes")
    assert changed(service) == before


def test_a_file_with_mistakes_changes_nothing(service: Service, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(NEW.replace("hours = 48", "weeks = 1").replace("no_water", "no_gas"), encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        service.run("catalogue", "apply", str(wrong), "--yes")
    assert failed.value.returncode == 2
    assert "services.no_gas.name: is missing" in failed.value.stderr


def test_without_temporal_it_is_to_be_run_again_later(service: Service) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        service.run("catalogue", "apply", str(DEFAULT_CATALOGUE), "--yes", TEMPORAL_ADDRESS="127.0.0.1:9")
    assert failed.value.returncode == 1
    assert "run the command again" in failed.value.stderr
