"""`hotline handover` and who may leave, `hotline report`, on one whole service."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from readmodel.base.database import engine
from tests.support.batches import call, project, published
from tests.support.rows import execute
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DAY, AT = "2025-09-08", datetime(2025, 9, 8, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("commands")) as service:
        yield service


def test_whoever_owns_open_cases_leaves_after_they_are_handed_over(service: Service) -> None:
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


def test_a_report_is_made_by_command_and_served_over_http(service: Service) -> None:
    url = f"sqlite:///{service.data_dir / 'hotline.db'}"
    project(url, published(call(1, AT), ("dispatch",)))
    # Made by the worker, served by the API, and the same after a loss of it.
    asked = ("report", "daily", DAY)
    assert f"Daily report {DAY}" in service.run(*asked, "--make")
    first = service.run(*asked)
    manager = service.make_key("gao", "manager")
    headers = {"Authorization": f"Bearer {manager}"}
    with httpx.Client(base_url=service.api, trust_env=False, headers=headers) as http:
        found = http.get("/v1/reports/daily", params={"date": DAY}).json()
        assert found["tables"][0]["rows"][0][0] == 1
    database = engine(url)
    execute(database, "DELETE FROM reports")
    database.dispose()
    assert service.run(*asked, "--make") == first
