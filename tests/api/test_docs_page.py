"""The page at /docs: the whole interface, drawn by a browser that reaches nothing but the service."""

import os

import pytest
from playwright.async_api import Route, async_playwright, expect

from tests.support.api import House
from tools.docs.pictures import SWITCHES, chromium

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

if chromium() is None and not os.environ.get("CI"):
    pytest.skip("no chromium here: sudo apt-get install chromium fonts-noto-cjk", allow_module_level=True)


async def test_the_page_needs_nothing_from_outside(on_sqlite: House) -> None:
    inside = str(on_sqlite.http.base_url)
    strangers: list[str] = []

    async def guard(route: Route) -> None:
        if route.request.url.startswith((inside, "data:")):
            await route.continue_()
        else:
            strangers.append(route.request.url)
            await route.abort()

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        page = await browser.new_page()
        await page.route("**/*", guard)
        await page.goto(f"{inside}/docs")
        await expect(page.get_by_role("heading", name="Water hotline 供水热线")).to_be_visible()
        await expect(page.get_by_text("/v1/complaints/{number}/actions/dispatch", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Authorize")).to_be_visible()
        await browser.close()
    assert strangers == []
