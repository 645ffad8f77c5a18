"""A real Chromium for tests, with time for a busy machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright import async_api, sync_api

from tools.docs.pictures import SWITCHES, chromium

PATIENCE_MILLISECONDS = 60_000
for api in (async_api, sync_api):
    api.expect.set_options(timeout=PATIENCE_MILLISECONDS)

needs_chromium = pytest.mark.skipif(
    chromium() is None and not os.environ.get("CI"),
    reason="no chromium here: sudo apt-get install chromium fonts-noto-cjk",
)


@asynccontextmanager
async def launched() -> AsyncIterator[async_api.Browser]:
    """Run a browser until the end of the block."""
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        try:
            yield browser
        finally:
            await browser.close()
