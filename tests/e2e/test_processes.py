"""Start and end of the service's processes: files and answers that nobody else can read, and no abort."""

import asyncio
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from hotline.settings import DEFAULT_CATALOGUE
from hotline.temporal.cluster import retention_of
from tests.support.people import AGENT, CREW, CUSTOMERS, DISPATCHER, Hotline
from tests.support.ports import free_ports
from tests.support.service import Service, environment, wait_until
from tests.support.tls import CERTIFICATE, TLS_KEY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

AT_ONCE = 4
CLI = "hotline.cli.main"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose operator has the widest umask, and has made the folder for all to see."""
    service = Service(tmp_path_factory.mktemp("processes"), program=Path(sys.executable).with_name("hotline"))
    usual = os.umask(0)
    service.data_dir.mkdir()
    try:
        with service:
            yield service
    finally:
        os.umask(usual)


def open_to_others(folder: Path) -> list[str]:
    """The folder and what is in it, as far as group or others have any right to it."""
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    return [f"{path}: {mode:o}" for path, mode in found.items() if mode & 0o077]


def test_no_file_in_the_data_folder_is_open_to_others(service: Service, tmp_path: Path) -> None:
    hotline = Hotline(service)
    hotline.import_customers()
    location = {"district": "west", "address": "西区长洲 12 号"}
    case = hotline.register(
        AGENT, service_code="no_water", caller={"phone": "0760 88230001"}, location=location, description="家里没水"
    )
    case.act(DISPATCHER, "dispatch", department="repair")
    case.act(CREW, "sign_for")
    case.told()
    hotline.close()
    new = tmp_path / "new.toml"
    new.write_text(f'extends = "{DEFAULT_CATALOGUE}"\nname = "Another"\n', encoding="utf-8")
    short = {"HOTLINE_UPDATE_TIMEOUT_SECONDS": "1", "HOTLINE_RECONCILE_SECONDS": "1"}
    service.run("catalogue", "apply", str(new), "--yes", **short)

    assert open_to_others(service.data_dir) == []
    files = {path.relative_to(service.data_dir).as_posix() for path in service.data_dir.rglob("*")}
    databases = {f"{name}.db{more}" for name in ("hotline", "temporal") for more in ("", "-wal", "-shm")}
    programs = ("temporal", "migrate", "temporal-setup", "admin-key", "worker", "api")
    logs = {f"logs/{name}.log" for name in programs}
    catalogues = {"catalogues/in_force.json", "catalogues/lock", "catalogues/apply.lock"}
    keys = {"people.json", "admin.key", "keys.json", "keys.json.lock"}
    assert files >= {"lock", "run.json", "notifications.log"} | databases | logs | catalogues | keys


@pytest.mark.parametrize(
    "command", [["key", "create", "Wang", "--role", "agent"], ["migrate"], ["customers", "import", str(CUSTOMERS)]]
)
def test_a_command_makes_files_for_its_user_alone(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    env = environment() | {"HOTLINE_DATA_DIR": str(folder)}
    argv = [sys.executable, "-m", CLI, *command]
    subprocess.run(argv, cwd=ROOT, env=env, umask=0, check=True, capture_output=True)
    assert any(path.is_file() for path in folder.iterdir())
    assert open_to_others(folder) == []


def test_a_worker_ends_when_it_is_asked_to_though_temporal_is_away(tmp_path: Path) -> None:
    env = environment() | {"HOTLINE_DATA_DIR": str(tmp_path / "data"), "TEMPORAL_ADDRESS": "127.0.0.1:9"}
    log = tmp_path / "log"
    with (
        log.open("w") as out,
        subprocess.Popen([sys.executable, "-m", CLI, "worker"], cwd=ROOT, env=env, stdout=out, stderr=out) as process,
    ):
        try:
            wait_until(lambda: "trying on" in log.read_text(encoding="utf-8"), lambda: log.read_text(encoding="utf-8"))
            process.terminate()
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


def test_a_machine_with_other_keys_is_refused_and_told(service: Service, tmp_path: Path) -> None:
    """A second machine on which somebody has started a worker without the keys of the first."""
    own, theirs = tmp_path / "second" / "keys.json", service.data_dir / "keys.json"
    env = environment() | {"HOTLINE_DATA_DIR": str(own.parent), "TEMPORAL_ADDRESS": service.temporal}
    env |= {"HOTLINE_DATABASE_URL": f"sqlite:///{service.data_dir / 'hotline.db'}"}

    def run(*arguments: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", CLI, *arguments]
        ended = subprocess.run(argv, check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
        return ended.returncode, ended.stderr

    def told() -> str:
        keys = httpx.get(f"{service.api}/readyz", trust_env=False).json()["keys"]
        assert (keys["ok"], "hotline keys merge FILE" in str(keys["remedy"])) == (False, True)
        return str(keys["detail"])

    code, said = run("worker")
    assert (code, f"{own} is gone, and " in said, "Copy the file of another machine" in said) == (2, True, True), said
    assert "keys differ: worker on " in told()
    assert run("keys", "rotate")[0] == 0
    code, said = run("worker")
    assert (code, f"keys differ: the other processes of the service have no key of {own}" in said) == (2, True), said
    assert re.search("api on .* lacks .*; worker on .* lacks ", told())
    assert run("keys", "merge", str(theirs))[0] == 0
    log = tmp_path / "log"
    argv = [sys.executable, "-m", CLI, "worker"]
    with log.open("w") as out, subprocess.Popen(argv, cwd=ROOT, env=env, stdout=out, stderr=out) as worker:
        try:
            wait_until(lambda: "is polling" in log.read_text(encoding="utf-8"), lambda: log.read_text(encoding="utf-8"))
        finally:
            worker.terminate()


def test_the_api_alone_makes_files_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    [port] = free_ports(1)
    env = environment() | {"HOTLINE_DATA_DIR": str(folder), "HOTLINE_API_PORT": str(port)}
    argv = [sys.executable, "-m", CLI, "api"]
    with subprocess.Popen(argv, cwd=ROOT, env=env, umask=0, stderr=subprocess.DEVNULL) as process:

        def answers() -> bool:
            assert process.poll() is None
            try:
                return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success
            except httpx.TransportError:
                return False

        try:
            wait_until(answers, lambda: "no answer")
        finally:
            process.terminate()
    assert (folder / "catalogues" / "in_force.json").exists()
    assert open_to_others(folder) == []


def test_the_embedded_temporal_keeps_ended_histories_for_30_days(service: Service) -> None:
    async def kept() -> timedelta:
        return await retention_of(await Client.connect(service.temporal))

    assert asyncio.run(kept()) == timedelta(days=30)


@pytest.mark.parametrize(
    ("reached", "code", "times"), [(True, 0, 8), pytest.param(True, 0, 20, marks=pytest.mark.night), (False, 2, 4)]
)
def test_a_command_that_talked_to_temporal_ends_in_order(
    service: Service, reached: bool, code: int, times: int
) -> None:
    """Taken down as usual, the interpreter aborts about once in seven times.

    Some forty commands of other tests end in order as well: most talk to Temporal, and an abort fails each test.
    """
    more = {} if reached else {"TEMPORAL_ADDRESS": "127.0.0.1:9"}
    for _ in range(times // AT_ONCE):
        for process in [service.begin("temporal-setup", "--wait", "0", **more) for _ in range(AT_ONCE)]:
            out, said = process.communicate(timeout=60)
            assert process.returncode == code, said
            assert bool(out) is reached
            assert said.startswith("" if reached else "hotline: not set up: Temporal does not answer")
            assert said.count("\n") == (not reached), said


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens, so that nothing else comes up there on any interface."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("command", ["api", "up"])
def test_http_for_the_network_is_refused(command: str, taken: int, tmp_path: Path) -> None:
    settings = {"HOTLINE_DATA_DIR": tmp_path / "data", "HOTLINE_API_HOST": "0.0.0.0", "HOTLINE_API_PORT": taken}  # noqa: S104 - refused
    env = environment() | {name: str(value) for name, value in settings.items()}
    argv = [sys.executable, "-m", CLI, command]
    done = subprocess.run(argv, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "HTTP on 0.0.0.0 is not encrypted" in done.stdout + done.stderr
    assert not (tmp_path / "data" / "admin.key").exists()


def test_the_api_serves_https_and_leads_to_it_from_the_former_port_of_the_ui(tmp_path: Path) -> None:
    port, former = free_ports(2)
    settings = {
        "HOTLINE_DATA_DIR": tmp_path / "data",
        "HOTLINE_API_PORT": port,
        "HOTLINE_UI_PORT": former,
        "HOTLINE_TLS_CERTIFICATE": CERTIFICATE,
        "HOTLINE_TLS_KEY": TLS_KEY,
    }
    env = environment() | {name: str(value) for name, value in settings.items()}
    context = ssl.create_default_context(cafile=CERTIFICATE)
    address = f"https://localhost:{port}"
    api = subprocess.Popen([sys.executable, "-m", "api", address], cwd=ROOT, env=env)
    try:
        with httpx.Client(base_url=address, verify=context, trust_env=False) as client:
            wait_until(lambda: _is_alive(client), lambda: "the API does not answer")
            assert "max-age" in client.get("/healthz").headers["strict-transport-security"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://localhost:{port}/healthz", trust_env=False)
        # Bookmarks have no TLS.
        led = httpx.get(f"http://127.0.0.1:{former}/healthz", trust_env=False)
        assert (led.status_code, led.headers["location"]) == (307, f"{address}/temporal/healthz")
    finally:
        api.terminate()
        api.wait(30)


def _is_alive(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False
