"""Screenshots for the documentation: `python -m tools.docs.pictures FOLDER`.

The program starts a service on free ports, plays a few cases (one is late, one is suspended), and opens the Temporal UI
in Debian's Chromium. The browser test of the UI uses the same steps.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Error, Locator, Page, ViewportSize, sync_playwright

from activities.sealing.keys import Links
from api.temporal_ui.pages import VIEWS, View
from demo.past_month import Judging
from domain.shared.actors import Role
from hotline.keys import Ring
from tests.support.service import PATIENCE_SECONDS, Service, wait_until
from tools.docs import desk, documents
from tools.docs.months import judged
from tools.docs.saved_views import link

ROOT = Path(__file__).resolve().parents[2]
LOOK_AGAIN_MILLISECONDS = 10_000
"""Time before a list is loaded again; a busy machine is slow to draw it."""
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CALLERS = 600
"""Calls of the incident in the pictures: enough that settling takes some seconds."""
LINES = 8
"""Concurrent calls."""
BREACHED = next(view for view in VIEWS if view.name == "Breached now")
DEFAULT_CATALOGUE = f"extends = {json.dumps(str(ROOT / 'hotline' / 'catalogues' / 'zhongshan.toml'))}\n"
CATALOGUE = f"""{DEFAULT_CATALOGUE}
[services.no_water]
acknowledge = {{ seconds = 1, source = "I" }}
"""
"""The default catalogue with one limit of a second, which is always missed."""


@dataclass(frozen=True)
class Stage:
    """Numbers of the cases in the pictures, the address of a caller's page, and people who sign in."""

    agent: "Person"
    crew: "Person"
    supervisor: "Person"
    late: str
    paused: str
    parts: str
    link: str
    incident: str


def chromium() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def running(folder: Path, catalogue_text: str = CATALOGUE) -> Iterator[Service]:
    """Run a service with this catalogue in this folder, until the context ends.

    Raises RuntimeError if the service does not start.
    """
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(catalogue_text, encoding="utf-8")
    # One agent takes hundreds of calls at once, one supervisor inspects a hundred cases.
    free = {"HOTLINE_WRITES_PER_MINUTE": "0", "HOTLINE_ACTIONS_PER_CASE": "0"}
    with Service(folder, catalogue, free) as service:
        yield service


class Person:
    """A person with an API key."""

    def __init__(self, service: Service, name: str, role: Role, department: str | None = None) -> None:
        self.key = service.make_key(name, role.value, department)
        self._api = f"{service.api}/v1"
        self._headers = {"Authorization": f"Bearer {self.key}"}

    def register(self, service_code: str, district: str, description: str, **more: Any) -> str:  # noqa: ANN401 - as below
        """Register a case and return its number."""
        body = {"service_code": service_code, "location": {"district": district}, "description": description}
        return str(self._post("complaints", body | more)["number"])

    def act(self, number: str, action: str, **body: Any) -> None:  # noqa: ANN401 - a body of the interface
        """Carry out an action on a case."""
        self._post(f"complaints/{number}/actions/{action}", body)

    def declare(self, title: str, services: list[str], districts: list[str]) -> str:
        """Declare an incident and return its number."""
        body = {"title": title, "services": services, "districts": districts}
        return str(self._post("incidents", body)["number"])

    def direct(self, number: str, action: str, **body: Any) -> None:  # noqa: ANN401 - a body of the interface
        """Carry out an action on an incident."""
        self._post(f"incidents/{number}/actions/{action}", body)

    def see(self, number: str) -> dict[str, Any]:
        """Return the case."""
        return self._ask("GET", f"complaints/{number}")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        send = partial(httpx.request, method, f"{self._api}/{path}", headers=self._headers, timeout=30, **body)
        while (answer := send()).status_code == httpx.codes.TOO_MANY_REQUESTS:
            time.sleep(int(answer.headers["Retry-After"]))
        return dict(answer.raise_for_status().json())


