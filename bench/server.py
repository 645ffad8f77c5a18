"""Service for a benchmark: Temporal, worker and API in a data folder of their own, on free ports.

The benchmark starts Temporal itself. All else is done by `hotline` commands of the checkout that is measured, so that
another commit can be measured as well.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from hotline.local import service as local_service
from hotline.local.supervisor import Program, Supervisor
from hotline.settings import Settings, variable
from tests.support.ports import free_ports

READY_WITHIN_SECONDS = 90.0
LOOK_EVERY_SECONDS = 0.1
STOP_WITHIN_SECONDS = 60.0
HTTP_OK = 200
FOLDER_PREFIX = "hotline-bench-"
INSTALLED_HERE = Path(sys.executable).parent
"""Folder of the present checkout's programs."""
FULL, NORMAL = MODES = ("full", "normal")
"""Modes of SQLite, for Temporal and the read model: `full` waits for the disk at each commit."""
UNSAFE = "unsafe_at_power_loss"
"""Setting for `normal`."""


class ServiceError(Exception):
    """Error of a program that failed, or of a service that did not become ready; the text holds its output."""


class Service:
    """A running service, as `running` yields it."""

    def __init__(self, data_dir: Path, synchronous: str, programs: Path) -> None:
        self.data_dir = data_dir
        self.key = ""
        """The administrator's API key."""
        api, temporal, ui = free_ports(3)
        self.url = f"http://127.0.0.1:{api}"
        self.temporal_address = f"127.0.0.1:{temporal}"
        unsafe = synchronous == NORMAL
        self.settings = Settings(
            data_dir=data_dir, api_port=api, temporal_port=temporal, ui_port=ui, unsafe_at_power_loss=unsafe
        )
        self._hotline = str(programs / "hotline")
        self._environment = clean_environment(
            HOTLINE_DATA_DIR=str(data_dir),
            HOTLINE_API_PORT=str(api),
            HOTLINE_ACTIONS_PER_CASE="0",
            HOTLINE_TEMPORAL_FILE=str(local_service.temporal_file(self.settings)),
            TEMPORAL_ADDRESS=self.temporal_address,
            TEMPORAL_CONFIG_FILE=os.devnull,
            **{variable(UNSAFE): str(unsafe)},
        )
        self._supervisor = Supervisor(data_dir, tell)

    def processes(self) -> dict[str, int]:
        """Return the supervised programs that run now: name to process id."""
        entries = json.loads((self.data_dir / "run.json").read_bytes())
        return {name: int(entry["pid"]) for name, entry in entries.items()}

    def memory(self) -> dict[str, float]:
        """Return the memory in use of each supervised program, in MiB."""
        return {name: psutil.Process(pid).memory_info().rss / 2**20 for name, pid in self.processes().items()}

    async def hotline(self, *arguments: str) -> str:
        """Run another `hotline` command on the same data; return what it printed. Raises ServiceError."""
        return await run([self._hotline, *arguments], self._environment)

    async def start(self) -> None:
        """Start the service and wait until it takes complaints.

        Raises:
            ServiceError: a command failed, or the service was not ready within `READY_WITHIN_SECONDS`.
            OperatorError: a program ended again and again.
        """
        ui = local_service.LOOPBACK, self.settings.ui_port
        self._supervisor.start(local_service.temporal(self.settings, self._environment, ui))
        await self.hotline("migrate")
        # Until Temporal answers, it is started again.
        await self._supervisor.start(self._program("temporal-setup"), until_success=True)
        self.key = (await self.hotline("key", "create", "bench", "--role", "admin")).strip()
        for command in ("worker", "api"):
            self._supervisor.start(self._program(command))
        await self._until_ready(self.url)
        self._supervisor.steady()

    async def start_further_api(self, **more: str) -> str:
        """Start another API process of the service, with `more` variables; return its URL.

        Raises:
            ServiceError: it is not ready in time.
        """
        [port] = free_ports(1)
        environment = self._environment | {"HOTLINE_API_PORT": str(port)} | more
        argv = (self._hotline, "api")
        self._supervisor.start(Program("further-api", argv, environment, local_service.GRACE_SECONDS))
        url = f"http://127.0.0.1:{port}"
        await self._until_ready(url)
        return url

    async def stop(self) -> None:
        """End every program."""
        await self._supervisor.stop()

    def _program(self, command: str) -> Program:
        return Program(command, (self._hotline, command), self._environment, local_service.GRACE_SECONDS)

    async def _until_ready(self, url: str) -> None:
        give_up_at = time.monotonic() + READY_WITHIN_SECONDS
        async with aiohttp.ClientSession() as session:
            while not await self._ready(session, url):
                if self._supervisor.broken.done():
                    self._supervisor.broken.result()
                if time.monotonic() > give_up_at:
                    raise ServiceError(f"{url}/readyz does not answer 200 within {READY_WITHIN_SECONDS:g} s")
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    @staticmethod
    async def _ready(session: aiohttp.ClientSession, url: str) -> bool:
        try:
            async with session.get(f"{url}/readyz") as response:
                return response.status == HTTP_OK
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def running(synchronous: str, programs: Path = INSTALLED_HERE) -> AsyncIterator[Service]:
    """Yield a running service; leaving ends every process and removes the data.

    Args:
        synchronous: one of `MODES`. A checkout that lacks the setting for it ignores it in its read model.
        programs: folder of the `hotline` command that is measured.

    Raises:
        ServiceError, OperatorError: the service did not come up.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        service = Service(Path(folder), synchronous, programs)
        try:
            await service.start()
            yield service
        finally:
            await service.stop()


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment for measured programs, without variables that make or the shell set for other purposes.

    Python may cache compiled modules, which some shells switch off: the sandbox loads modules anew for every run.
    """
    ours = ("HOTLINE_", "TEMPORAL_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


@contextmanager
def child(
    module: str, *arguments: str, ready: str, python: str = sys.executable, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run another program of the benchmark during the block; it prints the line `ready` when it is ready.

    Raises:
        ServiceError: it printed another line, or ended.
    """
    argv = [python, "-m", module, *arguments]
    process = subprocess.Popen(argv, env=clean_environment(**environment), stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline().strip() if process.stdout else ""
        if said != ready:
            raise ServiceError(f"{module} said {said!r} instead of {ready!r}")
        yield process
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_SECONDS)


async def answer(module: str, *arguments: str, **environment: str) -> Any:  # noqa: ANN401 - any JSON
    """Run another of the benchmark's own programs to its end; return the JSON that it prints. Raises ServiceError."""
    return json.loads(await run([sys.executable, "-m", module, *arguments], clean_environment(**environment)))


async def run(argv: Sequence[str], environment: dict[str, str]) -> str:
    """Run a program to its end and return what it printed. If this is cancelled, the program's processes are killed.

    Raises:
        ServiceError: it failed.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment, stdout=pipe, stderr=pipe, start_new_session=True
    )
    try:
        said, errors = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode:
        raise ServiceError(f"{' '.join(argv)} failed with code {process.returncode}\n{errors.decode().strip()}")
    return said.decode()


def tell(text: str) -> None:
    """Print progress to standard error; only the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)
