"""The caller's page: a link shows one case, takes one answer, and cannot be forged."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from activities.notifications.caller_links import VALID, Link, LinkError, Links
from api.routes.caller_page import STATE_FOR_CALLERS
from domain.case.lifecycle import State
from tests.support.api import Api, Json, problem
from tests.support.browser import launched, needs_chromium

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGLISH, CHINESE = {"Accept-Language": "en-GB,en;q=0.9"}, {"Accept-Language": "zh-CN,zh;q=0.9"}
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)


async def replied(api: Api) -> str:
    """A case whose caller has been told, and is to be asked."""
    number = await api.case_in("pending_reply")
    assert (await api.act(number, "reply", {"message": "已恢复供水"}, "chen")).status_code == HTTPStatus.OK
    return number


async def link_path(api: Api, number: str, by: str = "chen") -> str:
    """The path of a new link."""
    answer = await api.post(f"/v1/complaints/{number}/link", None, by)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    return httpx.URL(answer.json()["url"]).path


async def follow_ups(api: Api, number: str) -> list[Json]:
    items = (await api.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    return [item for item in items if item["action"] == "follow_up"]


async def say(api: Api, path: str, **said: str) -> httpx.Response:
    return await api.http.post(path, data=said, headers=CHINESE)


async def test_the_page_shows_the_state_in_the_readers_language(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    path = await link_path(on_sqlite, number)
    chinese = await on_sqlite.http.get(path, headers=CHINESE)
    english = await on_sqlite.http.get(path, headers=ENGLISH)
    for page, words in ((chinese, ("停水/无水", "处理中")), (english, ("No water", "In progress"))):
        assert page.status_code == HTTPStatus.OK
        assert number in page.text
        assert all(word in page.text for word in words)
        assert "<form" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"


async def test_nothing_personal_is_on_the_page(on_sqlite: Api) -> None:
    caller = {"name": "李婆婆", "phone": "076088237777", "account_no": "0420013"}
    place = {"district": "west", "address": "下闸新村3号"}
    body = {"service_code": "no_water", "description": "家里没水", "caller": caller, "location": place}
    number = (await on_sqlite.register(body)).json()["number"]
    page = (await on_sqlite.http.get(await link_path(on_sqlite, number))).text
    assert not any(word in page for word in (*caller.values(), "下闸新村", "家里没水"))


async def test_an_answer_counts_once(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    path = await link_path(on_sqlite, number)
    assert "满意" in (await on_sqlite.http.get(path, headers=CHINESE)).text
    first = await say(on_sqlite, path, outcome="satisfied", words="谢谢师傅")
    assert (first.status_code, "感谢您的评价" in first.text) == (HTTPStatus.OK, True)
    again = await say(on_sqlite, path, outcome="dissatisfied")
    assert (again.status_code, "感谢您的评价" in again.text) == (HTTPStatus.OK, True)
    assert "<form" not in again.text
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["cycle"]) == ("closed", 1)
    (answered,) = await follow_ups(on_sqlite, number)
    assert (answered["data"]["outcome"], answered["data"]["note"]) == ("satisfied", "谢谢师傅")
    assert answered["actor"] == "来电人 caller, link by chen"


async def test_a_dissatisfied_caller_gets_a_new_cycle_and_needs_a_new_link(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    path = await link_path(on_sqlite, number)
    page = await say(on_sqlite, path, outcome="dissatisfied", words="还是没水")
    assert ("已通知处理部门" in page.text, "感谢您的评价" in page.text) == (True, True)
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["cycle"], case["flags"]) == ("dispatched", 2, ["reworked"])
    for who, action, body in (
        ("wu", "sign_for", {}),
        ("wu", "complete", {"result": "好了"}),
        ("chen", "reply", {"message": "好了"}),
    ):
        assert (await on_sqlite.act(number, action, body, who)).status_code == HTTPStatus.OK
    page = await say(on_sqlite, path, outcome="satisfied")
    assert ("<form" in page.text, "请用最近收到的链接评价" in page.text) == (False, True)
    assert (await on_sqlite.complaint(number))["state"] == "pending_follow_up"


async def unreachable(api: Api) -> str:
    number = await replied(api)
    for _ in range(3):
        assert (await api.act(number, "follow_up", {"outcome": "unreachable"}, "he")).status_code == HTTPStatus.OK
    return number


async def settled_in_the_call(api: Api) -> str:
    call = {"service_code": "inquiry", "description": "水费怎么算"}
    number: str = (await api.register(call, "chen")).json()["number"]
    assert (await api.act(number, "answer", {"message": "按阶梯水价"}, "chen")).status_code == HTTPStatus.OK
    return number


async def withdrawn(api: Api) -> str:
    number = await api.case_in("in_progress")
    assert (await api.act(number, "withdraw", {"reason": "来水了"}, "chen")).status_code == HTTPStatus.OK
    return number


@pytest.mark.parametrize(
    ("road", "state"), [(unreachable, "closed"), (settled_in_the_call, "closed"), (withdrawn, "withdrawn")]
)
async def test_a_caller_who_is_not_asked_is_not_thanked(
    on_sqlite: Api, road: Callable[[Api], Awaitable[str]], state: str
) -> None:
    number = await road(on_sqlite)
    assert (await on_sqlite.complaint(number))["state"] == state
    page = (await on_sqlite.http.get(await link_path(on_sqlite, number), headers=CHINESE)).text
    assert STATE_FOR_CALLERS[State(state)][0] in page
    assert not any(word in page for word in ("感谢", "评价", "<form"))


async def test_a_caller_is_not_thanked_for_a_cycle_without_answer(on_sqlite: Api) -> None:
    """Closed unanswered and reopened, the case has moved on without him."""
    number = await unreachable(on_sqlite)
    path = await link_path(on_sqlite, number)
    assert (await on_sqlite.act(number, "reopen", {"reason": "又没水"}, "chen")).status_code == HTTPStatus.OK
    page = (await on_sqlite.http.get(path, headers=CHINESE)).text
    assert ("已通知处理部门" in page, "感谢" in page) == (True, False)


@pytest.mark.parametrize(
    "said", [{}, {"outcome": "unreachable"}, {"outcome": "maybe"}, {"outcome": "satisfied", "words": "好" * 2001}]
)
async def test_an_invalid_answer_is_asked_for_again_and_its_text_is_kept(on_sqlite: Api, said: dict[str, str]) -> None:
    number = await replied(on_sqlite)
    page = await say(on_sqlite, await link_path(on_sqlite, number), **said)
    assert (page.status_code, 'role="alert"' in page.text, "<form" in page.text) == (422, True, True)
    assert said.get("words", "") in page.text
    assert (await on_sqlite.complaint(number))["state"] == "pending_follow_up"


async def test_an_expired_link_takes_no_answer(on_sqlite: Api) -> None:
    path = await link_path(on_sqlite, await replied(on_sqlite))
    on_sqlite.clock.fixed = datetime.now(UTC) + VALID + timedelta(seconds=1)
    try:
        late = await say(on_sqlite, path, outcome="satisfied")
    finally:
        on_sqlite.clock.fixed = None
    assert (late.status_code, "已过期" in late.text) == (HTTPStatus.GONE, True)


async def test_a_forged_link_is_not_found(on_sqlite: Api) -> None:
    path = await link_path(on_sqlite, await replied(on_sqlite))
    for wrong in ("/c/1", f"{path}x", path[:-1], path.replace("/c/", "/c/x"), "/c/2608034711004"):
        page = await on_sqlite.http.get(wrong, headers=ENGLISH)
        assert (page.status_code, "opens nothing" in page.text) == (HTTPStatus.NOT_FOUND, True)


async def test_a_link_is_for_an_existing_case_and_not_made_by_the_crew(on_sqlite: Api) -> None:
    """By a link a crew could answer for the caller."""
    number = await replied(on_sqlite)
    for who in ("wu", "zhou", "gao"):
        problem(await on_sqlite.post(f"/v1/complaints/{number}/link", None, who), 403, "wrong-role")
    for who in ("chen", "he", "xu", "chief"):
        await link_path(on_sqlite, number, who)
    problem(await on_sqlite.post("/v1/complaints/2001010000008/link", None, "chen"), 404, "complaint-not-found")


async def test_processes_with_one_secret_file_read_each_others_links(tmp_path: Path) -> None:
    one, same, other = (Links(tmp_path / name / "links.key") for name in ("a", "a", "b"))
    text, expires_at = one.make("2608034711004", 2, NOON)
    assert same.read(text, NOON) == Link("2608034711004", 2, expires_at)
    assert (tmp_path / "a" / "links.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkError) as unknown:
        other.read(text, NOON)
    assert not unknown.value.expired
    with pytest.raises(LinkError) as late:
        one.read(text, expires_at)
    assert late.value.expired


async def test_the_log_says_who_made_a_link_and_not_the_link(on_sqlite: Api, caplog: pytest.LogCaptureFixture) -> None:
    number = await replied(on_sqlite)
    with caplog.at_level(logging.INFO, "hotline.api"):
        path = await link_path(on_sqlite, number)
    assert f"a link to case {number} was made by chen" in caplog.messages
    assert path.removeprefix("/c/") not in caplog.text


async def test_a_link_in_a_notification_names_no_maker(on_sqlite: Api) -> None:
    number = await replied(on_sqlite)
    text, _ = Links(on_sqlite.settings.links_secret_file).make(number, 1, datetime.now(UTC))
    await say(on_sqlite, f"/c/{text}", outcome="satisfied")
    assert (await follow_ups(on_sqlite, number))[0]["actor"] == "来电人 caller"


WORDS = {
    "zh-CN": {
        "state": "已处理，等待您的评价",
        "label": "您的意见",
        "satisfied": "满意",
        "dissatisfied": "不满意，请重新处理",
        "alert": "请选择满意或不满意",
        "thanks": "感谢您的评价。",
        "expired": "链接已过期",
        "unknown": "链接无效",
        "moved": {"closed": "已办结", "dispatched": "已通知处理部门"},
    },
    "en-GB": {
        "state": "Handled, waiting for your answer",
        "label": "Your words",
        "satisfied": "Satisfied",
        "dissatisfied": "Not satisfied: please do it again",
        "alert": "Say whether you are satisfied",
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
async def test_the_page_works_in_a_telephones_browser(on_sqlite: Api, locale: str, outcome: str, state: str) -> None:
    """A second visit finds the answer; what was typed is text everywhere."""
    words: Any = WORDS[locale]
    number = await replied(on_sqlite)
    address = f"{on_sqlite.http.base_url}{await link_path(on_sqlite, number)}"
    async with telephone(locale) as page:
        await page.goto(address)
        await expect(page.get_by_text(number)).to_be_visible()
        await expect(page.get_by_text(words["state"], exact=True)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await page.evaluate("document.documentElement.lang") == ("zh-CN" if locale == "zh-CN" else "en")
        await page.get_by_label(words["label"]).fill(TYPED)
        await page.evaluate("document.querySelectorAll('button').forEach(button => button.value = 'maybe')")
        await page.get_by_role("button", name=words[outcome], exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text(words["alert"])
        await expect(page.get_by_label(words["label"])).to_have_value(TYPED)
        assert await page.locator("b").count() == 0
        await page.get_by_role("button", name=words[outcome], exact=True).click()
        for _ in range(2):
            await expect(page.get_by_role("status")).to_have_text(words["thanks"])
            await expect(page.get_by_text(words["moved"][state], exact=True)).to_be_visible()
            assert await page.locator("form").count() == 0
            await page.goto(address)
    assert (await on_sqlite.complaint(number))["state"] == state
    assert [event["data"]["note"] for event in await follow_ups(on_sqlite, number)] == [TYPED]


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("locale", WORDS)
async def test_a_telephones_browser_shows_that_a_link_is_invalid(on_sqlite: Api, locale: str) -> None:
    path = await link_path(on_sqlite, await replied(on_sqlite))
    async with telephone(locale) as page:
        await page.goto(f"{on_sqlite.http.base_url}{path}x")
        await expect(page.get_by_text(str(WORDS[locale]["unknown"]))).to_be_visible()
        on_sqlite.clock.fixed = datetime.now(UTC) + VALID + timedelta(seconds=1)
        try:
            await page.goto(f"{on_sqlite.http.base_url}{path}")
        finally:
            on_sqlite.clock.fixed = None
        await expect(page.get_by_text(str(WORDS[locale]["expired"]))).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
