"""The embedded Temporal UI behind the API's proxy: what a browser gets there, and nobody by any other port."""

import socket
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.browser import needs_chromium
from tests.support.people import AGENT, Hotline
from tests.support.service import Service, wait_until
from tools.docs.pictures import SWITCHES, chromium
from workflows.kit.words import LONGEST_DETAILS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EVIL = "evil.example"
PHONE = "0760 88230001"


@dataclass(frozen=True)
class Case:
    service: Service
    number: str
    session: httpx.Client
    """Of an administrator who has signed in."""

    @property
    def path(self) -> str:
        return f"/temporal/api/v1/namespaces/default/workflows/complaint-{self.number}"

    def ask(self, method: str, path: str, **more: str) -> httpx.Response:
        """Send a request to the UI, with more headers."""
        return self.session.request(method, path, headers=more)

    def runs(self) -> bool:
        info = self.ask("GET", self.path).raise_for_status().json()["workflowExecutionInfo"]
        return bool(info["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with Service(tmp_path_factory.mktemp("service")) as service:
        hotline = Hotline(service)
        made = hotline.register(AGENT, service_code="no_water", caller={"phone": PHONE}, description="家里没水")
        hotline.close()
        with httpx.Client(base_url=service.api, trust_env=False, timeout=30) as session:
            signed_in = session.post("/sign-in", data={"key": service.admin_key})
            assert signed_in.status_code == 303
            yield Case(service, made.number, session)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for which a stranger's name leads to this machine, as its owner's name server may say."""
    rebound = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=[*SWITCHES, rebound])
        yield made
        made.close()


def test_a_history_is_told_to_the_signed_in_by_own_names_alone(case: Case) -> None:
    events = "/history?historyEventFilterType=1"
    assert "ComplaintWorkflow" in case.ask("GET", case.path + events).text
    for host in (EVIL, f"127.0.0.1.{EVIL}", "127.0.0.2"):
        answer = case.ask("GET", case.path + events, Host=host)
        assert (answer.status_code, "Complaint" in answer.text) == (421, False)
    stranger = httpx.get(f"{case.service.api}{case.path}{events}", trust_env=False)
    assert (stranger.status_code, "Complaint" in stranger.text) == (401, False)


def test_the_longest_details_of_a_case_are_drawn(case: Case) -> None:
    parts = urlsplit(case.service.api)
    cookies = "; ".join(f"{name}={value}" for name, value in case.session.cookies.items())
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as wire:
        address = f"/temporal/render?content={quote('水' * LONGEST_DETAILS)}&theme=light"
        fields = f"Host: 127.0.0.1\r\nCookie: {cookies}\r\nSec-Fetch-Site: same-origin"
        wire.sendall(f"GET {address} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count("水".encode()) == LONGEST_DETAILS


def test_another_site_cannot_end_a_case(case: Case) -> None:
    """Not even with a token of the UI against forged requests."""
    token = case.ask("GET", "/temporal/").cookies["_csrf"]
    for site in ({"Origin": f"http://{EVIL}"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = case.ask("POST", f"{case.path}/terminate", **{"X-CSRF-TOKEN": token}, **site)
        assert refused.status_code == 403
    assert case.runs()


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", "/temporal/"),
        ("/namespaces/default/workflows?query=A%20%3D%20%22b%22", None),
        ("//evil.example/", "/temporal//evil.example/"),
        ("/ui/case/2608034711004", "/case/2608034711004"),
        ("/ui//evil.example/", "//evil.example/"),
    ],
)
def test_the_former_port_leads_to_the_door(case: Case, path: str, leads_to: str | None) -> None:
    with httpx.Client(trust_env=False) as http:
        request = http.build_request("GET", case.service.former_ui, extensions={"target": path.encode()})
        answer = http.send(request)
        assert (answer.status_code, answer.headers["location"]) == (
            307,
            case.service.api + (leads_to or f"/temporal{path}"),
        )
        assert http.get(case.service.former_ui, headers={"Host": EVIL}).status_code == 421


def test_an_action_is_carried_out_where_a_tunnel_gives_the_api_the_former_port(case: Case) -> None:
    metadata, data = ({"encoding": b64encode(b"json/plain").decode()}, b64encode(b'{"note": "Rang again"}').decode())
    update = {"request": {"input": {"args": {"payloads": [{"metadata": metadata, "data": data}]}}}}
    headers = {"Host": urlsplit(case.service.former_ui).netloc}
    answer = case.session.post(f"{case.path}/update/comment", json=update, headers=headers)
    assert "success" in answer.raise_for_status().json()["outcome"]


def test_every_api_process_opens_the_door(case: Case) -> None:
    """Also one that has begun after the sign-in."""
    case.service.kill("api")
    wait_until(lambda: _answers(case), case.service.said)


def test_no_port_of_temporal_tells_a_web_page_a_history(case: Case) -> None:
    """A page can try each port of 127.0.0.1, where its name leads; other addresses of loopback are too many."""
    temporal = psutil.Process(case.service.pid("temporal"))
    listening = {each.laddr for each in temporal.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    hidden = {ip for ip, _ in listening if ip != "127.0.0.1"}
    assert len(hidden) == (sys.platform == "linux")
    history, asked = f"{case.path}/history", 0
    for ip, port in listening:
        if ip not in hidden:
            for path in (
                history,
                history.removeprefix("/temporal"),
                history.removeprefix("/temporal/api/v1"),
                "/metrics",
            ):
                answer = _answer(f"http://{ip}:{port}{path}")
                assert ("eventId" in answer, case.number in answer) == (False, False), port
                asked += "Host not allowed" in answer
    assert asked, "the HTTP interface was not among them"


def _answer(url: str) -> str:
    try:
        return httpx.get(url, headers={"Host": EVIL}, trust_env=False, timeout=10).text
    except httpx.TransportError:  # gRPC alone
        return ""


@pytest.fixture
def page(case: Case, browser: Browser) -> Iterator[Page]:
    """A page of an administrator's browser, which fails if a policy keeps anything from the UI."""
    page = browser.new_page()
    blocked: list[str] = []
    page.on("console", lambda said: blocked.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(f"{case.service.former_ui}/namespaces/default/workflows")
    page.locator("[name=key]").fill(case.service.admin_key)
    page.locator("form:has([name=key]) button").click()
    expect(page.locator("[name=key]")).to_have_count(0)
    yield page
    page.close()
    assert blocked == []


@pytest.mark.browser
@needs_chromium
def test_in_a_browser_the_ui_works_by_its_own_name_alone(case: Case, page: Page) -> None:
    """A saved bookmark leads to the sign-in, and on to the list."""
    expect(page.get_by_role("link", name=f"complaint-{case.number}").first).to_be_visible()
    assert page.url.startswith(f"{case.service.api}/temporal/namespaces/default/workflows")
    refused = page.goto(f"{case.service.api.replace('127.0.0.1', EVIL)}{case.path}/history")
    assert refused
    assert refused.status == 421
    assert "wrong-host" in page.content()


@pytest.mark.browser
@needs_chromium
def test_in_a_browser_the_details_of_a_case_are_drawn(case: Case, page: Page) -> None:
    page.goto(f"{case.service.api}/case/{case.number}")
    expect(page.frame_locator("iframe").last.get_by_text("家里没水").first).to_be_visible()


@pytest.mark.browser
@needs_chromium
def test_in_a_browser_no_other_page_shows_the_ui_in_a_frame(case: Case, page: Page) -> None:
    page.route(
        f"http://{EVIL}/",
        lambda route: route.fulfill(
            content_type="text/html", body=f"<iframe src='{case.service.ui}/' onload='document.title=1'></iframe>"
        ),
    )
    page.goto(f"http://{EVIL}/")
    page.wait_for_function("document.title === '1'")
    [frame] = page.frames[1:]
    assert "svelte" not in frame.content()


def test_the_ui_is_back_after_the_death_of_temporal(case: Case) -> None:
    case.service.kill("temporal")
    wait_until(lambda: _answers(case), case.service.said)


def _answers(case: Case) -> bool:
    try:
        return case.runs()
    except httpx.HTTPError:
        return False
