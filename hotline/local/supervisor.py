"""Supervisor of programs: starts them, restarts those that end, and ends them in order.

It uses no library and no thread, so that little can break in it. On Linux the kernel ends the programs if the
supervisor is killed; programs that are left all the same are ended by the next run, by the records in `run.json`.
"""

import asyncio
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hotline.errors import OperatorError

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEADY_AFTER_SECONDS = 30.0
DEATHS_BEFORE_GIVING_UP = 5
STALE_GRACE_SECONDS = 5.0
LOG_BYTES = 10_000_000
LOG_GENERATIONS = 3
LOG_LOOK_SECONDS = 60.0
TAIL_LINES = 6
TAIL_BYTES = 8192
PR_SET_PDEATHSIG = 1
LINUX = platform.system() == "Linux"

Say = Callable[[str], None]


class SupervisorError(OperatorError):
    """Error of a service that cannot be started or kept running."""


@dataclass(frozen=True)
class Program:
    """Program to run. `grace_seconds` is the time it may take to end by itself after SIGTERM."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    grace_seconds: float = 10.0


class Records:
    """File of the running programs of a data folder, for a run that comes after a `kill -9`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, int | str]] = {}

    def add(self, name: str, pid: int) -> None:
        """Note a program that was just started."""
        self._entries[name] = {"pid": pid, "mark": process_mark(pid) or ""}
        self._write()

    def remove(self, name: str) -> None:
        """Forget a program that has ended."""
        self._entries.pop(name, None)
        self._write()

    async def end_stale(self, say: Say) -> None:
        """End the processes of an earlier run. A process id alone is no proof: its start must be the same."""
        for name, entry in self._read().items():
            pid, mark = int(entry["pid"]), str(entry["mark"])
            if mark and process_mark(pid) == mark:
                say(f"ending {name}, process {pid}, which an earlier run left behind")
                await _end_process(pid, mark)
        self._write()

    def _read(self) -> dict[str, dict[str, int | str]]:
        try:
            entries: dict[str, dict[str, int | str]] = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return entries

    def _write(self) -> None:
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps(self._entries, indent=1), encoding="utf-8")
        aside.replace(self._path)


class Child:
    """One program, restarted whenever it ends, until `stop`."""

    def __init__(self, program: Program, log: Path, records: Records, say: Say) -> None:
        self.program = program
        self.deaths = 0
        self.steady = False
        self._log = log
        self._records = records
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Run the program once; return its exit code, negative for a signal."""
        with self._log.open("ab") as log:
            self._process = await _spawn(self.program, log)
        if self._stopping.is_set():
            self.kill()
        self._records.add(self.program.name, self._process.pid)
        try:
            return await self._process.wait()
        finally:
            self._records.remove(self.program.name)

    async def keep(self, *, until_success: bool = False) -> None:
        """Run the program again and again, with growing pauses while it does not live long.

        Raises:
            SupervisorError: it ended `DEATHS_BEFORE_GIVING_UP` times before the service was `steady`.
        """
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self.run()
            if self._stopping.is_set() or (until_success and code == 0):
                return
            if time.monotonic() - began >= STEADY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._tell_death(code, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """End the program: SIGTERM, and SIGKILL when its grace is over."""
        self._stopping.set()
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self.program.grace_seconds)
        except TimeoutError:
            self._say(f"{self.program.name} did not end within {self.program.grace_seconds:g} s and is killed")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End the program at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def tail(self) -> str:
        """Return the last lines that the program wrote, each with its name before it."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  {self.program.name} | {line}" for line in lines)

    def _tell_death(self, code: int, pause: float) -> None:
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        self.deaths += 1
        if not self.steady and self.deaths >= DEATHS_BEFORE_GIVING_UP:
            raise SupervisorError(
                f"{self.program.name} ended {self.deaths} times ({how}); see {self._log}\n{self.tail()}"
            )
        self._say(
            f"{self.program.name} ended ({how}); starting it again in {pause:g} s; see {self._log}\n{self.tail()}"
        )


class Supervisor:
    """Programs of one data folder. They are ended in the reverse order of their start."""

    def __init__(self, data_dir: Path, say: Say) -> None:
        self._logs = data_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self.records = Records(data_dir / "run.json")
        self._say = say
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = [asyncio.create_task(self._keep_logs_small())]
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, program: Program, *, until_success: bool = False, patient: bool = False) -> "asyncio.Task[None]":
        """Start a program and keep it: for ever, or until it ends with success, which ends the task.

        A patient start never gives up on it.
        """
        child = Child(program, self._logs / f"{program.name}.log", self.records, self._say)
        child.steady = patient
        self._children.append(child)
        task = asyncio.create_task(child.keep(until_success=until_success), name=program.name)
        task.add_done_callback(self._notice)
        self._tasks.append(task)
        return task

    def steady(self) -> None:
        """Restart programs however often they die from now on; before, `broken` ends the attempt."""
        for child in self._children:
            child.steady = True

    async def stop(self) -> None:
        """End every program, the last one started first."""
        for child in reversed(self._children):
            await child.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """End every program at once, for an operator who will not wait."""
        for child in self._children:
            child.kill()

    def _notice(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    async def _keep_logs_small(self) -> None:
        while True:
            for log in self._logs.glob("*.log"):
                rotate(log)
            await asyncio.sleep(LOG_LOOK_SECONDS)


def rotate(log: Path, limit: int = LOG_BYTES) -> None:
    """Move what a large log holds aside. The program keeps its open file: it appends, so it goes on at the start."""
    if log.stat().st_size <= limit:
        return
    for generation in range(LOG_GENERATIONS - 1, 0, -1):
        older = log.with_suffix(f".log.{generation}")
        if older.exists():
            older.replace(log.with_suffix(f".log.{generation + 1}"))
    shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


def process_mark(pid: int) -> str | None:
    """Return the start of a process, which tells it from a later one with the same id; None if there is none."""
    if LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        except OSError:
            return None
        # The name in parentheses may hold spaces; after it come the state and, as the 20th, the start in ticks.
        state, *rest = stat.rpartition(")")[2].split()
        return None if state == "Z" else f"{boot}:{rest[18]}"
    found = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


async def _end_process(pid: int, mark: str) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        give_up_at = time.monotonic() + STALE_GRACE_SECONDS
        while time.monotonic() < give_up_at:
            if process_mark(pid) != mark:
                return
            await asyncio.sleep(0.05)
    raise SupervisorError(f"process {pid} of an earlier run does not end, even killed")


async def _spawn(program: Program, log: IO[bytes]) -> asyncio.subprocess.Process:
    parent = os.getpid()
    return await asyncio.create_subprocess_exec(
        *program.argv,
        env=dict(program.env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=asyncio.subprocess.STDOUT,
        # A Ctrl-C in the terminal is for the supervisor, which ends the programs in order.
        start_new_session=True,
        preexec_fn=lambda: _die_with_parent(parent),
    )


_libc = ctypes.CDLL(None) if LINUX else None


def _die_with_parent(parent: int) -> None:
    """Make the kernel kill this child when its supervisor ends. Runs in the child, before its program."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
