"""Generators make clients of docs/openapi.json without a warning, and the clients pass the strict checks of types.

Each generator is installed in an environment of the test, by its pinned version: none is a dependency of the project.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.night, pytest.mark.timeout(1800)]

DOCUMENT = ROOT / "docs" / "openapi.json"
PYTHON = (
    "openapi-python-client==0.29.1",
    "datamodel-code-generator==0.89.0",
    "openapi-generator-cli==7.26.0",
    "mypy==2.4.1",
    "pydantic==2.14.4",
)
NODE = ("openapi-typescript@7.13.0", "@hey-api/openapi-ts@0.95.0", "typescript@5.9")
MODELS = ("--use-annotated", "--set-default-enum-member", "--capitalise-enum-members", "--formatters", "builtin")
"""Options of datamodel-codegen: without the first it writes calls into annotations, which no checker takes."""
OF_ITSELF = re.compile(r"client\.py:\d+: error: Argument \d to \"__a?exit__\"")
"""Faults of the file that openapi-python-client writes for any document."""
EXPECTED = re.compile(
    r"3\.1 support is still in beta|Failed to get the schema name: null|Default to typing\.Any|reserved word"
)
"""Warnings of openapi-generator 7.26: of all documents of 3.1, of any JSON, and of names that it changes itself."""
TYPES = '{"compilerOptions": {"strict": true, "noEmit": true, "target": "es2022", "module": "esnext", "types": [], %s}}'
BUNDLED = '"moduleResolution": "bundler", "lib": ["es2022", "dom", "dom.iterable"]'


def run(folder: Path, *command: str | Path) -> str:
    """Run a command and return what it prints, whether it succeeds or not."""
    # openapi-python-client looks for ruff beside itself.
    env = {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([*map(str, command)], cwd=folder, env=env, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}" + (f"\nexit code {done.returncode}" if done.returncode else "")


def install(folder: Path, *command: str | Path) -> None:
    if "exit code" in (said := run(folder, *command)):
        pytest.fail(f"Generators cannot be installed; the registry has to be reached:\n{said[-2000:]}", pytrace=False)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the programs of the generators in Python."""
    folder = tmp_path_factory.mktemp("python")
    run(folder, sys.executable, "-m", "venv", ".venv")
    install(folder, folder / ".venv/bin/pip", "install", "--quiet", *PYTHON)
    return folder / ".venv" / "bin"


def faults(python: Path, folder: Path, made: str) -> list[str]:
    """Return the errors of mypy --strict that are of the document."""
    found = run(folder, python / "mypy", "--strict", made).splitlines()
    return [line for line in found if ": error:" in line and not OF_ITSELF.search(line)]


def test_openapi_python_client(python: Path, tmp_path: Path) -> None:
    made = ("--meta", "none", "--output-path", tmp_path / "client")
    said = run(tmp_path, python / "openapi-python-client", "generate", "--path", DOCUMENT, *made)
    assert not re.search("warning|unable|exit code", said, re.IGNORECASE), said
    assert faults(python, tmp_path, "client") == []


def test_datamodel_code_generator(python: Path, tmp_path: Path) -> None:
    kind = ("--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--output", "models.py")
    said = run(tmp_path, python / "datamodel-codegen", "--input", DOCUMENT, *kind, *MODELS)
    # Its class for an instant has no place for the years that a request may have.
    assert [
        line for line in said.splitlines() if "Warning: " in line and "take pattern on AwareDatetime" not in line
    ] == []
    assert faults(python, tmp_path, "models.py") == []


def test_openapi_generator(python: Path, tmp_path: Path) -> None:
    """Its Python is not annotated, so that it is compiled alone."""
    if shutil.which("java") is None:
        pytest.fail("openapi-generator needs Java: apt-get install default-jre-headless", pytrace=False)
    generate = ("generate", "-g", "python", "-i", DOCUMENT, "-o", tmp_path / "client")
    said = run(tmp_path, python / "openapi-generator-cli", *generate)
    assert "exit code" not in said, said[-2000:]
    assert [line for line in said.splitlines() if "WARN" in line and not EXPECTED.search(line)] == []
    assert run(tmp_path, sys.executable, "-m", "compileall", "-q", "client/openapi_client") == ""


def test_generators_of_typescript(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.fail("The generators of TypeScript need npm: apt-get install npm", pytrace=False)
    install(tmp_path, "npm", "install", "--silent", "--no-audit", "--no-fund", *NODE)
    programs = tmp_path / "node_modules" / ".bin"
    for said in (
        run(tmp_path, programs / "openapi-typescript", DOCUMENT, "-o", "made/schema.d.ts"),
        run(tmp_path, programs / "openapi-ts", "-i", DOCUMENT, "-o", "made/client", "-c", "@hey-api/client-fetch"),
    ):
        assert not re.search("warn|exit code", said, re.IGNORECASE), said
    (tmp_path / "tsconfig.json").write_text(f'{TYPES[:-1] % BUNDLED}, "include": ["made"]}}', "utf-8")
    assert run(tmp_path, programs / "tsc", "-p", tmp_path) == ""
