"""Every example of the documentation is run, or checked as far as a test can."""

import contextlib
import importlib.util
import io
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy
import typer.main
from stdnum import verhoeff

from domain.case.actions import COMMANDS
from domain.incident.actions import INCIDENT_COMMANDS
from domain.kit.event import AnyAction
from hotline.cli import main as cli
from hotline.files.catalogue import Override, load_catalogue
from hotline.files.channels import load_channels
from readmodel.migrate import metadata
from tests.support.openapi import parameters_of
from tests.support.pages import ALL, ROOT, Example, all_examples, examples, page
from tools.docs.interface import application

PLAYED_BY_E2E = {"curl", "API=http://127.0.0.1:8080/v1", 'AUTH="Authorization:', "NUMBER=$(curl"}
"""Examples that need the running service: `tests/e2e/test_readme.py` runs them, answers and all."""
OF_OTHERS = {"cp", "date", "mkdir", "openssl", "temporal", "true"}
"""Programs of others, on the operator's own data."""


def named(example: Example) -> str:
    return f"{example.page}: {example.text.splitlines()[0][:50]}"


@pytest.mark.parametrize("example", all_examples("python"), ids=named)
def test_python_examples_run_and_print_what_is_shown(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example.text, example.page, "exec"), {"__name__": "example"})  # noqa: S102 - our own pages
    blocks = examples(page(example.page))
    after = next(place for place, block in enumerate(blocks) if block.text == example.text) + 1
    if printed.getvalue():
        assert (blocks[after].language, blocks[after].text) == ("text", printed.getvalue())


def test_numbers_on_the_pages_have_their_check_digit() -> None:
    numbers = {case or incident for case, incident in re.findall(r"\b(\d{13})\b|\bi(\d{11})\b", ALL)}
    assert numbers
    assert {number for number in numbers if not verhoeff.is_valid(number)} == set()


@pytest.mark.parametrize("example", all_examples("json"), ids=named)
def test_json_examples_are_json(example: Example) -> None:
    json.loads(example.text)


@pytest.mark.parametrize("example", all_examples("toml"), ids=named)
def test_toml_examples_are_accepted(example: Example, tmp_path: Path) -> None:
    tables = tomllib.loads(example.text)
    if "routes" in tables:
        file = tmp_path / "channels.toml"
        file.write_text(example.text, encoding="utf-8")
        load_channels(file, {"SMS_TOKEN": "secret"})
        return
    if "extends" in tables:
        file = tmp_path / "catalogue.toml"
        base = ROOT / "hotline" / "catalogues" / tables["extends"]
        file.write_text(example.text.replace(tables["extends"], str(base)), encoding="utf-8")
        load_catalogue(file)
        return
    for year, table in tables["calendar"]["override"].items():
        assert all(day.year == int(year) for day in (*table["off"], *table["on"]) if isinstance(day, date))
        Override.model_validate(table)


def prompts(example: Example) -> list[str]:
    """The commands that a reader would type."""
    joined = example.text.replace("\\\n", " ")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


ACTION_BODIES = {name: action.body for name, action in COMMANDS.items()}
CONSOLE = [(example.page, line) for example in all_examples("console") for line in prompts(example)]


@pytest.mark.parametrize(("source", "line"), CONSOLE, ids=[f"{name}: {line[:60]}" for name, line in CONSOLE])
def test_commands_exist_with_their_options(source: str, line: str) -> None:
    program = line.split(maxsplit=1)[0]
    if program in PLAYED_BY_E2E and source == "README.md":
        return
    if assigned := re.fullmatch(r"[A-Z]+=(?:\$\((.+)\)|\S+)", line):
        line = assigned[1] or "true"
    if (program := line.split(maxsplit=1)[0]) not in OF_OTHERS:
        CHECKS[program](shlex.split(line)[1:])


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target, *rest = arguments
    assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)
    assert all(part.startswith("ARGS=") for part in rest)
    if target == "run" and rest:
        check_hotline(["up", *shlex.split(rest[0].removeprefix("ARGS="))])


def check_hotline(arguments: list[str]) -> None:
    """Parsed by the command line itself, without being run."""
    command: Any = typer.main.get_command(cli.app)
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(command.name, arguments)


def check_python(arguments: list[str]) -> None:
    assert arguments[0] == "-m"
    assert importlib.util.find_spec(arguments[1])
    if arguments[1:3] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        assert arguments[3] in {f".[{extra}]" for extra in extras}


def check_export(arguments: list[str]) -> None:
    assert all(re.fullmatch(r"(?:(?:HOTLINE|TEMPORAL)_[A-Z_]+|TZ)=\S+", part) for part in arguments)


def check_sqlite3(arguments: list[str]) -> None:
    """Statements are run, on the tables as they are today."""
    _, statement = arguments
    if statement.startswith(".backup "):
        return
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


def check_curl(arguments: list[str]) -> None:
    """Of a route that is served, with parameters that it knows and a body that it takes."""
    (address,) = [urlsplit(argument.replace("$API", "/v1")) for argument in arguments if "$API" in argument]
    method = "post" if "--json" in arguments else "get"
    action = re.fullmatch(r"/v1/(\w+)/[^/]+/actions/(\w+)", address.path)
    document = application().openapi()
    routes = document["paths"]
    found = [route for path, route in routes.items() if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), address.path)]
    (route,) = [routes[address.path]] if address.path in routes else found
    assert {*parse_qs(address.query)} <= {each["name"] for each in parameters_of(document, route[method])}
    if action:
        actions: Mapping[str, AnyAction] = INCIDENT_COMMANDS if action[1] == "incidents" else COMMANDS
        actions[action[2]].body.model_validate_json(arguments[arguments.index("--json") + 1])


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "make": check_make,
    "curl": check_curl,
    "export": check_export,
    "sqlite3": check_sqlite3,
    "hotline": check_hotline,
    ".venv/bin/hotline": check_hotline,
    ".venv/bin/python": check_python,
}
