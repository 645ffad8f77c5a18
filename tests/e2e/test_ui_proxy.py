"""The embedded Temporal UI against web pages: none reads a history or sends anything, by any port of `hotline up`."""

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.browser import needs_chromium
from tests.support.people import AGENT, Hotline
from tests.support.service import Service, wait_until
from tools.docs.pictures import SWITCHES, chromium
from workflows.presentation.details.words import LONGEST_DETAILS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EVIL = "evil.example"
PHONE = "0760 88230001"


@dataclass(frozen=True)
class Case:
    service: Service
    number: str

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/default/workflows/complaint-{self.number}"

    def ask(self, method: str, path: str, **more: str) -> httpx.Response:
        """Send a request to the UI, with more headers."""
        return httpx.request(method, f"{self.service.ui}{path}", headers=more, trust_env=False, timeout=30)

    def runs(self) -> bool:
        info = self.ask("GET", self.path).raise_for_status().json()["workflowExecutionInfo"]
        return bool(info["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with Service(tmp_path_factory.mktemp("service")) as service:
        hotline = Hotline(service)
        made = hotline.register(AGENT, service_code="no_water", caller={"phone": PHONE}, description="家里没水")
        hotline.close()
        yield Case(service, made.number)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for which a stranger's name leads to this machine, as its owner's name server may say."""
    rebound = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=[*SWITCHES, rebound])
        yield made
        made.close()


def test_a_history_is_told_to_own_names_alone(case: Case) -> None:
    events = "/history?historyEventFilterType=1"
    assert "ComplaintWorkflow" in case.ask("GET", case.path + events).text
    for host in (EVIL, f"127.0.0.1.{EVIL}", "127.0.0.2"):
        answer = case.ask("GET", case.path + events, Host=host)
        assert (answer.status_code, "Complaint" in answer.text) == (421, False)


def test_the_longest_details_of_a_case_are_drawn(case: Case) -> None:
    parts = urlsplit(case.service.ui)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as wire:
        address = f"/render?content={quote('水' * LONGEST_DETAILS)}"
        wire.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert "水".encode() in answer


def test_another_site_cannot_end_a_case(case: Case) -> None:
    """Not even with a token of the UI against forged requests."""
    token = case.ask("GET", "/api/v1/settings").cookies["_csrf"]
    own = {"Cookie": f"_csrf={token}", "X-CSRF-TOKEN": token}
    for site in ({"Origin": f"http://{EVIL}"}, {"Sec-Fetch-Site": "cross-site"}):
        assert case.ask("POST", f"{case.path}/terminate", **own, **site).status_code == 403
    assert case.runs()


def test_no_port_of_temporal_tells_a_web_page_a_history(case: Case) -> None:
    """A page can try each port of 127.0.0.1, where its name leads; other addresses of loopback are too many."""
    temporal = psutil.Process(case.service.pid("temporal"))
    listening = {each.laddr for each in temporal.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    assert int(case.service.ui.rpartition(":")[2]) not in {port for _, port in listening}
    hidden = {ip for ip, _ in listening if ip != "127.0.0.1"}
    assert len(hidden) == (sys.platform == "linux")
    history, asked = f"{case.path}/history", 0
    for ip, port in listening:
        if ip not in hidden:
            for path in (history, history.removeprefix("/api/v1"), "/metrics"):
                answer = _answer(f"http://{ip}:{port}{path}")
                assert ("eventId" in answer, case.number in answer) == (False, False), port
                asked += "Host not allowed" in answer
    assert asked, "the HTTP interface was not among them"


def _answer(url: str) -> str:
    try:
        return httpx.get(url, headers={"Host": EVIL}, trust_env=False, timeout=10).text
    except httpx.TransportError:  # gRPC alone
        return ""


@pytest.mark.browser
@needs_chromium
def test_in_a_browser_the_ui_works_by_its_own_name_alone(case: Case, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{case.service.ui}/namespaces/default/workflows")
    expect(page.get_by_role("link", name=f"complaint-{case.number}").first).to_be_visible()
    refused = page.goto(f"{case.service.ui.replace('127.0.0.1', EVIL)}{case.path}/history")
    assert refused
    assert refused.status == 421
    assert "wrong-host" in page.content()
    page.close()


@pytest.mark.browser
@needs_chromium
def test_in_a_browser_the_ui_sends_an_action(case: Case, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(case.service.ui)
    send = """async url => (await fetch(url, {method: 'POST', headers: {
        'X-CSRF-TOKEN': document.cookie.match(/_csrf=([^;]*)/)[1], 'Content-Type': 'application/json'},
        body: JSON.stringify({signalName: 'publish'})})).status"""
    assert page.evaluate(send, f"{case.path}/signal/publish") == 200
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED" in case.ask("GET", f"{case.path}/history").text
    page.close()


def test_the_ui_is_back_after_the_death_of_either_part(case: Case) -> None:
    for part in ("temporal-ui", "temporal"):
        case.service.kill(part)
        wait_until(lambda: _answers(case), case.service.said)


def _answers(case: Case) -> bool:
    try:
        return case.runs()
    except httpx.HTTPError:
        return False
