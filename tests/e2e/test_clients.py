"""Generators make clients of docs/openapi.json, and the clients pass the strict checks of types.

Warnings and faults are allowed if a generator has the same for a minimal document.

Each generator is installed in an environment of the test, by its pinned version: none is a dependency of the project.
"""

import json
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
    "types-python-dateutil==2.9.0.20261116",
    "urllib3==2.8.0",
)
NODE = ("openapi-typescript@7.13.0", "@hey-api/openapi-ts@0.95.0", "typescript@5.9")
MODELS = ("--use-annotated", "--set-default-enum-member", "--capitalise-enum-members", "--formatters", "builtin")
"""Options of datamodel-codegen: without the first it writes calls into annotations, which no checker takes."""
NAMES = ("--model-name-mappings", "from=FromParameter,date=DateParameter")
"""Options of openapi-generator: it takes names of parameters for names of models, and these are words of Python."""
PET = {
    "kinds": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Kind"}},
    "names": {"type": "array", "items": {"$ref": "#/components/schemas/Name"}},
    "rows": {
        "type": "array",
        "items": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
    },
}
KIND = {"type": "string", "enum": ["cat", "dog"]}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}}
BORN = {"type": "string", "format": "date-time", "pattern": "^2[0-9]{3}-"}
SCHEMAS = {
    "Pet": {"type": "object", "required": [*PET], "properties": PET},
    "Kind": KIND,
    "Name": NAME,
    "Instant": BORN,
}
CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
GET = {"operationId": "get_pet", "tags": ["pets"], "responses": {"200": {"description": "Pet.", "content": CONTENT}}}
MINIMAL = {
    "openapi": "3.1.0",
    "info": {"title": "Water hotline", "version": "1"},
    "servers": [{"url": "http://127.0.0.1"}],
    "paths": {"/pet": {"get": GET}},
    "components": {"schemas": SCHEMAS},
}
"""Document of nothing unusual: what a generator says of it, and the faults of its client, are the generator's own."""
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


@pytest.fixture(scope="module")
def minimal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("minimal") / "openapi.json"
    path.write_text(json.dumps(MINIMAL), "utf-8")
    return path


def faults(python: Path, folder: Path, made: str) -> set[str]:
    """Return the errors of mypy --strict."""
    return {line for line in run(folder, python / "mypy", "--strict", made).splitlines() if ": error:" in line}


def test_openapi_python_client(python: Path, minimal: Path, tmp_path: Path) -> None:
    """The context managers of its clients are wrongly typed."""
    found = dict[Path, set[str]]()
    for document in (DOCUMENT, minimal):
        made = ("--meta", "none", "--overwrite", "--output-path", tmp_path / "client")
        said = run(tmp_path, python / "openapi-python-client", "generate", "--path", document, *made)
        assert not re.search("warning|unable|exit code", said, re.IGNORECASE), said
        found[document] = faults(python, tmp_path, "client")
    assert found[DOCUMENT] <= found[minimal]


def test_datamodel_code_generator(python: Path, minimal: Path, tmp_path: Path) -> None:
    """Its class for an instant has no place for the years that a request may have."""
    kind = ("--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--output", "models.py")
    command = (python / "datamodel-codegen", *kind, *MODELS, "--input")
    warned, expected = (
        {line for line in run(tmp_path, *command, document).splitlines() if "Warning: " in line}
        for document in (DOCUMENT, minimal)
    )
    assert warned <= expected
    run(tmp_path, *command, DOCUMENT)  # over the models of the other
    assert faults(python, tmp_path, "models.py") == set()


def test_openapi_generator(python: Path, minimal: Path, tmp_path: Path) -> None:
    """It warns of every document of 3.1, and its functions are not annotated."""
    if shutil.which("java") is None:
        pytest.fail("openapi-generator needs Java: apt-get install default-jre-headless", pytrace=False)
    warned, wrong = dict[Path, set[str]](), dict[Path, set[str]]()
    for document, folder in ((DOCUMENT, tmp_path / "client"), (minimal, tmp_path / "minimal")):
        generate = ("generate", "-g", "python", "-i", document, "-o", folder, *NAMES)
        said = run(tmp_path, python / "openapi-generator-cli", *generate)
        assert "exit code" not in said, said[-2000:]
        warned[document] = {line for line in said.splitlines() if "WARN" in line}
        assert run(folder, sys.executable, "-m", "compileall", "-q", "openapi_client") == ""
        found = faults(python, folder, "openapi_client")
        wrong[document] = {re.sub(r'^.+?: error:|"[^"]*"', "", line) for line in found}
    assert warned[DOCUMENT] <= warned[minimal]
    assert wrong[DOCUMENT] <= wrong[minimal]


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