def play(service: Service, callers: int = 12) -> Stage:
    """Register cases in different states and an incident; return when the late case is late."""
    agent = Person(service, "陈美玲", Role.AGENT)
    crew = Person(service, "梁伟", Role.CREW, "repair")
    late = agent.register("no_water", "west", "家里没水，不欠费。No water, nothing owed.", caller=desk.CALLER)
    agent.act(late, "dispatch", department="repair")
    paused = agent.register("leak", "shiqi", "水表漏水。The meter leaks.")
    agent.act(paused, "dispatch", department="repair")
    crew.act(paused, "sign_for")
    crew.act(paused, "arrive")
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    crew.act(paused, "suspend", reason="来电人购买阀门。The caller buys a valve.", wake_at=tomorrow.isoformat())
    burst = agent.register("burst_main", "east", "主管爆裂。The main has burst.")
    agent.act(burst, "dispatch", department="repair")
    crew.act(burst, "sign_for")
    agent.register("billing", "south", "水费疑问。A question about a bill.")
    asked = agent.register("low_pressure", "shiqi", "水压低。Low pressure.")
    agent.act(asked, "dispatch", department="network")
    network = Person(service, "何志强", Role.CREW, "network")
    network.act(asked, "sign_for")
    network.act(asked, "complete", result="阀门已全开。The valve is fully open.")
    agent.act(asked, "reply", message="水压已恢复。The pressure is back.")
    parts = _granny_li(service, agent, crew)
    incident = _tide(service, agent, callers)
    wait_until(lambda: _missed(agent.see(late)), lambda: str(agent.see(late)))
    token = Links(Ring(service.data_dir / "keys.json")).make(asked, 1, datetime.now(UTC))
    supervisor = Person(service, "许兰", Role.SUPERVISOR)
    return Stage(agent, crew, supervisor, late, paused, parts, f"{service.api}/c/{token}", incident)


def _granny_li(service: Service, agent: Person, crew: Person) -> str:
    """Register a case with two departments and a pending approval."""
    number = agent.register("no_water", "west", "下闸新村，家里没水，低保户。No water; on public relief.")
    agent.act(number, "dispatch", department="repair")
    crew.act(number, "sign_for")
    agent.act(number, "involve", department="billing", task="查欠费，能否结清 Look into the arrears")
    billing = Person(service, "黄丽", Role.CREW, "billing")
    billing.act(number, "sign_for")
    crew.act(
        number,
        "request_approval",
        subject="更换室内水管 Replace the indoor pipes",
        amount="480.00",
        kind="funded_repair",
        grounds="低保户 On public relief",
    )
    return number


def _tide(service: Service, agent: Person, callers: int) -> str:
    """Declare an incident, register its cases and return its number."""
    dispatcher = Person(service, "周国强", Role.DISPATCHER)
    number = dispatcher.declare("咸潮 Salt tide", ["water_quality"], ["tanzhou", "sanxiang"])

    def call(place: int) -> str:
        return agent.register("water_quality", ("tanzhou", "sanxiang")[place % 2], "水有咸味。The water tastes salty.")

    with ThreadPoolExecutor(LINES) as lines:
        cases = list(lines.map(call, range(callers)))
    # Those of the first seconds are linked by the second search. One after the other: reads have a limit.
    while cases:
        wait_until(lambda: agent.see(cases[-1])["incident"] == number, lambda: "a case is not linked")
        cases.pop()
    dispatcher.direct(number, "dispatch", department="water_quality")
    Person(service, "余锦荣", Role.CREW, "water_quality").direct(number, "sign_for")
    expected = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=6)
    dispatcher.direct(number, "inform", message="咸潮上溯，送水车已出发。", expected_at=expected.isoformat())
    return number


def settle(stage: Stage) -> None:
    """Resolve the incident, so that its cases are settled."""
    result, message = (
        "引淡冲咸，水质合格。Fresh water was led in.",
        "水质已恢复正常，感谢谅解。The water is as it should be again.",
    )
    stage.supervisor.direct(stage.incident, "resolve", result=result, message=message)


