"""The running service loses its storage or its courier, and says so: 200 where calls are taken, else 503."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.service import PATIENCE_SECONDS, Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DISK_MIB = 64
"""Room for the service, and less than the space at which a disk is reported."""
WORKER_FROZEN_SECONDS = 120
CALL = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; the test is skipped where none can be mounted."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("this machine has no mount")
    options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(tmp_path)]
    if subprocess.run([mount, *options], check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield tmp_path
    finally:
        subprocess.run([umount, "--lazy", str(tmp_path)], check=True)


def readiness(service: Service) -> httpx.Response:
    return httpx.get(f"{service.api}/readyz", trust_env=False)


def becomes(service: Service, status: int, within: float = PATIENCE_SECONDS, **parts: bool) -> dict[str, Any]:
    """The readiness, once it has this status code and these parts are ok or not, within so many seconds."""

    def holds() -> bool:
        answer = readiness(service)
        found = answer.json()
        return answer.status_code == status and all(found[name]["ok"] is ok for name, ok in parts.items())

    wait_until(holds, lambda: readiness(service).text, within)
    found: dict[str, Any] = readiness(service).json()
    assert [name for name, ok in parts.items() if not ok and not found[name]["remedy"]] == []
    return found


def register(service: Service) -> int:
    key = {"Authorization": f"Bearer {service.admin_key}"}
    return httpx.post(f"{service.api}/v1/complaints", headers=key, json=CALL, trust_env=False, timeout=30).status_code


def fill(file: Path) -> None:
    """Write until the disk is full."""
    target = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(target, bytes(4096))
    except OSError:
        os.close(target)


def test_a_full_disk_is_told_and_calls_are_taken_when_there_is_space_again(small_disk: Path) -> None:
    with Service(small_disk, variables={"HOTLINE_UPDATE_TIMEOUT_SECONDS": "1"}) as service:
        found = becomes(service, 200, temporal=True, disk=False)
        assert "less than 512" in found["disk"]["detail"]
        assert register(service) == 201
        fill(small_disk / "filler")
        found = becomes(service, 503, temporal=False, disk=False)
        assert found["status"] == "unavailable"
        assert "No space left" in found["temporal"]["detail"]
        # Temporal fills what its log has left, and then takes no call.
        wait_until(lambda: register(service) == 503, service.said)
        (small_disk / "filler").unlink()
        becomes(service, 200, temporal=True)
        wait_until(lambda: register(service) == 201, service.said)


def test_a_lost_file_of_temporal_and_a_frozen_worker_are_told(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        becomes(service, 200, store=True, courier=True, worker=True)
        # Before, its workflow has no activity yet, and waits for a workflow task in the end.
        wait_until(lambda: "sign of life" in readiness(service).json()["courier"]["detail"], service.said)
        service.freeze("worker")
        found = becomes(service, 200, courier=False)
        assert found["status"] == "degraded"
        assert re.search("waits for try [2-9]", found["courier"]["detail"])
        # Temporal takes a program that hangs for one that still asks, up to the end of its last question.
        becomes(service, 200, WORKER_FROZEN_SECONDS + PATIENCE_SECONDS, worker=False)
        service.kill("worker")
        becomes(service, 200, courier=True)

        (service.data_dir / "temporal.db").unlink()
        found = becomes(service, 200, store=False)
        assert "Temporal" in found["store"]["detail"]
        # An API that starts after the loss knows it too.
        service.kill("api")
        wait_until(lambda: _answers(service), service.said)
        becomes(service, 200, store=False)


def test_a_rebuild_says_what_it_cannot_bring_back(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert register(service) == 201
        assert "kept: 0 cases that Temporal no longer has" in (first := service.run("rebuild", "readmodel"))
        assert "was empty" not in first
        new = service.run("rebuild", "readmodel", HOTLINE_DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")
        assert "the read model was empty: cases that ended over 30 days ago are in backups alone" in new
        assert "1 cases are in the read model" in new


def _answers(service: Service) -> bool:
    try:
        return readiness(service).is_success
    except httpx.TransportError:
        return False
