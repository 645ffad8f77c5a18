"""Dangerous requests in a browser: an administrator terminates a case and a batch by a page that asks for a reason."""

import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect
from starlette.responses import Response

from activities.names import complaint_id
from tests.support.api import Api, further_api
from tests.support.browser import launched, needs_chromium
from tests.support.hotline import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser, needs_chromium, pytest.mark.slow]

CASES = "/temporal/namespaces/default/workflows"
REASON = "误建的测试工单 A test case"


@pytest_asyncio.fixture(loop_scope="session")
async def api(on_sqlite: Api, temporal_ui: str) -> AsyncIterator[Api]:
    """An API before the real UI."""
    async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url=temporal_ui) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def page(api: Api) -> AsyncIterator[Page]:
    async with launched() as browser:
        context = await browser.new_context(viewport={"width": 1600, "height": 1000})
        await sign_in(api, context, "chief")
        yield await context.new_page()


async def sign_in(api: Api, context: BrowserContext, by: str) -> None:
    """Give the browser a session of this person."""
    member, answer = api.backend.people.get(by), Response()
    assert member
    api.backend.sessions.begin(answer, member.actor)
    for name, each in SimpleCookie(answer.headers["set-cookie"]).items():
        await context.add_cookies([{"name": name, "value": each.value, "url": api.url}])


async def confirm(api: Api, page: Page, *words: str) -> None:
    """Give a reason on the page, which says these words, in another window."""
    other = await page.context.new_page()
    await other.goto(f"{api.url}/temporal-grant")
    for each in words:
        await expect(other.locator("body")).to_contain_text(each)
    await other.get_by_label("理由").fill(REASON)
    await other.get_by_role("button", name="确认").click()
    await expect(other.get_by_role("status")).to_contain_text("已确认")
    await other.close()


async def terminated(api: Api, number: str) -> tuple[str, str]:
    """Return who terminated the case, and why, once it is terminated."""

    async def told() -> tuple[str, str]:
        history = await api.temporal.get_workflow_handle(complaint_id(number)).fetch_history()
        last = history.events[-1].workflow_execution_terminated_event_attributes
        return last.identity, last.reason

    return await until(told, lambda seen: seen[0] != "")


async def test_a_case_is_terminated_after_a_reason(api: Api, page: Page) -> None:
    number = await api.case_in("dispatched")
    await page.goto(f"{api.url}/case/{number}")
    await page.get_by_role("button", name="More Actions").click()
    await page.get_by_test_id("terminate-button").last.click()
    dialog = page.get_by_test_id("terminate-confirmation-modal").last
    await dialog.get_by_test_id("confirm-modal-button").click()
    await expect(dialog).to_contain_text("/temporal-grant")
    await expect(dialog).to_contain_text("hotline verify")
    await confirm(api, page, f"工单 {number} · 待签收", "The workflow ends at once")
    await dialog.get_by_test_id("confirm-modal-button").click()
    assert await terminated(api, number) == ("chief", REASON)


async def test_a_batch_is_terminated_after_a_reason(api: Api, page: Page) -> None:
    numbers = [await api.case_in("registered") for _ in range(2)]
    query = " OR ".join(f'WorkflowId="{complaint_id(number)}"' for number in numbers)
    await page.goto(f"{api.url}{CASES}?query={query}")
    rows = page.get_by_role("row").filter(has_text=re.compile("complaint-"))
    await expect(rows).to_have_count(2)
    await page.get_by_test_id("batch-actions-checkbox").locator("input").first.check(force=True)
    await page.get_by_test_id("bulk-terminate-button").last.click()
    dialog = page.locator("#batch-terminate-confirmation-modal")
    await dialog.get_by_test_id("confirm-modal-button").click()
    await expect(dialog).to_contain_text("/temporal-grant")
    await confirm(api, page, "terminationOperation", "2 个流程", "2 workflows")
    await dialog.get_by_test_id("confirm-modal-button").click()
    for number in numbers:
        assert (await terminated(api, number))[1] == f"chief: {REASON}"


async def test_nobody_else_sees_the_buttons(api: Api) -> None:
    number = await api.case_in("dispatched")
    async with launched() as browser:
        context = await browser.new_context(viewport={"width": 1600, "height": 1000})
        await sign_in(api, context, "xu")
        page = await context.new_page()
        await page.goto(f"{api.url}/case/{number}")
        await page.get_by_role("button", name="More Actions").click()
        await expect(page.get_by_test_id("update-button").last).to_be_enabled()
        for button in ("reset", "signal", "terminate", "start-workflow"):
            await expect(page.get_by_test_id(f"{button}-button").last).to_be_disabled()
