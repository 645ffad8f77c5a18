"""An installation on a bare clone: it says at once what it does, and goes on saying how far it is."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"""#!{sys.executable}
import pathlib, shutil, sys, time
here = pathlib.Path(__file__)
if sys.argv[1:3] == ["-m", "venv"]:
    for part in ("bin", "lib/python3/site-packages"):
        pathlib.Path(sys.argv[-1], part).mkdir(parents=True)
    shutil.copy(here, pathlib.Path(sys.argv[-1], "bin", "python"))
if "-r" in sys.argv:
    folder = here.parents[1]
    for step, told in enumerate(("Collecting one", "Collecting two", "Installing collected packages: one, two")):
        print(told, flush=True)
        while not (folder / f"step{{step}}").exists():
            time.sleep(0.05)
    if (folder / "fail").exists():
        sys.exit("ERROR: no matching distribution")
    (folder / "lib/python3/site-packages/one-1.dist-info").mkdir()
"""
"""A Python that makes environments with itself inside, and a pip that waits for the test before each step."""
FIND = f"""#!/bin/sh
{shutil.which("find")} "$@"
echo "find: 'lib/python3/site-packages/two': No such file or directory" >&2
exit 1
"""
"""A `find` that meets a folder which pip removes at that moment."""


class Clone:
    """Parts of a clone that an installation needs, with two packages, and its output while it runs."""

    def __init__(self, folder: Path) -> None:
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "tools", folder / "tools")
        (folder / "requirements.txt").write_text("one==1 \\\n    --hash=sha256:0\n    # via x\ntwo==2\n")
        for name, program in (("python", PYTHON), ("find", FIND)):
            (folder / name).write_text(program, encoding="utf-8")
            (folder / name).chmod(0o755)
        self.environment = folder / ".venv"
        env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        pipe = subprocess.PIPE
        self.make = subprocess.Popen(
            [str(shutil.which("make")), ".venv/runs"],
            cwd=folder,
            env=env | {"PYTHON": str(folder / "python"), "PATH": f"{folder}:{env['PATH']}"},
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def line(self) -> str:
        assert self.make.stdout is not None
        return self.make.stdout.readline().strip()

    def allow(self, step: int) -> None:
        (self.environment / f"step{step}").touch()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    clone = Clone(tmp_path)
    yield clone
    for step in range(3):
        clone.allow(step)
    clone.make.communicate(timeout=60)


@pytest.mark.slow
def test_an_installation_tells_how_far_it_is_while_pip_works(clone: Clone) -> None:
    assert clone.line() == f"Making the environment .venv with {clone.environment.with_name('python')}"
    assert clone.line() == "Installing 2 packages into .venv; the first time takes a minute or two"
    # Said twice, though pip has not got any further.
    assert [clone.line() for _ in range(2)] == ["2 packages: 1 fetched, 0 installed"] * 2
    clone.allow(0)
    while (line := clone.line()) != "2 packages: 2 fetched, 0 installed":
        assert line == "2 packages: 1 fetched, 0 installed"
    clone.allow(1)
    clone.allow(2)
    rest, said = clone.make.communicate(timeout=60)
    assert (clone.make.returncode, said) == (0, "")
    *_, counts, last = map(str.strip, rest.splitlines())
    assert (counts, last) == ("2 packages: 2 fetched, 1 installed", "Installing the hotline command")
    assert (clone.environment / "runs").exists()


def test_an_installation_that_fails_shows_what_pip_said(clone: Clone) -> None:
    assert [clone.line() for _ in range(2)][1].startswith("Installing 2 packages")
    (clone.environment / "fail").touch()
    for step in range(3):
        clone.allow(step)
    _, said = clone.make.communicate(timeout=60)
    assert clone.make.returncode != 0
    assert "Collecting two\n" in said
    assert "ERROR: no matching distribution" in said
    assert not (clone.environment / "runs").exists()


@pytest.mark.parametrize(
    ("target", "lists"), [("run", {"requirements.txt"}), ("test", {"requirements.txt", "requirements-dev.txt"})]
)
def test_a_target_installs_what_it_needs_and_no_more(target: str, lists: set[str], tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    asked = subprocess.run(
        [str(shutil.which("make")), "-n", target], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"requirements\S*\.txt", asked.stdout)) == lists
