"""The whole service for tests: the real `hotline up` on free ports, its programs killed and brought up again."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from domain.shared.actors import Person, Role
from hotline.local.supervisor import started_at
from readmodel.base.database import opened, writing
from readmodel.people import people
from tests.support.forking import Forked
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 300.0
LOOK_EVERY_SECONDS = 0.2
"""Half as often as the limit of a person's reads allows."""
CHILDREN = ("temporal", "worker", "api")
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without it, each look at a service that comes up would read all certificates of the machine."""


def wait_until(holds: Callable[[], bool], explain: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as it holds. Raises RuntimeError with the explanation when it does not in time."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"not within {seconds:g} s:\n{explain()}")
        time.sleep(LOOK_EVERY_SECONDS)


class Service:
    """`with Service(folder) as service`: up and ready within, ended in order after; the data stay in the folder.

    Args:
        folder: for the data, and for what `hotline up` says.
        catalogue: file of services and clocks; the default one where it is None.
        variables: further settings, by the names of their environment variables.
        program: the `hotline` command of an installation, which is run in `folder` and starts its programs by `exec`;
            where it is None, they are forked.
        demo: options of the demo, which then starts the service in place of `hotline up`.
    """

    def __init__(
        self,
        folder: Path,
        catalogue: Path | None = None,
        variables: Mapping[str, str] | None = None,
        program: Path | None = None,
        demo: Sequence[str] = (),
    ) -> None:
        self.data_dir = folder / "data"
        self._command = [str(program)] if program else [sys.executable, "-m", "hotline.cli.main"]
        self._starts_with = [sys.executable, "-m", "demo", "--up", *demo] if demo else [*self._command, "up"]
        # The demo starts commands while it has threads, whose locks a fork would hold for ever.
        self._started_by = subprocess.Popen if demo else Forked
        self._folder = folder if program else ROOT
        self._said = folder / "up.log"
        self._catalogue = catalogue
        self._variables = variables or {}
        self._api, self._temporal, self._ui = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self._api}"

    @property
    def ui(self) -> str:
        """Address of the Temporal UI, behind the sign-in."""
        return f"{self.api}/temporal"

    @property
    def former_ui(self) -> str:
        """Address at which the UI was, which leads to the present one."""
        return f"http://127.0.0.1:{self._ui}"

    @property
    def temporal(self) -> str:
        """Host and port of Temporal."""
        return f"127.0.0.1:{self._temporal}"

    @property
    def admin_key(self) -> str:
        """The administrator's key, which a program of its own writes beside the API."""
        wait_until((file := self.data_dir / "admin.key").exists, self.said)
        return file.read_text(encoding="utf-8").strip()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Run `hotline up` and wait until calls can be taken. Raises RuntimeError where it does not come up."""
        options = {
            "--data-dir": self.data_dir,
            "--api-port": self._api,
            "--temporal-port": self._temporal,
            "--ui-port": self._ui,
            **({"--catalogue": self._catalogue} if self._catalogue else {}),
        }
        argv = [*self._starts_with, *(str(part) for option in options.items() for part in option)]
        with self._said.open("ab") as said:
            env = {**environment(), "HOTLINE_SANDBOX": "true", **self._variables}
            self._process = self._started_by(argv, cwd=self._folder, env=env, stdout=said, stderr=said)
        try:
            wait_until(self._ready, self.said)
        except RuntimeError:
            self.stop()
            raise

    def stop(self) -> None:
        """End it as an operator would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)

    def kill(self, *names: str, first: Callable[[], None] = lambda: None) -> None:
        """`kill -9` of these programs, all in the same instant; `first` is called right before."""
        pids = [self.pid(name) for name in names]
        marks = [started_at(pid) for pid in pids]
        first()
        for pid in pids:
            with suppress(ProcessLookupError):  # the others may die with their supervisor
                os.kill(pid, signal.SIGKILL)
        if self._process and "supervisor" in names:
            self._process.wait()
        wait_until(
            lambda: all(started_at(pid) != mark for pid, mark in zip(pids, marks, strict=True)),
            lambda: f"{names} outlive a kill -9",
        )

    def freeze(self, name: str) -> None:
        """Stop a program without ending it: it neither works nor is it started again."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def run(self, *argv: str, **more: str) -> str:
        """Run another `hotline` command on the same data; what it printed. Raises CalledProcessError."""
        with self.begin(*argv, **more) as process:
            out, err = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args, out, err)
        return out

    def begin(self, *argv: str, **more: str) -> subprocess.Popen[str]:
        """Run one beside the test, which waits for its end."""
        pipe = subprocess.PIPE
        env = self._env() | more
        return Forked([*self._command, *argv], cwd=self._folder, env=env, stdout=pipe, stderr=pipe, text=True)

    def _env(self) -> dict[str, str]:
        # Wide enough that no table is folded. The commands find Temporal by the data folder.
        more = {"HOTLINE_DATA_DIR": str(self.data_dir), "COLUMNS": "200"}
        return environment() | more

    def make_key(self, name: str, role: str, department: str | None = None) -> str:
        """Return a key for a person, who is added; the command `key create` would take seconds of a processor."""
        person = Person(id=name, name=name, role=Role(role), department=department)
        with opened(f"sqlite:///{self.data_dir / 'hotline.db'}") as database, writing(database) as connection:
            return people.issue(connection, person, datetime.now(UTC))[1]

    def said(self) -> str:
        """Return the output of `hotline up` so far."""
        return self._said.read_text(encoding="utf-8")

    def pid(self, name: str) -> int:
        """Return the process id of a program; `supervisor` is the program above the others."""
        if name == "supervisor":
            assert self._process is not None
            return self._process.pid
        entries = json.loads((self.data_dir / "run.json").read_bytes())
        return int(entries[name]["pid"])

    def _ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(self.said())
        try:
            return httpx.get(f"{self.api}/readyz", trust_env=False, verify=NO_TLS).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def environment() -> dict[str, str]:
    """Return the environment without what the shell has set up for another service."""
    foreign = ("HOTLINE_", "PYTHONPATH", "TEMPORAL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
