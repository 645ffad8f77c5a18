"""`make bench` against another commit: the two services in turns, and nothing of them left; no times."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import psutil
import pytest

from bench import against
from bench.server import INSTALLED_HERE, running
from hotline.local.supervisor import started_at
from tests.support.repositories import make_repository
from tests.support.service import ROOT, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.night]

AT_ONCE = f"@mkdir -p .venv/bin && ln -s {INSTALLED_HERE / 'hotline'} .venv/bin/hotline && touch installed"
FOR_EVER = "@mktemp; echo $$$$ > pid; exec sleep 600"
BENCH = """
import signal
import sys
from pathlib import Path
from bench import __main__, against

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background programs do without
against.ROOT = Path(sys.argv.pop(1))
__main__.main()
"""
INTERRUPTED = 130
AGAINST = ("--against", "HEAD", "--rounds", "1")


def repository(folder: Path, installing: str) -> Path:
    """Make a repository whose only commit is installed by this recipe."""
    return make_repository(folder / "repository", "Makefile", f".PHONY: install\ninstall:\n\t{installing}\n")


class Bench:
    """The benchmark in a process of its own, with its temporary folders in one of ours; a test may leave it running."""

    def __init__(self, folder: Path, root: Path, *arguments: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._log = folder / "bench.log"
        argv = [sys.executable, "-c", BENCH, str(root), *arguments]
        with self._log.open("wb") as log:
            env = os.environ | {"TMPDIR": str(self.temporary)}
            self._process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for(self, pattern: str, word: str = "") -> Path:
        """Wait for a file with this word below the temporary folder."""

        def found() -> list[Path]:
            assert self._process.poll() is None, self._log.read_text()
            return [path for path in self.temporary.glob(pattern) if word in path.read_text()]

        wait_until(lambda: bool(found()), self._log.read_text)
        return found()[0]

    def end(self, sign: signal.Signals) -> int:
        """Send a signal and wait for the end; return the exit code."""
        self._process.send_signal(sign)
        return self._process.wait(60)


async def test_another_commit_is_installed_and_measured_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = repository(tmp_path, AT_ONCE)
    monkeypatch.setattr(against, "ROOT", folder)
    text, ratios, [(one, other)] = await against.measure("first", against.Plan(rounds=1, cases=2, warm=1), "full", None)
    used = [f"{name} ms" for name in (*against.PROCESSES, "together")]
    assert all(figures[name] > 0 for figures in (one, other) for name in ("cases/s", *used, "events"))
    assert [figure.bar for figure in ratios] == ["", ""]
    assert "(first), SQLite with synchronous=normal\nround" in text
    assert not (folder / "installed").exists(), "installed in the working tree"


@pytest.mark.parametrize(("mode", "unsafe"), [("full", "False"), ("normal", "True")])
async def test_the_service_runs_in_the_mode_that_the_benchmark_is_told(mode: str, unsafe: str) -> None:
    async with running(mode) as service:
        temporal, worker, api = (psutil.Process(service.processes()[name]) for name in ("temporal", "worker", "api"))
        assert f"synchronous={mode}" in temporal.cmdline()
        for program in (worker, api):
            assert program.environ()["HOTLINE_UNSAFE_AT_POWER_LOSS"] == unsafe


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_benchmark_that_is_ended_leaves_no_server_and_no_folder(tmp_path: Path, sign: signal.Signals) -> None:
    with Bench(tmp_path, repository(tmp_path, AT_ONCE), *AGAINST) as bench:
        programs = json.loads(bench.wait_for("hotline-bench-*/run.json", '"api"').read_bytes())
        assert {*programs} >= {"temporal", "worker", "api"}
        assert bench.end(sign) == INTERRUPTED
    assert [name for name, entry in programs.items() if started_at(entry["pid"]) == entry["started_at"]] == []
    assert not [*bench.temporary.iterdir()]


def test_a_benchmark_that_is_ended_ends_the_installation(tmp_path: Path) -> None:
    with Bench(tmp_path, repository(tmp_path, FOR_EVER), *AGAINST) as bench:
        installing = int(bench.wait_for("hotline-bench-*/pid", "\n").read_text())
        assert started_at(installing)
        assert bench.end(signal.SIGINT) == INTERRUPTED
    wait_until(lambda: started_at(installing) is None, lambda: "the installation goes on")
    assert not [*bench.temporary.iterdir()]


def test_a_benchmark_that_is_ended_ends_the_thread_that_uses_postgresql() -> None:
    # Not in pytest's own folder, whose path may be too long for a socket.
    with TemporaryDirectory(prefix="bench-") as folder:
        with Bench(Path(folder), ROOT, "--only", "lists") as bench:
            file = bench.wait_for("hotline-bench-postgres-*/data/postmaster.pid", "ready")
            postgresql = int(file.read_text().split()[0])
            assert bench.end(signal.SIGTERM) == INTERRUPTED
        assert started_at(postgresql) is None
        assert not [*bench.temporary.glob("hotline-bench-*")]
