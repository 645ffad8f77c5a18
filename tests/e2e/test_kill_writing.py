"""`kill -9` of an API process between its request to Temporal and its answer; another one of the service goes on."""

import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from hotline.settings import DEFAULT_CATALOGUE
from tests.support.dying_api import POINTS
from tests.support.forking import Forked
from tests.support.ports import free_ports
from tests.support.service import ROOT, Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DIRECTIONS = {"title": "爆管", "services": ["leak"], "districts": ["minzhong"]}
COMMENT = {"note": "用户六点后在家"}
PATIENT = f"""
extends = "{DEFAULT_CATALOGUE}"
name = "Zhongshan, twice as patient"

[services.no_water]
resolve = {{ hours = 48, source = "I" }}
"""
AT_ONCE_SECONDS = 5.0
LOOK_SECONDS = {"HOTLINE_RECONCILE_SECONDS": "5"}
"""Time between two looks of the reconciler, usually 30 seconds."""
SOON_SECONDS = 30.0
"""Longest time until SQL has what its sender left: the reconciler's grace and two looks, on a busy machine."""


class Request(NamedTuple):
    """A request that an API process dies of; `path` is that of the list or timeline which shows it, once."""

    target: str
    body: dict[str, Any]
    path: str
    shown: tuple[str, str]
    status: int


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("kill-writing"), variables=LOOK_SECONDS) as service:
        yield service


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    with httpx.Client(base_url=f"{service.api}/v1", headers=headers, trust_env=False, timeout=30) as client:
        yield client


def call() -> dict[str, Any]:
    return {"service_code": "no_water", "description": uuid.uuid4().hex, "location": {"district": "west"}}


def registration(_: httpx.Client) -> Request:
    body = call()
    return Request("/complaints", body, "/complaints", ("description", body["description"]), 201)


def action(http: httpx.Client) -> Request:
    number = http.post("/complaints", json=call()).raise_for_status().json()["number"]
    target = f"/complaints/{number}/actions/comment"
    return Request(target, COMMENT, f"/complaints/{number}/timeline", ("action", "comment"), 200)


def action_on_an_incident(http: httpx.Client) -> Request:
    number = http.post("/incidents", json=DIRECTIONS).raise_for_status().json()["number"]
    target = f"/incidents/{number}/actions/inform"
    return Request(target, {"message": "正在抢修"}, f"/incidents/{number}/timeline", ("action", "inform"), 200)


REQUESTS = (registration, action, action_on_an_incident)


DEATHS = [
    pytest.param(make, point, marks=() if make is action or place == at else pytest.mark.night)
    for at, make in enumerate(REQUESTS)
    for place, point in enumerate(POINTS)
]
"""By day an action dies at every point, and each of the others at one of its own."""


@contextmanager
def dying_api(service: Service, point: str, folder: Path) -> Iterator[str]:
    """Run another API process of the service, which dies at this point; it has died at the end of the block."""
    [port] = free_ports(1)
    env, said = service._env() | {"HOTLINE_API_PORT": str(port)}, folder / "api.log"
    with said.open("wb") as log:
        argv = [sys.executable, "-m", "tests.support.dying_api", point]
        process = Forked(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(said.read_text(encoding="utf-8"))
        try:
            return httpx.get(f"{url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(ready, lambda: said.read_text(encoding="utf-8"))
        yield url
        wait_until(lambda: process.poll() is not None, lambda: "it has nothing to write")
        assert process.returncode == -signal.SIGKILL
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def send_and_die(service: Service, request: Request, key: str, point: str, folder: Path) -> None:
    headers = {"Authorization": f"Bearer {service.admin_key}", "Idempotency-Key": key}
    with dying_api(service, point, folder) as url, pytest.raises(httpx.TransportError):
        httpx.post(f"{url}/v1{request.target}", json=request.body, headers=headers, trust_env=False, timeout=30)


def times_shown(http: httpx.Client, request: Request) -> int:
    name, value = request.shown
    items = http.get(request.path, params={"limit": 200}).raise_for_status().json()["items"]
    return sum(item[name] == value for item in items)


@pytest.mark.parametrize(("make", "point"), DEATHS)
def test_a_retry_at_another_process_is_answered_and_shown_once(
    service: Service, http: httpx.Client, make: Callable[[httpx.Client], Request], point: str, tmp_path: Path
) -> None:
    request, key = make(http), uuid.uuid4().hex
    send_and_die(service, request, key, point, tmp_path)
    if point == "after":
        assert times_shown(http, request) == 1
    for _ in range(2):
        answer = http.post(request.target, json=request.body, headers={"Idempotency-Key": key}, timeout=AT_ONCE_SECONDS)
        assert answer.status_code == request.status, answer.text
        assert times_shown(http, request) == 1


@pytest.mark.parametrize("make", REQUESTS)
def test_sql_shows_it_after_two_looks_although_nobody_asks_again(
    service: Service, http: httpx.Client, make: Callable[[httpx.Client], Request], tmp_path: Path
) -> None:
    request = make(http)
    send_and_die(service, request, uuid.uuid4().hex, "before", tmp_path)
    wait_until(lambda: times_shown(http, request) == 1, lambda: f"{request.target} is not in SQL", SOON_SECONDS)


def test_a_catalogue_put_in_force_at_once_reaches_a_call_whose_api_died(
    service: Service, http: httpx.Client, tmp_path: Path
) -> None:
    """The call has the terms of the catalogue before, and SQL has it when the reconciler has looked."""
    request = registration(http)
    send_and_die(service, request, uuid.uuid4().hex, "before", tmp_path)
    new = tmp_path / "new.toml"
    new.write_text(PATIENT, encoding="utf-8")
    service.run("catalogue", "apply", str(new), "--yes", HOTLINE_UPDATE_TIMEOUT_SECONDS="1", **LOOK_SECONDS)
    cases = http.get(request.path, params={"limit": 200}).raise_for_status().json()["items"]
    (number,) = (case["number"] for case in cases if case["description"] == request.body["description"])
    timeline = http.get(f"/complaints/{number}/timeline").raise_for_status().json()["items"]
    assert [item["action"] for item in timeline].count("catalogue_change") == 1
