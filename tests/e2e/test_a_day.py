"""The page of a day, typed into a shell against a real service: every command is accepted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from domain.shared.actors import Role
from tests.support.pages import examples, page
from tests.support.service import Service, wait_until
from tools.docs import pictures

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MARK = "-- end of command --"
AGENT = "何静怡"
COMMANDS = [
    line.removeprefix("$ ")
    for block in examples(page("docs/a-day.md"))
    if block.language == "console" and block.text != "$ make demo\n"
    for line in block.text.splitlines()
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pictures.running(tmp_path_factory.mktemp("day"), pictures.DEFAULT_CATALOGUE) as service:
        yield service


@pytest.fixture(scope="module")
def number(service: Service) -> str:
    """Register a case by WeChat and return its number."""
    agent = pictures.Person(service, AGENT, Role.AGENT)
    return agent.register("no_water", "west", "家里没水。No water.", channel="wechat")


@pytest.fixture(scope="module")
def answers(service: Service, number: str) -> dict[str, str]:
    """Everything of the page, typed in its order once there is a case: the output by command."""
    assert number
    return dict(zip(COMMANDS, typed(service), strict=True))


def typed(service: Service) -> list[str]:
    """Return the output of each command; the first refusal ends the shell."""
    script = 'curl() { command curl --fail-with-body "$@"; }\n'
    script += "".join(f"{command}\necho '{MARK}'\n" for command in COMMANDS)
    for shown, real in (
        (".venv/bin/hotline", f"{sys.executable} -m hotline.cli.main"),
        ("HOTLINE_DATA_DIR=data-demo", f"HOTLINE_DATA_DIR={service.data_dir}"),
        ("http://127.0.0.1:8080", service.api),
    ):
        assert shown in script
        script = script.replace(shown, real)
    shell = ["/bin/bash", "-eu", "-o", "pipefail", "-c", script]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.split(MARK)[:-1]


def answer(answers: dict[str, str], part: str) -> Any:
    """Return the answer to the one command with this part."""
    (printed,) = (text for command, text in answers.items() if part in command)
    return json.loads(printed)


def test_a_key_is_printed_for_each_person(answers: dict[str, str]) -> None:
    keys = [
        printed.strip() for command, printed in answers.items() if command.startswith(".venv/bin/hotline key create")
    ]
    assert len(keys) > 1
    assert all("hk_" in key for key in keys)


def test_todays_cases_of_a_channel_are_listed(answers: dict[str, str], number: str) -> None:
    assert [item["number"] for item in answer(answers, "channel=wechat")["items"]] == [number]


def test_all_cases_of_who_is_ill_go_to_another(answers: dict[str, str], service: Service, number: str) -> None:
    assert answer(answers, "API/handovers")["from"] == AGENT
    other = pictures.Person(service, "林慧", Role.AGENT)
    wait_until(lambda: other.see(number)["owner"] == "林慧", lambda: str(other.see(number)))
