"""Supervisor of programs, which starts them, restarts those that end, and ends them in order.

On Linux the kernel ends the programs if the supervisor is killed; those that are left in spite of that are ended by the
next run, which finds them in `run.json`. No thread is used, so that little can break.
"""

import asyncio
import ctypes
import json
import os
import platform
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from domain.shared.errors import OperatorError
from hotline.files.data_folder import RUN_FILE, write_private

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEADY_AFTER_SECONDS = 30.0
DEATHS_BEFORE_GIVING_UP = 5
STALE_GRACE_SECONDS = 5.0
LOG_BYTES = 10_000_000
LOG_GENERATIONS = 3
LOG_CHECK_SECONDS = 60.0
TAIL_LINES = 6
TAIL_BYTES = 8192
PR_SET_PDEATHSIG = 1

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """Program to run, reached at `address`, which may take so many seconds to end by itself after SIGTERM."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    grace_seconds: float = 10.0
    address: str | None = None


class Supervisor:
    """Programs of one data folder. They are ended in the reverse order of their start."""

    def __init__(self, data_dir: Path, say: Say) -> None:
        self._logs = data_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._records = data_dir / RUN_FILE
        # A snapshot of a file system has the numbers of the original.
        self._folder = f"{data_dir.stat().st_dev}:{data_dir.stat().st_ino}"
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._say = say
        self._steady = False
        self._stopping = False
        self._running: dict[str, tuple[Program, Process]] = {}
        self._tasks: list[asyncio.Task[None]] = [asyncio.create_task(self._rotate_logs())]

    def start(self, program: Program, *, until_success: bool = False, patient: bool = False) -> "asyncio.Task[None]":
        """Start a program and restart it whenever it ends, or until it ends with success, which ends the task.

        A patient start never gives up. Cancelling the task ends the program.
        """
        task = asyncio.create_task(
            self._run_again(program, until_success=until_success, patient=patient), name=program.name
        )
        task.add_done_callback(self._notice)
        self._tasks.append(task)
        return task

    def steady(self) -> None:
        """Restart programs without limit from now on; before, `broken` gets an error after five ends of one program."""
        self._steady = True

    async def end_stale(self) -> None:
        """End the processes of an earlier run.

        The start must match too, since process ids are reused, and the folder: the original of a copy may be in use.
        """
        stale: dict[str, dict[str, Any]] = {}
        with suppress(FileNotFoundError, ValueError):
            stale = json.loads(self._records.read_bytes())
        for name, entry in stale.items():
            pid, start = entry["pid"], entry.get("started_at")
            if start and started_at(pid) == start and entry.get("folder") == self._folder:
                self._say(f"ending {name}, process {pid}, which an earlier run left behind")
                await _end_process(pid, start)
        self._record()

    async def stop(self) -> None:
        """End every program, the last one started first."""
        self._stopping = True
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def kill(self) -> None:
        for _, process in self._running.values():
            if process.returncode is None:
                process.kill()

    async def _run_again(self, program: Program, *, until_success: bool, patient: bool) -> None:
        """Run it again and again, with growing pauses. Raises OperatorError if it ends often before `steady`."""
        log = self._logs / f"{program.name}.log"
        pause, deaths = FIRST_PAUSE_SECONDS, 0
        while True:
            began = time.monotonic()
            code = await self._run(program, log)
            if self._stopping or (until_success and code == 0):
                return
            if time.monotonic() - began >= STEADY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            deaths += 1
            reason = signal.Signals(-code).name if code < 0 else f"code {code}"
            last_lines = f"see {log}\n{_tail(program.name, log)}"
            if deaths >= DEATHS_BEFORE_GIVING_UP and not (patient or self._steady):
                raise OperatorError(f"{program.name} ended {deaths} times ({reason}); {last_lines}")
            self._say(f"{program.name} ended ({reason}); starting it again in {pause:g} s; {last_lines}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _run(self, program: Program, log: Path) -> int:
        """Run the program once; return its exit code, negative for a signal. If cancelled, end the program first."""
        parent = os.getpid()
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                env=dict(program.env),
                stdin=DEVNULL,
                stdout=file,
                stderr=STDOUT,
                # A Ctrl-C in the terminal is for the supervisor, which ends the programs in order.
                start_new_session=True,
                preexec_fn=lambda: _die_with_parent(parent),
            )
        self._running[program.name] = program, process
        try:
            self._record()
            return await process.wait()
        finally:
            await self._end(program, process)
            del self._running[program.name]
            self._record()

    async def _end(self, program: Program, process: Process) -> None:
        """Send SIGTERM to the process, and SIGKILL after its grace; do nothing if it has ended."""
        if process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), program.grace_seconds)
        except TimeoutError:
            self._say(f"{program.name} did not end within {program.grace_seconds:g} s and is killed")
            process.kill()
            await process.wait()

    def _record(self) -> None:
        """Write the running programs to `run.json`, for commands, and for a run that comes after a `kill -9`."""
        folder = self._folder
        records = {
            name: {"pid": each.pid, "started_at": started_at(each.pid), "folder": folder, "address": program.address}
            for name, (program, each) in self._running.items()
        }
        write_private(self._records, json.dumps(records, indent=1))

    def _notice(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    async def _rotate_logs(self) -> None:
        while True:
            for log in self._logs.glob("*.log"):
                rotate(log)
            await asyncio.sleep(LOG_CHECK_SECONDS)


def _tail(name: str, log: Path) -> str:
    lines = log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"  {name} | {line}" for line in lines)


def rotate(log: Path, limit: int = LOG_BYTES) -> None:
    """Copy a large log aside and empty it. The program appends, so it continues at the start of the file."""
    if log.stat().st_size <= limit:
        return
    for generation in range(LOG_GENERATIONS - 1, 0, -1):
        older = log.with_suffix(f".log.{generation}")
        if older.exists():
            older.replace(log.with_suffix(f".log.{generation + 1}"))
    shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


def started_at(pid: int) -> float | None:
    """In seconds since 1970; None if no such process runs."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return float(process.create_time())
    return None


async def _end_process(pid: int, start: float) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        give_up_at = time.monotonic() + STALE_GRACE_SECONDS
        while time.monotonic() < give_up_at:
            if started_at(pid) != start:
                return
            await asyncio.sleep(0.05)
    raise OperatorError(f"process {pid} of an earlier run does not end, even killed")


_libc = ctypes.CDLL(None) if platform.system() == "Linux" else None


def _die_with_parent(parent: int) -> None:
    """Make the kernel kill this child when its supervisor ends. Runs in the child, before its program."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
