"""Ten questions that staff ask the Temporal UI all day: the demo answers each in as many clicks as documented."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from domain.calendar.work_calendar import on_the_wall
from hotline.demo.day import LEAST_CASES
from hotline.demo.people import AGENTS
from tests.support.browser import needs_chromium
from tests.support.pages import cells, page, section
from tests.support.service import Service, wait_until
from tools.docs.pictures import new_page

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]

DAY_SECONDS = "15"
DAY_WITHIN_SECONDS = 540.0
MOST_CLICKS = 3
TABLE = section(page("docs/temporal-ui.md"), "Ten questions")
QUESTIONS = [question.replace("-", " ") for question in cells(TABLE, 0)[2:]]
DOCUMENTED = dict(zip(QUESTIONS, map(int, cells(TABLE, 3)[1:]), strict=True))
"""Clicks by question."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has played a day, as a newcomer starts it."""
    demo = ("demo", "--up", "--cases", str(LEAST_CASES), "--day-seconds", DAY_SECONDS)
    with Service(tmp_path_factory.mktemp("demo"), starts_with=demo) as service:
        wait_until(lambda: "the service goes on" in service.said(), service.said, DAY_WITHIN_SECONDS)
        yield service


class Desk:
    """Somebody before the page of views, as it is each morning, who looks and clicks."""

    def __init__(self, page: Page, service: Service) -> None:
        self.clicks = 0
        self.page = page
        self._service = service

    def view(self, title: str) -> Locator:
        """Open a view and return its first row."""
        self.click(self.page.get_by_role("link", name=title, exact=True))
        return self.page.get_by_role("row").filter(has_text=re.compile(r"(complaint|incident)-")).first

    def details(self, row: Locator) -> tuple[dict[str, Any], Locator]:
        """Open the details of the case of a row; return the case, as the API has it, and what the page shows."""
        link = row.get_by_role("link", name="complaint-").first
        number = link.inner_text().removeprefix("complaint-")
        self.click(link)
        self.click(self.page.get_by_role("tab", name="Metadata"))
        return self.see(number), self.shown()

    def shown(self) -> Locator:
        """Return the current details."""
        return self.page.locator("iframe").nth(1).content_frame.locator("body")

    def click(self, target: Locator) -> None:
        """Click with the mouse, and count it."""
        target.click()
        self.clicks += 1

    def see(self, number: str) -> dict[str, Any]:
        """Return a case as the API has it."""
        return self.ask(f"complaints/{number}")

    def ask(self, path: str) -> dict[str, Any]:
        """Return the API's answer to the administrator."""
        headers = {"Authorization": f"Bearer {self._service.admin_key}"}
        answer = httpx.get(f"{self._service.api}/v1/{path}", headers=headers, trust_env=False, timeout=30)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


@pytest.fixture(scope="module")
def morning(browser: Browser, service: Service) -> Iterator[Page]:
    """A browser in which an agent has signed in."""
    page = new_page(browser, service, service.make_key(AGENTS[0], "agent"), height=900, width=1440)
    expect(page.get_by_role("status")).to_be_visible()
    yield page
    page.close()


@pytest.fixture
def desk(morning: Page, service: Service, request: pytest.FixtureRequest) -> Iterator[Desk]:
    morning.goto(f"{service.api}/views")
    desk = Desk(morning, service)
    yield desk
    question = request.node.name.removeprefix("test_").replace("_", " ")
    assert desk.clicks == DOCUMENTED[question] <= MOST_CLICKS


def test_what_is_missed(desk: Desk) -> None:
    row = desk.view("已超时 Breached now")
    expect(row.get_by_role("cell", name="missed", exact=True)).to_be_in_viewport()


def test_why_it_is_due_then(desk: Desk) -> None:
    case, shown = desk.details(desk.view("已超时 Breached now"))
    missed = next(clock for clock in case["clocks"] if clock["status"] == "missed" and clock["cycle"] == case["cycle"])
    due = on_the_wall(datetime.fromisoformat(missed["due_at"]))
    promise = shown.get_by_role("listitem").filter(has_text=f"{missed['name']} · 超时 missed")
    expect(promise.first).to_contain_text(f"到期 due {due:%Y-%m-%d %H:%M}")
    expect(promise.first).to_contain_text(re.compile("限 limit .+(全天计时 round the clock|工作时间 working time)"))


def test_whose_it_is(desk: Desk) -> None:
    row = desk.view("紧急工单 Emergencies")
    number = row.get_by_role("link", name="complaint-").first.inner_text().removeprefix("complaint-")
    expect(row.get_by_role("cell", name=desk.see(number)["owner"], exact=True)).to_be_in_viewport()


def test_what_may_be_done(desk: Desk) -> None:
    case, shown = desk.details(desk.view("我的工单 My cases"))
    expect(shown).to_contain_text("可办理 · What may be done next")
    for action in case["available_actions"]:
        expect(shown.get_by_role("listitem").filter(has_text=f" {action}:")).to_be_visible()


def test_who_waits_for_the_caller(desk: Desk) -> None:
    row = desk.view("等待来电人 Waiting for the caller")
    number = row.get_by_role("link", name="complaint-").first.inner_text().removeprefix("complaint-")
    expect(row.get_by_role("cell", name="suspended", exact=True)).to_be_in_viewport()
    expect(row.get_by_role("cell", name=desk.see(number)["owner"], exact=True)).to_be_in_viewport()


def test_what_the_crew_found(desk: Desk) -> None:
    case, shown = desk.details(desk.view("待回复 To be replied to"))
    expect(shown.get_by_role("heading", name="查明 · Found and done")).to_be_visible()
    expect(shown).to_contain_text(case["result"])


def test_which_incident(desk: Desk) -> None:
    row = desk.view("并案待结 Waiting for an incident")
    number = row.get_by_role("link", name="complaint-").first.inner_text().removeprefix("complaint-")
    expect(row.get_by_role("cell", name=desk.see(number)["incident"], exact=True)).to_be_in_viewport()


def test_which_follow_ups_are_due_today(desk: Desk) -> None:
    row = desk.view("今日到期回访 Follow-ups due today")
    expect(row.get_by_role("cell", name="pending_follow_up", exact=True)).to_be_in_viewport()


def test_what_was_decided(desk: Desk) -> None:
    """The caller or the crew has the number."""
    (case,) = desk.ask("complaints?flag=approved&limit=1")["items"]
    desk.page.get_by_label("工单号 Case number").fill(case["number"])
    desk.click(desk.page.get_by_role("button", name="查看 Look up"))
    (decision, *_) = case["decisions"]
    expect(desk.shown().get_by_role("heading", name="审批 · Decided by management")).to_be_visible()
    for words in ("同意 approved", decision["subject"], decision["amount"]):
        expect(desk.shown()).to_contain_text(words)


def test_what_failed(desk: Desk) -> None:
    case, shown = desk.details(desk.view("未送达 Not delivered"))
    letter = next(each for each in desk.ask("letters?limit=200")["items"] if each["number"] == case["number"])
    expect(shown.get_by_role("heading", name="未送达 · Not delivered")).to_be_visible()
    channel, _, error = letter["error"].partition(": ")
    expect(shown).to_contain_text(f"渠道 channel {channel} · 错误 error {error}")
