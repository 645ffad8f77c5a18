"""The page of a day, typed into a shell against a real service: every command is accepted."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.pages import examples, page
from tests.support.service import Service
from tools.docs import pictures

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MARK = "-- end of command --"
COMMANDS = [
    line.removeprefix("$ ")
    for block in examples(page("docs/a-day.md"))
    if block.language == "console" and block.text != "$ make demo\n"
    for line in block.text.splitlines()
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything of the page, typed in its order: the output by command."""
    with pictures.running(tmp_path_factory.mktemp("day"), pictures.DEFAULT_CATALOGUE) as service:
        printed = typed(service)
    return dict(zip(COMMANDS, printed, strict=True))


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


def test_lists_show_what_the_day_has_brought(answers: dict[str, str]) -> None:
    registered = answer(answers, "actions/correct")["number"]
    for part in (
        "owner=me&$OPEN",
        "state=registered&state=pending_redispatch",
        "assignee=me",
        "state=pending_follow_up",
    ):
        assert registered in [item["number"] for item in answer(answers, f"complaints?{part}")["items"]], part


def test_the_day_ends_as_the_page_tells(answers: dict[str, str]) -> None:
    case = answer(answers, '"satisfaction": "dissatisfied"')
    assert (case["state"], case["cycle"], case["department"]) == ("dispatched", 2, "repair")
    assert answer(answers, "actions/decide_extension")["flags"] == ["extended", "supervised"]
    assert answer(answers, "reports/approvals")["approved_amount"] == "480.00"
    [company] = answer(answers, "reports/follow-ups")["items"]
    assert (company["subject"], company["followed_up"]) == ("company", 0), "the manager looks before the clerk calls"
    assert answer(answers, "API/handovers")["refused"] == []
