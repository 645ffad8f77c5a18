"""A new action takes one module and one entry in the list of actions; everything else is computed from the list."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.people import AGENT, CREW, DISPATCHER, Hotline
from tests.support.service import ROOT, Service, environment

pytestmark = [pytest.mark.e2e, pytest.mark.night]

MODULE = '''"""sample 取样: the crew takes a sample of the water."""

from domain.case.state import Action, ActionBody, CaseState, Event, Role, State
from domain.shared.value import Text


class Sample(ActionBody):
    """取样: the label of the bottle."""

    label: Text

    def evolve(self, case: CaseState, event: Event) -> None:
        """Flag the case."""
        case.add_flags("sampled")


ACTION = Action(
    name="sample",
    zh="取样",
    description="The crew takes a sample of the water.",
    roles={Role.CREW},
    sources={State.IN_PROGRESS},
    example=Sample(label="W-17"),
    notifies=("owner",),
)
'''
PRODUCT = ("activities", "api", "demo", "docs", "domain", "hotline", "readmodel", "tools", "workflows")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the module of one more action, its entry, and what it counts for."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in PRODUCT:
        # With what is compiled: all programs of the service would compile it at once.
        shutil.copytree(ROOT / name, copy / name)
    for file in ("worker.py", "Makefile", *(page.name for page in ROOT.glob("*.md"))):
        shutil.copy(ROOT / file, copy)
    actions = copy / "domain" / "case" / "actions"
    (actions / "sample.py").write_text(MODULE, encoding="utf-8")
    listed = (actions / "__init__.py").read_text(encoding="utf-8")
    listed = listed.replace("    resume,\n", "    resume,\n    sample,\n", 1)
    listed = listed.replace("    resume.ACTION,\n", "    resume.ACTION,\n    sample.ACTION,\n", 1)
    assert listed.count("sample") == 2
    (actions / "__init__.py").write_text(listed, encoding="utf-8")
    counted = copy / "domain" / "assessment" / "entry.py"
    rows = counted.read_text(encoding="utf-8")
    counted.write_text(
        rows.replace('"catalogue_change", "credit"', '"sample", "catalogue_change", "credit"', 1), "utf-8"
    )
    env = {**environment(), "PYTHONPATH": str(copy), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-m", "tools.docs.generate"], cwd=copy, env=env, check=True)
    return copy


@pytest.fixture(scope="module")
def service(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service of the copy, run from its modules."""
    program = checkout / "run-hotline"
    program.write_text(f'#!/bin/sh\nexec env PYTHONPATH="{checkout}" "{sys.executable}" -m hotline.cli.main "$@"\n')
    program.chmod(0o700)
    with Service(tmp_path_factory.mktemp("service"), program=program) as service:
        yield service


@pytest.fixture(scope="module")
def hotline(service: Service) -> Iterator[Hotline]:
    people = Hotline(service)
    yield people
    people.close()


def test_it_is_carried_out_over_http(hotline: Hotline) -> None:
    case = hotline.register(AGENT, service_code="no_water", location={"district": "west"}, description="水有异味")
    case.act(DISPATCHER, "dispatch", department="repair")
    case.act(CREW, "sign_for")
    assert "sample" in case.see(CREW)["available_actions"]
    case.act(CREW, "sample", label="W-17")
    assert "sampled" in case.see()["flags"]
    last = case.timeline()[-1]
    assert (last["action"], last["data"]) == ("sample", {"label": "W-17"})


def test_the_interface_describes_it(service: Service, hotline: Hotline) -> None:
    document = httpx.get(f"{service.api}/openapi.json", trust_env=False, timeout=60).json()
    operation = document["paths"]["/v1/complaints/{number}/actions/sample"]["post"]
    assert operation["summary"] == "取样 sample"
    rows = hotline.ask("GET", "/lifecycle", AGENT).json()["actions"]
    (row,) = [row for row in rows if row["action"] == "sample"]
    assert (row["name_zh"], row["roles"], row["from"], row["to"]) == ("取样", ["crew"], ["in_progress"], [])


def test_the_generated_pages_have_it(checkout: Path) -> None:
    assert "| `sample` | `in_progress` | stays | `crew` |" in (checkout / "docs" / "lifecycle.md").read_text("utf-8")
    assert "- 取样 `sample`: " in (checkout / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert "- `sample` 取样: `label`\n" in (checkout / "docs" / "api.md").read_text(encoding="utf-8")
