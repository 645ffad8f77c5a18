"""The first complaint of the readme, played against a real service: every command, every answer that is shown."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.pages import Example, examples, page, section
from tests.support.service import Service
from tools.docs import pictures

pytestmark = pytest.mark.e2e

SHOWN_API = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pictures.running(tmp_path_factory.mktemp("readme"), pictures.DEFAULT_CATALOGUE) as service:
        yield service


class Reader:
    """Types what the readme shows; its case number and addresses become those of this service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._variables: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self.answer: dict[str, Any] = {}

    def type(self, line: str) -> None:
        """Do what the line says, if it is a request or sets a variable."""
        words = shlex.split(line)
        if words[0] == "curl":
            self._curl(words[1:])
        else:
            name, _, value = words[0].partition("=")
            key = self._service.admin_key
            self._variables[name] = value.replace("$(cat data/admin.key)", key).replace(SHOWN_API, self._service.api)

    def _curl(self, words: list[str]) -> None:
        for name, value in self._variables.items():
            words = [word.replace(f"${name}", value) for word in words]
        headers: dict[str, str] = {}
        body: str | None = None
        urls: list[str] = []
        rest = iter(words)
        for word in rest:
            match word:
                case "-s":
                    pass
                case "-H":
                    name, _, value = next(rest).partition(": ")
                    headers[name] = value
                case "--json":
                    body = next(rest)
                    headers["Content-Type"] = "application/json"
                case _:
                    urls.append(word)
        [url] = urls
        for shown, real in self._numbers.items():
            url = url.replace(shown, real)
        method = "GET" if body is None else "POST"
        content = None if body is None else body.encode()
        self.answer = httpx.request(method, url, headers=headers, content=content, timeout=30).json()

    def compare(self, shown: Any, got: Any, where: str = "answer") -> None:
        """Everything that is shown is in the answer; numbers and instants are of this run."""
        if isinstance(shown, dict):
            for name, value in shown.items():
                assert name in got, f"{where}.{name} is shown and not answered"
                self.compare(value, got[name], f"{where}.{name}")
        elif isinstance(shown, list):
            assert len(shown) <= len(got), where
            for place, (one, other) in enumerate(zip(shown, got, strict=False)):
                self.compare(one, other, f"{where}[{place}]")
        elif where.endswith(".number"):
            assert re.fullmatch(r"\d{13}", got)
            self._numbers[shown] = got
        elif where.endswith(("_at", ".at")) and shown is not None:
            datetime.fromisoformat(got)
        else:
            assert shown == got, where


def first_complaint() -> list[Example]:
    return [e for e in examples(section(page("README.md"), "A first complaint")) if e.language in ("console", "json")]


def test_the_first_complaint_goes_as_the_readme_shows(service: Service) -> None:
    reader = Reader(service)
    for example in first_complaint():
        if example.language == "json":
            reader.compare(json.loads(example.text), reader.answer)
        else:
            for line in example.text.splitlines():
                reader.type(line.removeprefix("$ "))
