"""Tables of what people call and read: routes, commands, make targets, metrics."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
from fastapi import FastAPI
from temporalio.client import Client

from api.app import Backend, create_app
from api.edge.middleware import Metrics
from hotline.cli import main as cli
from hotline.settings import Settings
from tools.docs import openapi
from tools.docs.markdown import bullets, table

EVERYBODY = "everybody"
_ACTING = "/actions/"
"""Part of the address of an action: the page describes them by one row for each kind of entity."""


@cache
def application() -> FastAPI:
    """Return the application, to be asked what it serves. Nothing answers it."""
    return create_app(Backend(Settings(), asyncio.run(Client.connect("127.0.0.1:9", lazy=True))))


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document of these routes."""
    return openapi.document(application())


def written_document() -> str:
    """Return the OpenAPI document as `hotline openapi` prints it."""
    return openapi.written(document())


def routes() -> str:
    """Return the list of the routes that OpenAPI describes, but for actions, with their rights."""
    return bullets(
        f"`{method.upper()} {path}` ({f'`{right}`' if right else EVERYBODY}): {operation['summary']}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        for right in [operation.get(openapi.RIGHT)]
        if _ACTING not in path
    )


def commands() -> str:
    """Return the table of all commands."""
    rows = [(f"`{name}`", help_text.splitlines()[0]) for name, help_text in _helps(_group(), "hotline")]
    return table(("command", "purpose"), rows)


def make_targets() -> str:
    """Return the table of the targets of the Makefile."""
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text(encoding="utf-8")
    rows = re.findall(r"^([a-z-]+):[^#\n]*## (.+)", makefile, re.MULTILINE)
    return table(("command", "purpose"), ((f"`make {target}`", purpose) for target, purpose in rows))


def metrics() -> str:
    """Return the table of the metrics, but for when each series began."""
    exposed = Metrics(lambda: 0.0).text().decode()
    rows = re.findall(r"^# HELP (\S+) (.+)", exposed, re.MULTILINE)
    return table(("metric", "meaning"), ((f"`{name}`", text) for name, text in rows if not name.endswith("_created")))


def _group() -> Any:  # noqa: ANN401 - the library's own types are private
    return typer.main.get_command(cli.app)


def _helps(group: Any, name: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    if not hasattr(group, "commands"):
        yield name, group.help
        return
    for part, command in group.commands.items():
        yield from _helps(command, f"{name} {part}")