def _missed(case: dict[str, Any]) -> bool:
    return any(clock["status"] == "missed" for clock in case["clocks"])


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium without a window. Raises RuntimeError if it is not installed."""
    path = chromium()
    if path is None:
        raise RuntimeError("there is no chromium; sudo apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        running_browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield running_browser
        running_browser.close()


def new_page(browser: Browser, service: Service, key: str, height: int, width: int = 1360) -> Page:
    """Open a browser of its own and sign in with a key; `/views` then sets up the UI."""
    page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB", timezone_id="Asia/Shanghai")
    sign_in(page, service, key)
    return page


def sign_in(page: Page, service: Service, key: str) -> None:
    """Sign in on the way to the page of views, as a person does."""
    page.goto(f"{service.api}/views")
    page.get_by_label("密钥 Key").fill(key)
    page.get_by_role("button", name="登录 Sign in").click()
    page.get_by_role("heading", name="登录 Sign in").wait_for(state="detached")
    # The form is gone as soon as the next page begins, before the scripts of that have run.
    page.wait_for_load_state()


def show_case(page: Page, service: Service, number: str) -> Locator:
    """Open the page of a case and return its current details."""
    return _show_details(page, service, f"complaint-{number}", number)


def show_incident(page: Page, service: Service, number: str) -> Locator:
    """Open the page of an incident and return its current details."""
    return _show_details(page, service, f"incident-{number}", "Salt tide")


def show_assessment(page: Page, service: Service, month: str) -> Locator:
    """Open the page of a month's assessment and return its current details."""
    return _show_details(page, service, f"assessment-{month}", month)


def _show_details(page: Page, service: Service, workflow: str, heading: str) -> Locator:
    page.goto(f"{service.ui}/namespaces/default/workflows/{workflow}")
    page.wait_for_url("**/timeline")
    page.goto(page.url.replace("/timeline", "/user-metadata"))
    return details_on(page, heading)


def details_on(page: Page, heading: str) -> Locator:
    """Return the current details with this heading, once the page shows them."""
    # The UI renders Markdown in a frame of its own; before it, the summary may have one too.
    frame = page.locator("iframe").last.content_frame
    details = frame.locator("body").filter(has=page.get_by_role("heading", name=heading))
    details.wait_for()
    return details


def show_form(page: Page, service: Service, number: str) -> Locator:
    """Open the form of a case's updates and the list of their names; return the form."""
    page.goto(f"{service.ui}/namespaces/default/workflows/complaint-{number}")
    page.wait_for_url("**/timeline")
    return open_form(page, Locator.click)


def open_form(page: Page, click: Callable[[Locator], None]) -> Locator:
    """Open the form of updates and the list of their names on the page of a workflow; return the form."""
    click(page.get_by_role("button", name="More Actions"))
    click(page.get_by_role("menu").get_by_text("Send an Update"))
    dialog = page.get_by_role("dialog").filter(has=page.get_by_role("heading", name="Send an Update"))
    # Until the workflow has told the UI its updates, a field for a name stands in place of the list.
    click(dialog.get_by_test_id("update-select-button"))
    return dialog


def show_view(page: Page, service: Service, view: View, number: str) -> Locator:
    """Open a saved view and return the row of a case."""
    return show_row(page, link(view, service.ui), number)


def show_row(page: Page, address: str, number: str) -> Locator:
    """Open a list and return the row of a case. The index lags, so the page is loaded again."""
    row = page.get_by_role("row").filter(has_text=f"complaint-{number}")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        page.goto(address)
        try:
            row.wait_for(timeout=LOOK_AGAIN_MILLISECONDS)
        except Error:
            if time.monotonic() > deadline:
                raise
        else:
            return row


