"""`hotline handover`, and who may leave, on the whole service."""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_whoever_owns_open_cases_leaves_after_they_are_handed_over(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        chen, _, _ = (service.make_key(*who) for who in (("chen", "agent"), ("li", "agent"), ("xu", "supervisor")))
        http = httpx.Client(base_url=service.api, trust_env=False, headers={"Authorization": f"Bearer {chen}"})
        body = {"service_code": "no_water", "description": "家里没水"}
        numbers = [http.post("/v1/complaints", json=body).json()["number"] for _ in range(3)]
        for command in (("person", "leave", "chen"), ("key", "revoke", chen.split("_")[1])):
            with pytest.raises(subprocess.CalledProcessError) as refused:
                service.run(*command)
            assert "chen owns 3 open cases" in refused.value.stderr
        assert http.get("/v1/people").status_code == 200
        other = service.run("key", "create", "chen").split("_")[1]
        service.run("key", "revoke", other)
        assert "is revoked" in service.run("key", "revoke", other)
        handover = ("handover", "chen", "li", "--reason", "离职")
        for supervisor in ("chen", "nobody"):
            with pytest.raises(subprocess.CalledProcessError):
                service.run(*handover, "--as", supervisor)
        assert "handed over: 3; refused: 0" in service.run(*handover, "--as", "xu")
        owners = {http.get(f"/v1/complaints/{number}").json()["owner"] for number in numbers}
        (*_, last) = http.get(f"/v1/complaints/{numbers[0]}/timeline").json()["items"]
        assert (owners, last["actor"], last["data"]["note"]) == ({"li"}, "xu", "离职")
        assert "chen has left; open cases to hand over: 0" in service.run("person", "leave", "chen")
        li = next(line for line in service.run("key", "list").splitlines() if " li " in line).split()[1]
        assert "is revoked" in service.run("key", "revoke", li, "--leave-cases")
        wait_until(lambda: http.get("/v1/people").status_code == 401, lambda: "the key still opens")
        http.close()
