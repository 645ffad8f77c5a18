"""The first complaint of the readme, typed into a shell against a real service: every command, every shown answer."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.pages import Example, examples, page, section
from tests.support.service import Service
from tools.docs import pictures

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SHOWN_API = "http://127.0.0.1:8080"
MARK = "-- end of block --"

if shutil.which("curl") is None and not os.environ.get("CI"):
    pytest.skip("curl is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pictures.running(tmp_path_factory.mktemp("readme"), pictures.DEFAULT_CATALOGUE) as service:
        yield service


def blocks() -> list[Example]:
    return [e for e in examples(section(page("README.md"), "A first complaint")) if e.language in ("console", "json")]


def typed(service: Service) -> list[str]:
    """Return the output of one shell for each block of commands, in the folder that `make run` would use."""
    commands = [
        block.text.replace("$ ", "", 1).replace("\n$ ", "\n") for block in blocks() if block.language == "console"
    ]
    script = f"\necho '{MARK}'\n".join(commands).replace(SHOWN_API, service.api)
    done = subprocess.run(
        ["/bin/bash", "-eu", "-c", script],
        cwd=service.data_dir.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split(MARK)


def last_answer(printed: str) -> Any:
    """The last of the JSON texts that stand one behind the other."""
    answer = None
    while printed := printed.strip():
        answer, end = json.JSONDecoder().raw_decode(printed)
        printed = printed[end:]
    return answer


def compare(shown: Any, got: Any, where: str = "answer") -> None:
    """Everything that is shown is in the answer; instants are of this run."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert name in got, f"{where}.{name} is shown and not answered"
            compare(value, got[name], f"{where}.{name}")
    elif isinstance(shown, list):
        assert len(shown) <= len(got), where
        for place, (one, other) in enumerate(zip(shown, got, strict=False)):
            compare(one, other, f"{where}[{place}]")
    elif where.endswith("_at") and shown is not None:
        datetime.fromisoformat(got)
    else:
        assert shown == got, where


def test_the_first_complaint_goes_as_the_readme_shows(service: Service) -> None:
    answers = [json.loads(block.text) for block in blocks() if block.language == "json"]
    printed = typed(service)
    assert len(printed) == len(answers) > 1
    for shown, text in zip(answers, printed, strict=True):
        compare(shown, last_answer(text))
