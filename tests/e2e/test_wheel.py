"""The wheel alone, in an empty environment: `hotline up` there takes a case from the call to its end."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.people import AGENT, CREW, DISPATCHER, FOLLOW_UP, Hotline
from tests.support.service import Service, environment

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]["find"]
SOURCES = [path for pattern in PACKAGES["include"] for path in ROOT.glob(pattern) if path.is_dir()]
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
"""Name and version, of a line of `requirements.txt`."""
LITTER = shutil.ignore_patterns("__pycache__", "*.egg-info")


def pip(*arguments: str, python: Path = Path(sys.executable)) -> None:
    argv = [sys.executable, "-m", "pip", "--quiet", "--python", str(python), *arguments]
    subprocess.run(argv, cwd=python.parent, env=environment(), check=True)


def link_pinned(folder: Path) -> None:
    """Put the pinned libraries into an environment: links to those of this one, whose hashes pip has compared.

    Raises PackageNotFoundError if this one lacks a library.
    """
    here = Path(sysconfig.get_path("purelib"))
    [there] = folder.glob("lib/python*/site-packages")
    for name, version in PINNED.findall((ROOT / "requirements.txt").read_text("utf-8")):
        installed = distribution(name)
        assert installed.version == version
        for file in map(str, installed.files or ()):
            # All programs of the service would compile them at once.
            for each in (file, cache_from_source(file)):
                source, target = here / each, there / each
                if source.exists() and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(source)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing of the build stays in the checkout."""
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    for name in ("LICENSE", "pyproject.toml", "worker.py"):
        shutil.copy(ROOT / name, copy)
    for package in SOURCES:
        shutil.copytree(package, copy / package.name, ignore=LITTER)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built), str(copy))
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def service(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`hotline up` of an environment that has the wheel and the pinned libraries, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    link_pinned(folder / "venv")
    pip("install", "--no-compile", "--no-deps", "--no-index", str(wheel), python=python)
    with Service(folder, program=python.with_name("hotline")) as service:
        yield service


def test_the_wheel_holds_every_file_of_its_packages(wheel: Path) -> None:
    files = {path.relative_to(ROOT).as_posix() for package in SOURCES for path in package.rglob("*") if path.is_file()}
    with ZipFile(wheel) as archive:
        assert {name for name in files if not fnmatch(name, "*/__pycache__/*")} <= {*archive.namelist()}
        assert "worker.py" in archive.namelist()


def test_an_installed_wheel_takes_a_case_to_its_end(service: Service) -> None:
    hotline = Hotline(service)
    location = {"district": "west", "address": "西区长洲 12 号"}
    case = hotline.register(AGENT, service_code="no_water", location=location, description="家里没水")
    case.act(DISPATCHER, "dispatch", department="repair")
    case.act(CREW, "sign_for")
    case.act(CREW, "complete", result="阀门已更换")
    case.act(AGENT, "reply", message="已恢复供水")
    case.act(FOLLOW_UP, "follow_up", outcome="satisfied")
    assert case.see()["state"] == "closed"
    hotline.close()
