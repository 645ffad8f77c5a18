"""The caller's own door: a link that shows one case, takes one answer, and opens nothing to strangers."""

import os
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from docs.pictures import SWITCHES, chromium
from links import VALID, LinkError, Links
from tests.api.house import House, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGLISH, CHINESE = {"Accept-Language": "en-GB,en;q=0.9"}, {"Accept-Language": "zh-CN,zh;q=0.9"}
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)


async def replied(house: House) -> str:
    """A case whose caller has been told, and is to be asked."""
    number = await house.case_in("pending_reply")
    assert (await house.act(number, "reply", {"message": "已恢复供水"}, "chen")).status_code == HTTPStatus.OK
    return number


async def door(house: House, number: str, by: str = "chen") -> str:
    """The path of a new link."""
    answer = await house.post(f"/v1/complaints/{number}/link", None, by)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    return httpx.URL(answer.json()["url"]).path


async def say(house: House, path: str, **said: str) -> httpx.Response:
    return await house.http.post(path, data=said, headers=CHINESE)


async def test_the_page_tells_how_the_case_stands_in_the_reader_s_language(on_both: House) -> None:
    number = await on_both.case_in("in_progress")
    path = await door(on_both, number)
    chinese = await on_both.http.get(path, headers=CHINESE)
    english = await on_both.http.get(path, headers=ENGLISH)
    for page, words in ((chinese, ("停水/无水", "处理中")), (english, ("No water", "in progress"))):
        assert page.status_code == HTTPStatus.OK
        assert number in page.text
        assert all(word in page.text for word in words)
        assert "<form" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"


async def test_nothing_personal_is_on_the_page(on_sqlite: House) -> None:
    caller = {"name": "李婆婆", "phone": "076088237777", "account_no": "0420013"}
    place = {"district": "west", "address": "下闸新村3号"}
    body = {"service_code": "no_water", "description": "家里没水", "caller": caller, "location": place}
    number = (await on_sqlite.register(body)).json()["number"]
    page = (await on_sqlite.http.get(await door(on_sqlite, number))).text
    assert not any(word in page for word in (*caller.values(), "下闸新村", "家里没水"))


async def test_an_answer_counts_once(on_both: House) -> None:
    number = await replied(on_both)
    path = await door(on_both, number)
    assert "满意" in (await on_both.http.get(path, headers=CHINESE)).text
    first = await say(on_both, path, outcome="satisfied", words="谢谢师傅")
    assert (first.status_code, "感谢您的评价" in first.text) == (HTTPStatus.OK, True)
    again = await say(on_both, path, outcome="dissatisfied")
    assert (again.status_code, "感谢您的评价" in again.text) == (HTTPStatus.OK, True)
    assert "<form" not in again.text
    case = await on_both.complaint(number)
    assert (case["state"], case["cycle"]) == ("closed", 1)
    events = (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    (answered,) = [event for event in events if event["action"] == "follow_up"]
    assert (answered["data"]["outcome"], answered["data"]["note"]) == ("satisfied", "谢谢师傅")
    assert answered["actor"] == "来电人 caller"


async def test_who_is_not_satisfied_gets_the_next_cycle_and_needs_a_new_link_for_it(on_sqlite: House) -> None:
    number = await replied(on_sqlite)
    path = await door(on_sqlite, number)
    page = await say(on_sqlite, path, outcome="dissatisfied", words="还是没水")
    assert "待签收" in page.text
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["cycle"], case["flags"]) == ("dispatched", 2, ["reworked"])
    for who, action, body in (
        ("wu", "sign_for", {}),
        ("wu", "complete", {"result": "好了"}),
        ("chen", "reply", {"message": "好了"}),
    ):
        assert (await on_sqlite.act(number, action, body, who)).status_code == HTTPStatus.OK
    assert "<form" not in (await say(on_sqlite, path, outcome="satisfied")).text
    assert (await on_sqlite.complaint(number))["state"] == "pending_follow_up"


@pytest.mark.parametrize(
    "said", [{}, {"outcome": "unreachable"}, {"outcome": "maybe"}, {"outcome": "satisfied", "words": "好" * 2001}]
)
async def test_an_answer_that_is_none_is_asked_again_and_nothing_is_lost(
    on_sqlite: House, said: dict[str, str]
) -> None:
    number = await replied(on_sqlite)
    page = await say(on_sqlite, await door(on_sqlite, number), **said)
    assert (page.status_code, 'role="alert"' in page.text, "<form" in page.text) == (422, True, True)
    assert said.get("words", "") in page.text
    assert (await on_sqlite.complaint(number))["state"] == "pending_follow_up"


async def test_a_day_late_is_late(on_sqlite: House) -> None:
    path = await door(on_sqlite, await replied(on_sqlite))
    on_sqlite.clock.fixed = datetime.now(UTC) + VALID + timedelta(seconds=1)
    try:
        late = await say(on_sqlite, path, outcome="satisfied")
    finally:
        on_sqlite.clock.fixed = None
    assert (late.status_code, "已过期" in late.text) == (HTTPStatus.GONE, True)


async def test_nothing_can_be_guessed(on_sqlite: House) -> None:
    path = await door(on_sqlite, await replied(on_sqlite))
    for wrong in ("/c/1", f"{path}x", path[:-1], path.replace("/c/", "/c/x"), "/c/2608034711003"):
        page = await on_sqlite.http.get(wrong, headers=ENGLISH)
        assert (page.status_code, "opens nothing" in page.text) == (HTTPStatus.NOT_FOUND, True)


async def test_a_link_is_made_by_staff_for_cases_that_are_there(on_sqlite: House) -> None:
    number = await replied(on_sqlite)
    problem(await on_sqlite.post(f"/v1/complaints/{number}/link", None, "portal"), 403, "wrong-role")
    problem(await on_sqlite.post("/v1/complaints/2001010000001/link", None, "chen"), 404, "complaint-not-found")


async def test_two_processes_sign_with_one_secret_and_another_house_with_another(tmp_path: Path) -> None:
    one, same, other = (Links(tmp_path / name / "links.key") for name in ("a", "a", "b"))
    text, expires_at = one.make("2608034711003", 2, NOON)
    assert same.read(text, NOON) == ("2608034711003", 2, expires_at)
    assert (tmp_path / "a" / "links.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkError) as unknown:
        other.read(text, NOON)
    assert not unknown.value.expired
    with pytest.raises(LinkError) as late:
        one.read(text, expires_at)
    assert late.value.expired


@pytest.mark.browser
@pytest.mark.skipif(
    chromium() is None and not os.environ.get("CI"),
    reason="no chromium here: sudo apt-get install chromium fonts-noto-cjk",
)
async def test_on_a_telephone(on_sqlite: House) -> None:
    number = await replied(on_sqlite)
    address = f"{on_sqlite.http.base_url}{await door(on_sqlite, number)}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        page = await browser.new_page(viewport={"width": 360, "height": 640}, locale="zh-CN")
        await page.goto(address)
        await expect(page.get_by_text(number)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.get_by_label("您的意见").fill("<b>师傅很好</b>")
        await page.get_by_role("button", name="满意", exact=True).click()
        await expect(page.get_by_role("status")).to_have_text("感谢您的评价。")
        await browser.close()
    assert (await on_sqlite.complaint(number))["state"] == "closed"