def take(chrome: Browser, service: Service, stage: Stage, folder: Path) -> None:
    """Take all screenshots into this folder."""
    desk.take(chrome, service.api, stage.agent.key, stage.crew.key, stage.late, folder)
    for number, height, name in ((stage.late, 2320, "temporal-case"), (stage.parts, 3060, "temporal-parts")):
        with closing(new_page(chrome, service, stage.supervisor.key, height)) as page:
            show_case(page, service, number)
            page.screenshot(path=folder / f"{name}.png")
    with closing(new_page(chrome, service, stage.supervisor.key, 480)) as page:
        show_view(page, service, BREACHED, stage.late)
        page.screenshot(path=folder / "temporal-breached.png")
    with closing(new_page(chrome, service, stage.supervisor.key, 960)) as page:
        settle(stage)
        # Wait for the first progress; the incident may also have ended.
        details = show_incident(page, service, stage.incident)
        while "(0 %)" in details.inner_text():
            details = show_incident(page, service, stage.incident)
        page.screenshot(path=folder / "incident-ui.png")
    with closing(new_page(chrome, service, stage.supervisor.key, 760)) as page:
        show_form(page, service, stage.parts)
        page.get_by_role("option").filter(has_text="派单:").wait_for()
        page.screenshot(path=folder / "update-form.png")
    _take_grant(chrome, service, stage, folder)
    _take_views(chrome, service, stage, folder)
    _take_caller_page(chrome, stage, folder)
    for html, name in ((documents.notice(), "notice"), (documents.criticism(), "criticism")):
        with closing(chrome.new_page(viewport={"width": 760, "height": 950})) as page:
            page.set_content(html)
            page.screenshot(path=folder / f"{name}.png", full_page=True)


def take_month(chrome: Browser, service: Service, folder: Path) -> None:
    """Take the assessment of a month as operations staff see it, and the report of the month as managers do."""
    # The browser has an event loop in this thread.
    with ThreadPoolExecutor(1) as other:
        month = other.submit(judged, service, Judging.argue).result()
    with closing(new_page(chrome, service, service.admin_key, 1900)) as page:
        show_assessment(page, service, month)
        page.screenshot(path=folder / "assessment-ui.png")
    service.run("report", "monthly", month, "--make")
    for width, name in ((1200, "report"), (390, "report-small")):
        with closing(chrome.new_page(viewport={"width": width, "height": 1600}, locale="zh-CN")) as page:
            page.set_extra_http_headers({"Authorization": f"Bearer {service.admin_key}"})
            page.goto(f"{service.api}/v1/reports/monthly?month={month}&format=html")
            page.screenshot(path=folder / f"{name}.png")


def _take_grant(chrome: Browser, service: Service, stage: Stage, folder: Path) -> None:
    """Take the page that asks an administrator for the reason of a termination."""
    with closing(new_page(chrome, service, service.admin_key, 400, 1000)) as page:
        # As the button does, which is refused.
        page.request.post(f"{service.ui}/api/v1/namespaces/default/workflows/complaint-{stage.late}/terminate", data={})
        page.goto(f"{service.api}/temporal-grant")
        page.screenshot(path=folder / "temporal-grant.png")


def _take_views(chrome: Browser, service: Service, stage: Stage, folder: Path) -> None:
    """Take the sign-in, and the page of saved views."""
    with closing(chrome.new_page(viewport={"width": 1000, "height": 480}, locale="zh-CN")) as page:
        page.goto(f"{service.api}/sign-in")
        page.screenshot(path=folder / "sign-in.png")
    with closing(new_page(chrome, service, stage.agent.key, 800, 1440)) as page:
        page.get_by_role("status").wait_for()
        page.screenshot(path=folder / "views.png")


def _take_caller_page(chrome: Browser, stage: Stage, folder: Path) -> None:
    """Take the caller's page before and after the answer."""
    size: ViewportSize = {"width": 390, "height": 660}
    with closing(chrome.new_page(viewport=size, locale="zh-CN", device_scale_factor=1.5)) as page:
        page.goto(stage.link)
        page.get_by_role("button").first.wait_for()
        page.screenshot(path=folder / "caller-page.png", full_page=True)
        for place, said in enumerate(("是", "是", "非常满意")):
            page.get_by_role("group").nth(place).get_by_label(said, exact=True).check()
        page.get_by_role("button", name="提交评价", exact=True).click()
        page.get_by_role("status").wait_for()
        page.screenshot(path=folder / "caller-page-answered.png", full_page=True)


def main() -> None:
    """Take the screenshots into the folder given as argument."""
    (folder := Path(sys.argv[1])).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, running(Path(place)) as service, browser() as chrome:
        take(chrome, service, play(service, CALLERS), folder)
        take_month(chrome, service, folder)


if __name__ == "__main__":
    main()
