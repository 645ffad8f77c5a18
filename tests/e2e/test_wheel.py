"""The wheel alone, in an empty environment: `hotline up` there takes a case from the call to its end."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.people import AGENT, CREW, DISPATCHER, FOLLOW_UP, Hotline
from tests.support.service import Service, environment

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]["find"]
SOURCES = [path for pattern in PACKAGES["include"] for path in ROOT.glob(pattern) if path.is_dir()]
LITTER = shutil.ignore_patterns("__pycache__", "*.egg-info")


def pip(*arguments: str, python: Path = Path(sys.executable)) -> None:
    argv = [sys.executable, "-m", "pip", "--quiet", "--python", str(python), *arguments]
    subprocess.run(argv, cwd=python.parent, env=environment(), check=True)


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
    pip("install", "--no-compile", "--require-hashes", "-r", str(ROOT / "requirements.txt"), python=python)
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
