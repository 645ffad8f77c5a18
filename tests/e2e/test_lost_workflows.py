"""Temporal's database, or all keys, are lost: a command brings every case back, also if it is killed in the middle."""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CASES = 120
AT_ONCE = 8
"""Requests under way at the same time."""
CALL = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}


def running(service: Service) -> int:
    """Count the cases whose workflows run, as Temporal lists them."""

    async def count() -> int:
        client = await Client.connect(service.temporal)
        query = 'WorkflowType = "ComplaintWorkflow" AND ExecutionStatus = "Running"'
        return (await client.count_workflows(query)).count

    return asyncio.run(count())


def failed(service: Service, *argv: str) -> tuple[int, str]:
    """Run a command that fails; return its exit code and what it printed."""
    with pytest.raises(subprocess.CalledProcessError) as error:
        service.run(*argv)
    return error.value.returncode, f"{error.value.stdout}{error.value.stderr}"


# So many calls about one service from one district raise a suspected incident, which is lost and comes back as well.
def test_a_lost_temporal_database_is_rebuilt_from_sql_by_a_command_that_was_killed(tmp_path: Path) -> None:
    # Eight requests at once, beside other tests on the machine, may wait longer than a desk would.
    patient = {"HOTLINE_UPDATE_TIMEOUT_SECONDS": "60", "HOTLINE_SQL_WAIT_SECONDS": "30"}
    variables = {"HOTLINE_WRITES_PER_MINUTE": "0", **patient}
    with Service(tmp_path, variables=variables) as service, ThreadPoolExecutor(AT_ONCE) as several:
        headers = {"Authorization": f"Bearer {service.admin_key}"}
        with httpx.Client(base_url=f"{service.api}/v1", headers=headers, trust_env=False, timeout=120) as http:

            def register(_: int) -> str:
                return str(http.post("/complaints", json=CALL).json()["number"])

            def act(number: str, action: str, **body: str) -> httpx.Response:
                return http.post(f"/complaints/{number}/actions/{action}", json=body)

            numbers = list(several.map(register, range(CASES)))
            dispatch = partial(act, action="dispatch", department="repair")
            assert [each.text for each in several.map(dispatch, numbers) if not each.is_success] == []
        service.stop()
        for file in service.data_dir.glob("temporal.db*"):
            file.unlink()
        service.start()
        with httpx.Client(base_url=f"{service.api}/v1", headers=headers, trust_env=False, timeout=120) as http:
            code, said = failed(service, "verify")
            assert (code, [number for number in numbers if number not in said]) == (1, [])
            lost = act(numbers[0], "sign_for")
            assert (lost.status_code, lost.json()["type"]) == (409, "urn:hotline:problem:workflow-lost")
            assert f"hotline rebuild workflows --case {numbers[0]}" in lost.json()["detail"]

            command = service.begin("rebuild", "workflows")
            wait_until(lambda: running(service) > 0 or command.poll() is not None, service.said)
            command.kill()
            command.communicate()
            assert 0 < running(service) < CASES
            assert ", 0 are over" in service.run("rebuild", "workflows")
            assert "1 ran already" in service.run("rebuild", "workflows", "--case", numbers[0])
            wait_until(lambda: running(service) == CASES, service.said)
            assert f"{CASES} cases" in service.run("verify")

            answers = list(several.map(partial(act, action="sign_for", assignee="梁伟"), numbers))
            assert [each.text for each in answers if not each.is_success or each.json()["version"] != 3] == []
            timeline = http.get(f"/complaints/{numbers[-1]}/timeline").json()["items"]
            assert [each["action"] for each in timeline] == ["register", "dispatch", "sign_for"]
        log = (service.data_dir / "notifications.log").read_text(encoding="utf-8")
        told = [json.loads(line)["key"] for line in log.splitlines()]
        assert len(told) == len({*told})
        code, said = failed(service, "rebuild", "workflows", "--case", "2601010000018")
        assert (code, "2601010000018: SQL does not have it" in said) == (2, True)
        code, said = failed(service, "rebuild", "workflows", "--case", "123")
        assert (code, "A case number has 13 digits" in said) == (2, True)


def test_after_the_loss_of_all_keys_every_open_case_comes_back(tmp_path: Path) -> None:
    """As the page on security tells the operator, step by step."""
    with Service(tmp_path) as service:
        headers = {"Authorization": f"Bearer {service.admin_key}"}
        with httpx.Client(base_url=f"{service.api}/v1", headers=headers, trust_env=False, timeout=30) as http:

            def act(number: str, action: str, **body: str) -> httpx.Response:
                return http.post(f"/complaints/{number}/actions/{action}", json=body)

            numbers = [http.post("/complaints", json=CALL).json()["number"] for _ in range(3)]
            assert {act(number, "dispatch", department="repair").status_code for number in numbers} == {200}
            service.stop()
            (service.data_dir / "keys.json").unlink()
            with pytest.raises(RuntimeError, match="`hotline keys rotate` makes a new key"):
                service.start()
            service.run("keys", "rotate")
            service.start()
            found = 'ExecutionStatus = "Running" AND WorkflowType != "InstallationWorkflow"'
            terminates = [
                str(Path(sys.executable).parent / "temporal"),
                "workflow",
                "terminate",
                "--yes",
                "--query",
                found,
            ]
            subprocess.run([*terminates, "--address", service.temporal], check=True)
            wait_until(lambda: running(service) == 0, service.said)
            service.run("rebuild", "workflows")
            wait_until(lambda: running(service) == len(numbers), service.said)

            def signed_for(number: str) -> bool:
                return act(number, "sign_for", assignee="梁伟").is_success

            for number in numbers:  # what ran with the lost keys counts for a minute
                wait_until(partial(signed_for, number), service.said)
            views = [http.get(f"/complaints/{number}").json() for number in numbers]
            assert {(view["state"], view["version"]) for view in views} == {("in_progress", 3)}

            def readiness() -> str:
                return http.get(f"{service.api}/readyz").text

            # A sweep that looked before the rebuild marks what it saw after it: /readyz says to rebuild once more.
            service.run("rebuild", "workflows")
            wait_until(lambda: '"status":"ready"' in readiness(), lambda: f"{readiness()}\n{service.said()}")
