"""The page at /docs: the whole interface, drawn by a browser that reaches nothing but the service."""

import pytest
from playwright.async_api import Route, expect

from tests.support.api import Api
from tests.support.browser import launched, needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.slow
async def test_the_page_needs_nothing_from_outside(on_sqlite: Api) -> None:
    inside = str(on_sqlite.http.base_url)
    strangers: list[str] = []

    async def guard(route: Route) -> None:
        if route.request.url.startswith((inside, "data:")):
            await route.continue_()
        else:
            strangers.append(route.request.url)
            await route.abort()

    async with launched() as browser:
        page = await browser.new_page()
        await page.route("**/*", guard)
        await page.goto(f"{inside}/docs")
        await expect(page.get_by_role("heading", name="Water hotline 供水热线")).to_be_visible()
        await expect(page.get_by_text("/v1/complaints/{number}/actions/dispatch", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Authorize")).to_be_visible()
    assert strangers == []
