"""Pages of monthly assessments on the desk: the months, and the scores of one in words with their files."""

import re
from html import unescape
from urllib.parse import unquote

import pytest

from domain.shared.actors import Role
from tests.api.test_assessments import published, read
from tests.support.api import Api
from tests.support.browsing import browser, signed_in, text_of
from tests.support.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

MONTHS = "/desk/assessments"
ENGLISH = {"Accept-Language": "en-GB"}


async def test_a_month_is_a_page_with_scores_deductions_and_files(on_both: Api) -> None:
    on_both.tokens["kuangli"] = on_both.directory.enter("kuangli", Role.AGENT, name="邝丽")
    await on_both.register(by="kuangli")
    month = await published(on_both)
    found = await read(on_both, month)
    async with signed_in(on_both, "gao") as made:
        assert f'href="{MONTHS}"' in (await made.get("/desk/today")).text
        listed = (await made.get(MONTHS)).text
        assert f'href="{MONTHS}/{month}"' in listed
        page = await made.get(f"{MONTHS}/{month}")
        assert page.headers["content-type"].startswith("text/html")
        shown = text_of(page.text)
        assert f"月度考核 {month} · 公示申诉期" in shown
        figures = found["items"][0]["figures"]
        assert f"工单量 {figures['cases']['value']}" in shown
        agents = await made.get(f"{MONTHS}/{month}?by=agent")
        assert "邝丽" in agents.text
        link = f"{MONTHS}/{month}?by=agent&format=xlsx"
        assert link in unescape(agents.text)
        book = await made.get(link)
        (sheet,) = workbook(book.content).values()
        assert sheet[0][:3] == ["对象", "指标", "值"]
        assert ["邝丽", "工单量"] in [row[:2] for row in sheet]
        full = unquote(book.headers["content-disposition"].partition("UTF-8''")[2])
        assert full == f"中山供水热线-话务员月度考核 {month}.xlsx"
        english = text_of((await made.get(f"{MONTHS}/{month}", headers=ENGLISH)).text)
        assert f"Assessment of {month} · Objections" in english
        assert not re.search("[\u4e00-\u9fff]", english.replace("中文", ""))


async def test_months_are_for_staff_who_have_signed_in(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        assert (await made.get(MONTHS)).status_code == 401
    async with signed_in(on_sqlite, "pbx") as made:
        assert (await made.get(MONTHS)).status_code == 403
    async with signed_in(on_sqlite, "chen") as made:
        assert (await made.get(MONTHS)).status_code == 200
        assert (await made.get(f"{MONTHS}/2001-01")).status_code == 404
        assert (await made.get(f"{MONTHS}/x")).status_code == 422
