"""Sealed contents of Temporal, as the pages of the Temporal UI show it to who has signed in."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.service import Service
from tools.docs import pictures
from tools.docs.pictures import Person

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]

PHONE, MASKED = "13912340987", "139****0987"
BLOCKED = """() => new Promise(told => {
    document.addEventListener('securitypolicyviolation', violation => told(violation.effectiveDirective));
    fetch('http://127.0.0.1:9/decode', {method: 'POST'}).catch(() => {});
})"""


@pytest.fixture(scope="module")
def agent(service: Service) -> Person:
    return Person(service, "陈美玲", Role.AGENT)


@pytest.fixture(scope="module")
def manager(service: Service) -> Person:
    return Person(service, "黄丽", Role.MANAGER)


@pytest.fixture(scope="module")
def number(agent: Person) -> str:
    caller = {"name": "欧阳小明", "phone": PHONE}
    number = agent.register("leak", "west", f"楼道漏水，请打{PHONE}。", caller=caller)
    agent.act(number, "dispatch", department="repair")
    return number


@contextmanager
def case(browser: Browser, service: Service, by: Person, workflow: str) -> Iterator[Page]:
    """Open the page of a workflow as this person."""
    with closing(pictures.new_page(browser, service, by.key, 1330)) as page:
        page.goto(f"{service.ui}/namespaces/default/workflows/{workflow}")
        page.wait_for_url("**/timeline")
        yield page


@pytest.mark.parametrize("sees_callers", [True, False])
def test_a_history_shows_callers_as_the_api_does(
    browser: Browser, service: Service, agent: Person, manager: Person, number: str, sees_callers: bool
) -> None:
    shown, hidden = (PHONE, MASKED) if sees_callers else (MASKED, PHONE)
    with case(browser, service, agent if sees_callers else manager, f"complaint-{number}") as page:
        main = page.get_by_role("main")
        page.goto(page.url.replace("/timeline", "/history"))
        expect(main).to_contain_text(f'"phone": "{shown}"')
        started = page.get_by_role("row").filter(has_text="Workflow Execution Started")
        expect(started).to_contain_text("漏水 Leak")
        done = page.get_by_role("row").filter(has_text="Workflow Execution Update Completed")
        expect(done).to_contain_text('"action":"dispatch"')
        expect(main).not_to_contain_text(hidden)
        page.get_by_role("tab", name="Metadata").click()
        expect(pictures.details_on(page, number)).to_contain_text(f"楼道漏水，请打{shown}")
        page.get_by_role("tab", name="Call Stack").click()
        expect(main).to_contain_text("entity.py")
        page.get_by_role("tab", name="Queries").click()
        page.get_by_role("button", name="Run Query").click()
        expect(main).to_contain_text(f'"phone": "{shown}"')
        expect(main).not_to_contain_text(hidden)
        page.get_by_role("tab", name="Memo").click()
        expect(main).to_contain_text('"key":')


def test_a_start_that_nobody_has_sealed_says_why_it_failed(browser: Browser, service: Service, agent: Person) -> None:
    forged = "complaint-2608034711004"
    start(service, forged)
    with case(browser, service, agent, forged) as page:
        expect(page.get_by_role("main")).to_contain_text("Not started: the service has not sealed it.")


def test_no_page_asks_another_site_to_open_anything(
    browser: Browser, service: Service, agent: Person, number: str
) -> None:
    with case(browser, service, agent, f"complaint-{number}") as page:
        assert page.evaluate(BLOCKED) == "connect-src"


def start(service: Service, workflow: str) -> None:
    """Start a workflow as somebody who reaches Temporal's port does, with its command line."""
    program = [str(Path(sys.executable).with_name("temporal")), "workflow", "start", "--address", service.temporal]
    argv = ["--type", "ComplaintWorkflow", "--task-queue", "hotline", "--workflow-id", workflow, "--input", "{}"]
    subprocess.run([*program, *argv], check=True, capture_output=True, timeout=60)
