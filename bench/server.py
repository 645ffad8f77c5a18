"""The whole service for a benchmark: the real `hotline up`, in a data folder of its own, on free ports."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

READY_WITHIN_SECONDS = 90.0
LOOK_EVERY_SECONDS = 0.1
STOP_WITHIN_SECONDS = 60.0
HTTP_OK = 200


class ServiceError(Exception):
    """The service did not come up, or not back; the text holds what it said."""


def free_ports(count: int) -> list[int]:
    """TCP ports of the loopback that nothing listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


class Service:
    """A running service: `async with Service() as service`. Leaving ends every process and removes the data."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hotline-bench-")
        self.data_dir = Path(self._folder.name)
        self._api_port, self._temporal_port, self._ui_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def temporal_address(self) -> str:
        """Host and port of Temporal's front end."""
        return f"127.0.0.1:{self._temporal_port}"

    @property
    def key(self) -> str:
        """The administrator's API key."""
        return (self.data_dir / "admin.key").read_text(encoding="utf-8").strip()

    def processes(self) -> dict[str, int]:
        """The supervised programs that run now: name to process id."""
        entries = json.loads((self.data_dir / "run.json").read_bytes())
        return {name: int(entry["pid"]) for name, entry in entries.items()}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()

    async def start(self) -> None:
        """Start the service and wait until it takes complaints.

        Raises:
            ServiceError: it ended, or was not ready within `READY_WITHIN_SECONDS`.
        """
        options = {
            "--data-dir": self.data_dir,
            "--api-port": self._api_port,
            "--temporal-port": self._temporal_port,
            "--ui-port": self._ui_port,
        }
        argv = [sys.executable, "-m", "cli", "up", *(str(part) for option in options.items() for part in option)]
        self._process = _launch(argv, self._log)
        await self._until_ready()

    def stop(self) -> None:
        """End the service as an operator would, by SIGTERM to the supervisor."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def _log(self) -> Path:
        return self.data_dir / "up.log"

    async def _until_ready(self) -> None:
        give_up_at = time.monotonic() + READY_WITHIN_SECONDS
        async with aiohttp.ClientSession() as session:
            while not await self._ready(session):
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > give_up_at:
                    self.stop()
                    raise ServiceError(f"the service is not ready:\n{self._log.read_text(encoding='utf-8')}")
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/readyz") as response:
                return response.status == HTTP_OK
        except aiohttp.ClientError:
            return False


def clean_environment(**more: str) -> dict[str, str]:
    """The environment for what is measured: without what the shell has set up for another service.

    Python may cache compiled modules, which some shells switch off: the sandbox loads modules anew for every run.
    """
    ours = ("HOTLINE_", "TEMPORAL_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def _launch(argv: list[str], log_file: Path) -> subprocess.Popen[bytes]:
    with log_file.open("ab") as log:
        return subprocess.Popen(argv, env=clean_environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)


@contextmanager
def child(module: str, *arguments: str, ready: str) -> Iterator[subprocess.Popen[str]]:
    """Another of the benchmark's own programs, running while the block does; it says the line `ready` when it is.

    Raises:
        ServiceError: it said something else, or ended.
    """
    argv = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(argv, env=clean_environment(), stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline().strip() if process.stdout else ""
        if said != ready:
            raise ServiceError(f"{module} said {said!r} instead of {ready!r}")
        yield process
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_SECONDS)


async def answer(module: str, *arguments: str, **environment: str) -> Any:  # noqa: ANN401 - any JSON
    """Run another of the benchmark's own programs to its end; answer the JSON that it prints.

    Raises:
        ServiceError: it failed; what it said stands above, in the terminal.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=clean_environment(**environment), stdout=subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise ServiceError(f"{module} {' '.join(arguments)} failed with code {process.returncode}")
    return json.loads(said)
