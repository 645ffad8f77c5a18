"""Two services on one machine: no program or command of one touches what belongs to the other."""

import asyncio
import subprocess
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from activities import names
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CALL = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}
COMMANDS = (
    ("verify",),
    ("rebuild", "workflows"),
    ("rebuild", "readmodel"),
    ("migrate",),
    ("temporal-setup",),
    ("key", "create", "sun", "--role", "agent"),
    ("worker",),
    ("api",),
)
OF_EVERY_SERVICE = {names.COURIER, names.INSTALLATION, names.RECONCILER, names.SURGE_WATCH}


def workflows(service: Service) -> set[str]:
    """Return the ids of all workflows that Temporal has, but for those that the Schedule starts by itself."""

    async def listed() -> set[str]:
        return {run.id async for run in (await Client.connect(service.temporal)).list_workflows()}

    return {one for one in asyncio.run(listed()) if not one.startswith(names.PERIOD_END)}


def ended(service: Service, *command: str, **variables: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it said."""
    process = service.begin(*command, **variables)
    said = "".join(process.communicate(timeout=60))
    return process.returncode, said


def register(service: Service) -> None:
    key = {"Authorization": f"Bearer {service.admin_key}"}
    answer = httpx.post(f"{service.api}/v1/complaints", headers=key, json=CALL, trust_env=False, timeout=30)
    assert answer.status_code == httpx.codes.CREATED, answer.text


def test_nothing_of_one_service_reaches_the_stores_of_the_other(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    with Service(tmp_path / "ours") as ours, Service(tmp_path / "theirs") as theirs:
        register(ours)
        register(theirs)
        # Nobody names an address: the data folder does.
        assert "1 cases and 0 open incidents" in ours.run("verify")
        # Its worker starts them in the background.
        wait_until(lambda: workflows(theirs) >= OF_EVERY_SERVICE, lambda: str(workflows(theirs)))
        before = workflows(theirs)
        for command in COMMANDS:
            port = theirs.temporal.partition(":")[2]
            code, said = ended(ours, *command, HOTLINE_TEMPORAL_PORT=port)
            assert (code, "Nothing was changed" in said) == (2, True), (command, said)
        assert workflows(theirs) == before
        database = tmp_path / "none" / "hotline.db"
        code, said = ended(ours, "verify", HOTLINE_DATABASE_URL=f"sqlite:///{database}")
        assert (code, "there is no database" in said, database.parent.exists()) == (2, True, False)
        with pytest.raises(subprocess.CalledProcessError):
            theirs.run("rebuild", "readmodel", HOTLINE_DATABASE_URL=f"sqlite:///{ours.data_dir / 'hotline.db'}")
        assert "1 cases and 0 open incidents" in ours.run("verify")
