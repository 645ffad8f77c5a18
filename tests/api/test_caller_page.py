"""The caller's page: a link shows one case, and the caller acts on it as the lifecycle allows."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from activities.sealing.keys import LINK_VALID
from domain.case.progress import Satisfaction
from tests.support.api import Api, Json
from tests.support.browser import launched, needs_chromium

pytestmark = pytest.mark.asyncio(loop_scope="session")

SATISFIED = {"act": "follow_up", "contacted": "true", "solved": "true", "satisfaction": "satisfied"}
DISSATISFIED = {**SATISFIED, "solved": "false", "satisfaction": "very_dissatisfied"}
NOBODY = {"act": "follow_up", "contacted": "false"}
ENGLISH, CHINESE = {"Accept-Language": "en-GB,en;q=0.9"}, {"Accept-Language": "zh-CN,zh;q=0.9"}
QUESTIONS = ("contacted", "solved", "satisfaction")
ANSWERS = {"contacted": ("true", "false"), "solved": ("true", "false"), "satisfaction": tuple(Satisfaction)}
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)


async def replied(api: Api) -> str:
    """A case whose caller has been told, and is to be asked."""
    number = await api.case_in("pending_reply")
    assert (await api.act(number, "reply", {"message": "已恢复供水"}, "chen")).status_code == HTTPStatus.OK
    return number


async def withdrawn(api: Api) -> str:
    number = await api.case_in("in_progress")
    assert (await api.act(number, "withdraw", {"reason": "来水了"}, "chen")).status_code == HTTPStatus.OK
    return number


async def events(api: Api, number: str, action: str) -> list[Json]:
    items = (await api.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    return [item for item in items if item["action"] == action]


async def follow_ups(api: Api, number: str) -> list[Json]:
    return await events(api, number, "follow_up")


def buttons(page: httpx.Response) -> list[str]:
    """The buttons of the page, in their order, without the one that every page of a case in hand ends with."""
    found = re.findall(r'name="act" value="(\w+)"', page.text)
    return [name for name in found if name not in ("unsubscribe", "subscribe")]


def version(page: httpx.Response) -> str:
    """The version of the case that the form of a page is for."""
    (found,) = {*re.findall(r'name="version" value="(\d+)"', page.text)}
    return str(found)


async def say(api: Api, path: str, **said: str) -> httpx.Response:
    return await api.http.post(path, data=said, headers=CHINESE)


async def test_the_page_shows_the_state_in_the_readers_language(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    path = on_sqlite.link(number)
    chinese = await on_sqlite.http.get(path, headers=CHINESE)
    english = await on_sqlite.http.get(path, headers=ENGLISH)
    for page, words in ((chinese, ("停水/无水", "处理中")), (english, ("No water", "In progress"))):
        assert page.status_code == HTTPStatus.OK
        assert number in page.text
        assert all(word in page.text for word in words)
        assert buttons(page) == ["comment", "urge"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"


async def test_nothing_personal_is_on_the_page(on_sqlite: Api) -> None:
    caller = {"name": "李婆婆", "phone": "076088237777", "account_no": "0420013"}
    place = {"district": "west", "address": "下闸新村3号"}
    body = {"service_code": "no_water", "description": "家里没水", "caller": caller, "location": place}
    number = (await on_sqlite.register(body)).json()["number"]
    page = (await on_sqlite.http.get(on_sqlite.link(number))).text
    assert not any(word in page for word in (*caller.values(), "下闸新村", "家里没水"))


async def test_an_answer_counts_once(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    path = on_sqlite.link(number)
    assert "您对处理结果满意吗？" in (await on_sqlite.http.get(path, headers=CHINESE)).text
    first = await say(on_sqlite, path, **SATISFIED, words="谢谢师傅")
    assert (first.status_code, "感谢您的评价" in first.text) == (HTTPStatus.OK, True)
    nobody = await say(on_sqlite, path, **NOBODY)
    assert (nobody.status_code, "您之前的评价已记录，本次评价未予受理" in nobody.text) == (HTTPStatus.OK, True)
    same = await say(on_sqlite, path, **SATISFIED, words="谢谢师傅")
    assert (same.status_code, "感谢您的评价" in same.text) == (HTTPStatus.OK, True)
    assert buttons(same) == ["follow_up", "reopen", "comment"]
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["cycle"]) == ("closed", 1)
    (answered,) = await follow_ups(on_sqlite, number)
    said = {"contacted": True, "solved": True, "satisfaction": "satisfied", "note": "谢谢师傅"}
    assert answered["data"].items() >= {"outcome": "satisfied", **said}.items()
    assert case["answer"].items() >= said.items()
    assert (answered["actor"], answered["role"], answered["people"]) == (
        "caller",
        "caller",
        {"caller": "来电人 caller"},
    )


async def test_a_dissatisfied_caller_gets_a_new_cycle_and_needs_a_new_link(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    path = on_sqlite.link(number)
    page = await say(on_sqlite, path, **DISSATISFIED, words="还是没水")
    assert ("已通知处理部门" in page.text, "感谢您的评价" in page.text) == (True, True)
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["cycle"], case["flags"]) == ("dispatched", 2, ["reworked"])
    for who, action, body in (
        ("wu", "sign_for", {}),
        ("wu", "complete", {"result": "好了"}),
        ("chen", "reply", {"message": "好了"}),
    ):
        assert (await on_sqlite.act(number, action, body, who)).status_code == HTTPStatus.OK
    page = await say(on_sqlite, path, **SATISFIED)
    assert (buttons(page), "请用最近收到的链接评价" in page.text) == (["comment", "urge"], True)
    assert (await on_sqlite.complaint(number))["state"] == "pending_follow_up"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"act": "unreachable"},
        {"act": "maybe", "words": "好"},
        {**SATISFIED, "words": "好" * 2001},
        {"act": "follow_up", "words": "好"},
        {**SATISFIED, "contacted": "", "words": "好"},
        {**SATISFIED, "satisfaction": "good"},
        {"act": "follow_up", "contacted": "true", "satisfaction": "satisfied"},
        {"act": "comment"},
        {"act": "comment", "words": " \n"},
    ],
)
async def test_an_invalid_answer_is_asked_for_again_and_its_text_is_kept(on_sqlite: Api, said: dict[str, str]) -> None:
    number = await replied(on_sqlite)
    page = await say(on_sqlite, on_sqlite.link(number), **said)
    assert (page.status_code, 'role="alert"' in page.text, "<form" in page.text) == (422, True, True)
    assert said.get("words", "").strip() in page.text
    assert "maxlength" not in page.text  # a browser would cut what is pasted, without a word
    chosen = [(name, value) for name, value in said.items() if name in QUESTIONS and value in ANSWERS[name]]
    assert re.findall(r'name="(\w+)" value="(\w+)" checked', page.text) == chosen
    assert (await on_sqlite.complaint(number))["state"] == "pending_follow_up"


async def test_a_caller_whom_nobody_contacted_waits_for_the_company(on_sqlite: Api) -> None:
    """The page hides the other answers that were chosen before, and they do not count."""
    number = await replied(on_sqlite)
    path = on_sqlite.link(number)
    page = await say(on_sqlite, path, **NOBODY, satisfaction="dissatisfied")
    assert ("我们会尽快与您联系" in page.text, buttons(page)) == (True, ["follow_up", "comment"])
    (said,) = await follow_ups(on_sqlite, number)
    assert said["data"].items() >= {"outcome": "unreachable", "contacted": False, "attempt": 0}.items()
    assert (said["role"], said["to"], "satisfaction" in said["data"]) == ("caller", "pending_follow_up", False)
    again = await say(on_sqlite, path, **NOBODY, words="等了两天", version=version(page))
    assert "今天已收到您的反馈" in again.text
    assert len(await follow_ups(on_sqlite, number)) == 1
    page = await say(on_sqlite, path, **SATISFIED, version=version(again))
    assert ("感谢您的评价" in page.text, (await on_sqlite.complaint(number))["state"]) == (True, "closed")


async def test_an_expired_link_takes_no_answer(on_sqlite: Api) -> None:
    path = on_sqlite.link(await replied(on_sqlite))
    on_sqlite.clock.fixed = datetime.now(UTC) + LINK_VALID + timedelta(seconds=1)
    try:
        late = await say(on_sqlite, path, **SATISFIED)
    finally:
        on_sqlite.clock.fixed = None
    assert (late.status_code, "已过期" in late.text) == (HTTPStatus.GONE, True)


async def test_a_forged_link_is_not_found(on_sqlite: Api) -> None:
    path = on_sqlite.link(await replied(on_sqlite))
    for wrong in ("/c/1", f"{path}x", path[:-1], path.replace("/c/", "/c/x"), "/c/2608034711004"):
        page = await on_sqlite.http.get(wrong, headers=ENGLISH)
        assert (page.status_code, "opens nothing" in page.text) == (HTTPStatus.NOT_FOUND, True)


async def test_a_caller_urges_once_a_day(on_sqlite: Api) -> None:
    """A stolen link cannot flood a department."""
    number = await on_sqlite.case_in("in_progress")
    path = on_sqlite.link(number)
    first = await say(on_sqlite, path, act="urge", words="家里有老人", version="3")
    again = await say(on_sqlite, path, act="urge", version=version(first))
    other = await say(on_sqlite, on_sqlite.link(number), act="urge", words="水还没来", version="99")
    assert ["已催办，" in page.text for page in (first, again, other)] == [True, False, False]
    assert ["今天已经催办" in page.text for page in (first, again, other)] == [False, True, True]
    assert "水还没来</textarea>" in other.text
    (urged,) = await events(on_sqlite, number, "urge")
    assert (urged["actor"], urged["role"], urged["data"]) == ("caller", "caller", {"note": "家里有老人"})
    assert (await on_sqlite.complaint(number))["flags"] == ["urged"]


async def test_what_a_caller_adds_counts_once_for_each_form(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    path = on_sqlite.link(number)
    form = {"act": "comment", "words": "六点后在家", "version": version(await on_sqlite.http.get(path))}
    pages = [await say(on_sqlite, path, **form) for _ in range(3)]
    assert ["已收到您补充的情况" in page.text for page in pages] == [True] * 3
    assert [item["data"]["note"] for item in await events(on_sqlite, number, "comment")] == ["六点后在家"]
    await say(on_sqlite, path, **{**form, "words": "带上梯子"})
    await say(on_sqlite, path, **{**form, "version": version(pages[-1])})
    notes = [item["data"]["note"] for item in await events(on_sqlite, number, "comment")]
    assert notes == ["六点后在家", "带上梯子", "六点后在家"]


async def test_a_caller_reopens_within_the_window(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    path = on_sqlite.link(number)
    page = await say(on_sqlite, path, **SATISFIED)
    form = {"act": "reopen", "words": "又没水了", "version": version(page)}
    assert (await say(on_sqlite, path, act="reopen")).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    for _ in range(2):
        page = await say(on_sqlite, path, **form)
        assert ("已收到，将重新处理" in page.text, buttons(page)) == (True, ["comment", "urge"])
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["cycle"], case["flags"]) == ("dispatched", 2, ["reopened"])
    late = await say(on_sqlite, path, act="reopen", words="还是没水", version=version(page))
    assert ("状态已经变化" in late.text, "还是没水</textarea>" in late.text) == (True, True)


async def test_nothing_can_be_done_to_a_case_that_has_ended(on_sqlite: Api) -> None:
    """But unsubscribe, while it can be reinstated."""
    number = await withdrawn(on_sqlite)
    page = await say(on_sqlite, on_sqlite.link(number), act="comment", words="又没水了")
    assert ("状态已经变化" in page.text, buttons(page), "<textarea" in page.text) == (True, [], False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_a_form_of_another_site_is_refused(on_sqlite: Api, headers: dict[str, str]) -> None:
    number = await on_sqlite.case_in("in_progress")
    path = on_sqlite.link(number)
    page = await on_sqlite.http.post(path, data={"act": "urge"}, headers=CHINESE | headers)
    assert (page.status_code, "其他网站" in page.text) == (HTTPStatus.FORBIDDEN, True)
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "https://hotline.example"}
    for mine in (own, {"Origin": str(on_sqlite.http.base_url)}):
        assert (await on_sqlite.http.post(path, data={"act": "urge"}, headers=mine)).status_code == HTTPStatus.OK
    assert len(await events(on_sqlite, number, "urge")) == 1


WORDS = {
    "zh-CN": {
        "state": "已处理，等待您的评价",
        "label": "您想告诉我们什么？",
        "satisfied": ("是", "是", "基本满意"),
        "dissatisfied": ("是", "否", "非常不满意"),
        "send": "提交评价",
        "alert": "请先回答每一个问题",
        "thanks": "感谢您的评价。",
        "expired": "链接已过期",
        "unknown": "链接无效",
        "moved": {"closed": "已办结", "dispatched": "已通知处理部门"},
    },
    "en-GB": {
        "state": "Handled, waiting for your answer",
        "label": "What do you want to tell us?",
        "satisfied": ("Yes", "Yes", "Fairly satisfied"),
        "dissatisfied": ("Yes", "No", "Very dissatisfied"),
        "send": "Send the answers",
        "alert": "Please answer every question",
        "thanks": "Thank you for your answer.",
        "expired": "This link has expired",
        "unknown": "This link opens nothing",
        "moved": {"closed": "Closed", "dispatched": "The department has been told"},
    },
}
"""Texts of the page by the language of the browser."""
TYPED = "<b>师傅很好</b>"


@asynccontextmanager
async def telephone(locale: str) -> AsyncIterator[Page]:
    """A page of Chromium, as narrow as telephones are."""
    async with launched() as browser:
        yield await browser.new_page(viewport={"width": 360, "height": 640}, locale=locale)


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize(
    ("locale", "outcome", "state"), [("zh-CN", "satisfied", "closed"), ("en-GB", "dissatisfied", "dispatched")]
)
@pytest.mark.slow
async def test_the_page_works_in_a_telephones_browser(on_sqlite: Api, locale: str, outcome: str, state: str) -> None:
    """A second visit finds the answer; what was typed is text everywhere."""
    words: Any = WORDS[locale]
    number = await replied(on_sqlite)
    address = f"{on_sqlite.http.base_url}{on_sqlite.link(number)}"
    async with telephone(locale) as page:
        await page.goto(address)
        await expect(page.get_by_text(number)).to_be_visible()
        await expect(page.get_by_text(words["state"], exact=True)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await page.evaluate("document.documentElement.lang") == ("zh-CN" if locale == "zh-CN" else "en")
        await page.get_by_label(words["label"]).fill(TYPED)
        contacted, solved, satisfaction = [page.get_by_role("group").nth(place) for place in range(3)]
        no = words["dissatisfied"][1]
        await contacted.get_by_label(no, exact=True).check()
        await expect(satisfaction).to_be_hidden()
        await contacted.get_by_label(words[outcome][0], exact=True).check()
        await satisfaction.get_by_label(words[outcome][2], exact=True).check()
        send = page.get_by_role("button", name=words["send"], exact=True)
        await send.click()
        await expect(page.get_by_role("alert")).to_contain_text(words["alert"])
        await expect(page.get_by_label(words["label"])).to_have_value(TYPED)
        assert await page.locator("b").count() == 0
        await expect(satisfaction.get_by_label(words[outcome][2], exact=True)).to_be_checked()
        await solved.get_by_label(words[outcome][1], exact=True).check()
        async with page.expect_request(lambda request: request.method == "POST") as sent:
            await send.click()
        # Without TLS a browser sends nothing else by which a form of another site is known.
        assert await (await sent.value).header_value("origin") == str(on_sqlite.http.base_url).rstrip("/")
        for _ in range(2):
            await expect(page.get_by_role("status")).to_have_text(words["thanks"])
            await expect(page.get_by_text(words["moved"][state], exact=True)).to_be_visible()
            await expect(page.get_by_role("group").first).to_be_visible()
            await expect(page.get_by_label(words["satisfied"][2], exact=True)).to_be_hidden()
            await page.goto(address)
    assert (await on_sqlite.complaint(number))["state"] == state
    assert [event["data"]["note"] for event in await follow_ups(on_sqlite, number)] == [TYPED]


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("locale", WORDS)
async def test_a_telephones_browser_shows_that_a_link_is_invalid(on_sqlite: Api, locale: str) -> None:
    path = on_sqlite.link(await replied(on_sqlite))
    async with telephone(locale) as page:
        await page.goto(f"{on_sqlite.http.base_url}{path}x")
        await expect(page.get_by_text(str(WORDS[locale]["unknown"]))).to_be_visible()
        on_sqlite.clock.fixed = datetime.now(UTC) + LINK_VALID + timedelta(seconds=1)
        try:
            await page.goto(f"{on_sqlite.http.base_url}{path}")
        finally:
            on_sqlite.clock.fixed = None
        await expect(page.get_by_text(str(WORDS[locale]["expired"]))).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
