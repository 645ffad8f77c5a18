"""Ways around the desk: the bare address, another language, errors, and what is not offered."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from readmodel.base.paging import Position
from tests.api.test_desk import DESK, at, text
from tests.support.api import Api
from tests.support.browsing import browser, signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_bare_address_leads_a_browser_to_the_desk(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        page = await made.get("/")
        assert (page.status_code, page.headers["location"]) == (303, DESK)
        answer = await made.get("/", headers={"Accept": "*/*"})
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:hotline:problem:not-found")


async def test_another_language_shows_the_same_page(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    async with signed_in(on_sqlite, "chen") as made:
        for path in (f"{DESK}?tab=late", f"{DESK}/cases?number={number}", f"{DESK}/cases?number=2608034711004"):
            page = await made.get(path)
            link = re.search(r'href="(/desk/language/[^"]+)"', page.text)
            assert link
            assert (await made.get(unescape(link[1]))).headers["location"] == path


async def test_an_error_within_the_desk_keeps_its_menu(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "zhou") as made:
        for path in (at("2608034711004"), f"{at('2608034711004')}/work-order", f"{DESK}/cases/1", f"{DESK}/nothing"):
            page = await made.get(path)
            assert page.status_code >= 400
            assert 'href="/desk/incidents"' in page.text
            assert 'href="/views">保存的视图' not in page.text


async def test_no_link_is_offered_where_there_can_be_none(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        for state, revocable in (("registered", False), ("dispatched", True)):
            page = text(await made.get(at(await on_sqlite.case_in(state))))
            assert ("发送链接" in page, "作废链接" in page) == (False, revocable)
            assert "不能给来电人发链接：未开通短信渠道。请在电话中告知" in page
    async with signed_in(on_sqlite, "zhou") as made:
        assert "发链接" not in text(await made.get(at(await on_sqlite.case_in("registered"))))


async def test_an_empty_list_of_call_backs_says_where_they_come_from(on_sqlite: Api) -> None:
    after_all = Position(datetime(2999, 1, 1, tzinfo=UTC), "x").cursor()
    async with signed_in(on_sqlite, "chen") as made:
        page = text(await made.get(f"{DESK}/call-backs", params={"cursor": after_all}))
    assert "电话系统中无人接听或来电人放弃的来电，会自动列在这里" in page
