"""Tables of what people call and read: routes, commands, make targets, metrics."""

import asyncio
import re
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
from tools.docs.markdown import items, wrapped

EVERYBODY = "everybody"
_MEANT = re.compile("^(List|Read) (?!and |or )(the )?")
"""Beginnings of a summary that the method GET tells by itself."""
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
    return wrapped(
        f"`{method.upper()} {path}` ({f'`{right}`' if right else EVERYBODY}): {_MEANT.sub('', operation['summary'])}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        for right in [operation.get(openapi.RIGHT)]
        if _ACTING not in path
    )


def commands() -> str:
    """Return the list of all commands, those of a group in one item."""
    group = _group()
    return items((_names(name, command), _first_words(command.help)) for name, command in group.commands.items())


def make_targets() -> str:
    """Return the list of the targets of the Makefile, without the examples in brackets."""
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text(encoding="utf-8")
    rows = re.findall(r"^([a-z-]+):[^#\n]*## (.+?)(?: \(.*)?$", makefile, re.MULTILINE)
    return items((f"make {target}", purpose) for target, purpose in rows)


def metrics() -> str:
    """Return the list of the metrics, but for when each series began."""
    exposed = Metrics(lambda: 0.0).text().decode()
    rows = re.findall(r"^# HELP (\S+) (.+)", exposed, re.MULTILINE)
    return items((name, text) for name, text in rows if not name.endswith("_created"))


def _group() -> Any:  # noqa: ANN401 - the library's own types are private
    return typer.main.get_command(cli.app)


def _names(name: str, command: Any) -> str:  # noqa: ANN401 - as above
    parts = list(getattr(command, "commands", ()))
    return "`, `".join([" ".join(["hotline", name, *parts[:1]]), *parts[1:]])


def _first_words(text: str) -> str:
    """Return the text up to its first full stop or semicolon; `--help` has the rest."""
    return re.split(r"[.;](?: |$)", text.splitlines()[0])[0] + "."
