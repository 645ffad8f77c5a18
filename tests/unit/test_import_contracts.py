"""The import contracts of `make lint` know every module of the project."""

import ast
import tomllib
from pathlib import Path

from tools.import_contracts import WORKER, _imports

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]


def test_every_package_and_module_at_the_root_is_checked() -> None:
    assert sorted(CONTRACTS["root_packages"]) == sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
    assert [path.stem for path in ROOT.glob("*.py")] == [WORKER]


def test_imports_of_modules_and_of_names_in_them_are_found() -> None:
    program = "import api\nfrom api import app\n\ndef main():\n    from api.app import create_app\n    import json"
    found = set(_imports(ast.parse(program), {"api", "api.app", "domain"}))
    assert found == {("api", 1), ("api", 2), ("api.app", 2), ("api.app", 5)}
