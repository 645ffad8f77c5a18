"""The caller's page promises: who the company is, what happens next and by when, what was said, in one language."""

import json
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from axe_playwright_python.async_playwright import Axe

from api.complaints.caller_words import Speaker
from domain.calendar.work_calendar import on_the_wall
from tests.api.test_caller_page import CHINESE, ENGLISH, replied
from tests.support.api import Api, Json
from tests.support.browser import launched, needs_chromium

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES = 60_000


async def page_of(api: Api, number: str, headers: dict[str, str] = CHINESE) -> str:
    page = await api.http.get(api.link(number), headers=headers)
    assert page.status_code == HTTPStatus.OK
    return page.text


def told(instant: str, *, zh: bool = True) -> str:
    """The instant as the page tells it."""
    return Speaker(zh, "Asia/Shanghai", datetime.now(UTC)).time(datetime.fromisoformat(instant))


def due(case: Json, name: str) -> str:
    return str(next(clock["due_at"] for clock in case["clocks"] if clock["name"] == name))


async def test_every_page_names_the_company_and_its_number(on_sqlite: Api) -> None:
    path = on_sqlite.link(await on_sqlite.case_in("registered"))
    for address in (path, f"{path}x"):
        chinese = (await on_sqlite.http.get(address, headers=CHINESE)).text
        assert "<h1>中山供水热线</h1>" in chinese
        assert '<a href="tel:076088238777">电话 88238777</a>' in chinese
        assert "<h1>Zhongshan water supply hotline</h1>" in (await on_sqlite.http.get(address, headers=ENGLISH)).text


async def test_the_page_says_what_happens_next_and_by_when(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    case = await on_sqlite.complaint(number)
    page = await page_of(on_sqlite, number)
    assert "处理部门正在处理。" in page
    assert f"工作人员将于 {told(due(case, 'arrive'))} 前到场。" in page
    assert f"将于 {told(due(case, 'reply'))} 前答复您。" in page
    english = await page_of(on_sqlite, number, ENGLISH)
    assert f"A crew will be there by {told(due(case, 'arrive'), zh=False)}." in english
    assert (await on_sqlite.act(number, "arrive", {}, "wu")).is_success
    assert "到场" not in await page_of(on_sqlite, number)


async def test_a_late_promise_is_told_as_late(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    at = due(await on_sqlite.complaint(number), "arrive")
    speaker = Speaker(zh=True, zone="Asia/Shanghai", now=datetime.now(UTC))
    case = await on_sqlite.backend.cases.find(number, on_sqlite.backend.people.get("chief").actor)  # type: ignore[union-attr]  # she has a key
    assert case
    clocks = tuple(
        clock.model_copy(update={"status": "missed", "missed_at": clock.due_at}) if clock.name == "arrive" else clock
        for clock in case.clocks
    )
    steps = [*speaker.next_steps(case.model_copy(update={"clocks": clocks}), waits=False)]
    assert f"工作人员应于 {told(at)} 前到场，现已超时，敬请谅解。" in steps


async def test_a_case_on_hold_tells_why_and_until_when(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    wake_at = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0).isoformat()
    body = {"reason": "等用户买阀门，电话13800138000", "wake_at": wake_at}
    assert (await on_sqlite.act(number, "suspend", body, "wu")).is_success
    page = await page_of(on_sqlite, number)
    assert "暂缓原因：等用户买阀门，电话138****8000" in page
    assert f"最迟于 {told(wake_at)} 恢复处理。" in page
    assert "前到场" not in page


async def test_a_case_of_an_incident_tells_its_news_and_when_it_is_expected_to_end(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    body = {"services": ["no_water"], "districts": ["west"], "streets": ["无人街"], "title": "爆管"}
    declared = await on_sqlite.post("/v1/incidents", body, "zhou")
    assert declared.is_success, declared.text
    incident = declared.json()["number"]
    expected = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0).isoformat()
    news = {"message": "正在抢修，问13812345678", "message_en": "The main is being repaired.", "expected_at": expected}
    assert (await on_sqlite.act(number, "link_incident", {"incident": incident}, "zhou")).is_success
    for told_once in ({"message": "已派人查看"}, news):
        sent = await on_sqlite.post(f"/v1/incidents/{incident}/actions/inform", told_once, "zhou")
        assert sent.is_success, sent.text
    page = await page_of(on_sqlite, number)
    assert all(words in page for words in ("属同一原因", "正在抢修，问138****5678", f"预计 {told(expected)} 恢复。"))
    assert "已派人查看" not in page
    english = await page_of(on_sqlite, number, ENGLISH)
    assert "The main is being repaired." in english
    assert "正在抢修" not in english
    await on_sqlite.post(f"/v1/incidents/{incident}/actions/dismiss", {"reason": "test"}, "zhou")


async def test_the_reply_is_told_in_its_words_and_the_window_after_the_end(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    assert '<p class="said">已恢复供水</p>' in await page_of(on_sqlite, number)
    satisfied = {"contacted": True, "solved": True, "satisfaction": "satisfied"}
    assert (await on_sqlite.act(number, "follow_up", satisfied, "he")).is_success
    until = (await on_sqlite.complaint(number))["reopen_ends_at"]
    assert f"可在 {told(until)} 前要求重新处理。" in await page_of(on_sqlite, number)


async def test_the_caller_chooses_the_language(on_sqlite: Api) -> None:
    path = on_sqlite.link(await on_sqlite.case_in("registered"))
    page = await on_sqlite.http.get(path, headers=CHINESE)
    (switch,) = re.findall(r'<a href="(/c/[^"]+)" lang="en">English</a>', page.text)
    chosen = await on_sqlite.http.get(switch, headers=CHINESE)
    assert (chosen.status_code, chosen.headers["location"]) == (HTTPStatus.SEE_OTHER, path)
    cookies = chosen.headers.get_list("set-cookie")
    assert [each.partition(";")[0] for each in cookies] == ["hotline-language=en"]
    assert chosen.headers["referrer-policy"] == "no-referrer"
    english = await on_sqlite.http.get(path, headers=CHINESE | {"Cookie": "hotline-language=en"})
    on_sqlite.http.cookies.clear()
    assert ("Zhongshan water supply hotline" in english.text, "set-cookie" in english.headers) == (True, False)


async def test_another_year_is_told() -> None:
    new_year = datetime(2026, 12, 31, 17, 5, tzinfo=UTC)
    assert on_the_wall(new_year).year == 2027
    speakers = [Speaker(zh, "Asia/Shanghai", datetime(2026, 12, 31, tzinfo=UTC)) for zh in (True, False)]
    assert [each.time(new_year) for each in speakers] == ["2027年1月1日 01:05", "1 January 2027, 01:05"]


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("width", [390, 1366])
async def test_axe_finds_nothing_on_the_page(on_sqlite: Api, locale: str, width: int) -> None:
    paths = [on_sqlite.link(number) for number in (await on_sqlite.case_in("in_progress"), await replied(on_sqlite))]
    async with launched() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 800}, locale=locale)
        for path in (*paths, f"{paths[0]}x"):
            answer = await page.goto(on_sqlite.url + path)
            assert answer
            assert len(await answer.body()) <= MOST_BYTES
            found = (await Axe().run(page)).response["violations"]
            assert [json.dumps(each)[:600] for each in found] == []
            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
