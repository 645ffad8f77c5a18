"""A notice of urging (催办通知书) printed by a real browser: one page of A4, in Chinese and English."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import needs_chromium
from tests.support.pdf_pages import page_sizes
from tools.docs import documents, pictures

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e]


@pytest.mark.slow
def test_a_notice_prints_on_one_page_of_a4() -> None:
    with pictures.browser() as browser:
        page = browser.new_page()
        page.set_content(documents.notice())
        expect(page.get_by_role("heading", level=1)).to_contain_text("催办通知书")
        for words in ("抢修队", "负责人 谭勇", "To: Emergency repair crew", "逾期 1 天", documents.NUMBER):
            expect(page.locator("main")).to_contain_text(words)
        printed = page.pdf(prefer_css_page_size=True)
    assert page_sizes(printed) == [[210, 297]]
