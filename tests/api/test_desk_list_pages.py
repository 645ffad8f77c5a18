"""Lists of the desk: counts that a page reads again, the size of a full page, addresses masked, and call-backs."""

import re
import uuid
from datetime import timedelta
from html import unescape

import httpx
import pytest
from playwright.async_api import expect
from sqlalchemy import update

from api.desk.tabs import START
from domain.case.intake import Caller, Location
from readmodel.base.database import engine, writing
from readmodel.cases.tables import cases
from tests.api.test_call_backs import missed
from tests.api.test_calls_of_cases import new_phone
from tests.api.test_desk import DESK, ENGLISH, at, text
from tests.api.test_desk_in_a_browser import MOST_BYTES, open_desk
from tests.api.test_desk_incidents import form
from tests.api.test_incidents import act, declare, in_state, linked_to
from tests.api.test_reading import owner
from tests.support.api import PEOPLE, Api
from tests.support.batches import call, project, published
from tests.support.browser import needs_chromium
from tests.support.browsing import browser, signed_in, text_of
from tests.support.build import MONDAY
from tests.support.rows import forget

pytestmark = pytest.mark.asyncio(loop_scope="session")
COUNTS = f"{DESK}/counts"
CALL_BACKS = f"{DESK}/call-backs"


def counts_on(page: httpx.Response) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r'data-count="([^"]+)">(\d+)<', page.text)}


@pytest.mark.parametrize("name", [name for name in PEOPLE if name != "pbx"])
async def test_everybody_begins_where_work_waits(on_sqlite: Api, name: str) -> None:
    async with signed_in(on_sqlite, name) as made:
        page = await made.get(DESK)
        if PEOPLE[name][1]:
            assert page.headers["location"] == f"{DESK}/crew"
            page = await made.get(page.headers["location"])
            assert f'<a href="{DESK}?tab=to-sign-for">工作台' in page.text
        else:
            assert f'tab={START[PEOPLE[name][0]]}" aria-current="page"' in page.text


@pytest.mark.parametrize(
    ("path", "status", "said", "english"),
    [
        (
            "?tab=nope",
            422,
            "列表：没有 nope，现有：我的工单、待派单、",
            "List: there is no 'nope'; there are: My cases,",
        ),
        ("?tab=all&priority=P9", 422, "优先级：可填 P1、P2、", "Priority: Input should be 'P1', 'P2',"),
        (
            "?tab=all&district=moon",
            422,
            "区域：没有唯一匹配的，可填 石岐街道、东区街道、",
            "District: there is no such district; accepted: Shiqi, East District,",
        ),
        ("?tab=all&service=wat", 422, "服务项目：没有唯一匹配的，可填 水质、", "Service: this may be any of several"),
        ("/nothing/here", 404, "没有这个页面，请从工作台进入。", "There is no page /desk/nothing/here."),
        ("/language/fr", 404, "没有这个页面", "There is no page /desk/language/fr."),
        ("/cases/2608034711004", 404, "没有工单 2608034711004，请核对号码。", "There is no case 2608034711004: check"),
        (
            "/cases/{}/actions/nope",
            404,
            "操作：没有 nope，现有：派单、",
            "Action: there is no 'nope'; there are: Dispatch,",
        ),
        ("/incidents/nope", 404, "没有突发事件 nope，请核对号码。", "There is no incident nope: check"),
        ("/incidents/i26080300014", 404, "没有突发事件 i26080300014，", "There is no incident i26080300014: check"),
    ],
)
async def test_what_does_not_exist_is_said_in_the_readers_language(
    on_sqlite: Api, path: str, status: int, said: str, english: str
) -> None:
    path = DESK + path.format(await on_sqlite.case_in("registered") if "{}" in path else "")
    async with signed_in(on_sqlite, "zhou") as made:
        page, in_english = await made.get(path), await made.get(path, headers=ENGLISH)
    assert (page.status_code, in_english.status_code) == (status, status)
    assert said in text(page)
    assert english in text(in_english)
    assert not re.search("[\u4e00-\u9fff]", text_of(in_english.text.partition("</header>")[2]))


@pytest.mark.parametrize(("overdue", "word"), [(True, "超时"), (False, "曾超时")])
async def test_only_what_is_late_now_is_marked_as_late(on_sqlite: Api, overdue: bool, word: str) -> None:
    text_of_case = uuid.uuid4().hex
    number = await on_sqlite.case_in("dispatched", description=text_of_case)
    database = engine(on_sqlite.settings.database_url)
    with writing(database) as connection:
        late = update(cases).where(cases.c.number == number).values(sla="missed", overdue=overdue)
        connection.execute(late)
    database.dispose()
    async with signed_in(on_sqlite, "zhou") as made:
        page = await made.get(DESK, params={"tab": "all", "q": text_of_case})
    [look, said] = re.findall(r'<td( class="late")?>[0-9-]+ [0-9:]+ ([^<]+)<td>', page.text)[0]
    assert (bool(look), said) == (overdue, word)


async def test_an_empty_name_of_a_list_is_the_first_one(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "zhou") as made:
        assert 'tab=to-dispatch" aria-current="page"' in (await made.get(f"{DESK}?tab=")).text


async def test_an_open_page_reads_its_counts_and_numbers_again(on_both: Api) -> None:
    word = uuid.uuid4().hex
    given = {"tab": "to-sign-for", "q": word}
    async with signed_in(on_both, "chen") as made:
        first = await on_both.case_in("dispatched", description=word)
        page = await made.get(DESK, params=given)
        before = (await made.get(COUNTS, params=given)).json()
        assert (before["counts"], before["numbers"]) == (counts_on(page), [first])
        second = await on_both.case_in("dispatched", description=word)
        after = (await made.get(COUNTS, params=given)).json()
        assert {*after["numbers"]} == {first, second}
        assert after["counts"]["to-sign-for"] == before["counts"]["to-sign-for"] + 1
        assert (await made.get(COUNTS, params={"tab": "nothing"})).status_code == 422
    async with browser(on_both) as stranger:
        assert (await stranger.get(COUNTS)).status_code == 401


async def test_counts_of_a_crew_are_those_of_its_department(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "sun") as made:
        before = (await made.get(COUNTS)).json()["counts"]
        await on_sqlite.case_in("dispatched")
        after = (await made.get(COUNTS)).json()["counts"]
    assert after["to-sign-for"] == before["to-sign-for"]
    assert "call-backs" not in after


async def test_an_address_in_a_list_is_masked_as_the_api_has_it(on_sqlite: Api) -> None:
    word, place = uuid.uuid4().hex, {"district": "west", "address": "下闸新村37号"}
    await on_sqlite.case_in("refused", description=word, location=place)
    for by, shown in (("chen", "下闸新村37号"), ("gao", "下闸新村***")):
        async with signed_in(on_sqlite, by) as made:
            given = {"tab": "all"} if by == "gao" else {"tab": "all", "q": word}
            assert f"西区街道 {shown}" in text(await made.get(DESK, params=given))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en-GB"])
async def test_200_cases_with_long_addresses_have_60_kb(on_sqlite: Api, language: str) -> None:
    # Days of their own: 201 numbers drawn for a day on which others have cases would meet some of theirs.
    word, at = uuid.uuid4().hex, MONDAY - timedelta(days=1000 + len(language))
    place = Location(district="west", address="石岐街道下闸新村东二巷十七号之三富豪花园" * 5)
    for each in range(201):
        start = call(at=at + timedelta(seconds=each))
        intake = start.intake.model_copy(update={"location": place, "description": word, "caller": Caller()})
        changes = {"number": f"{at:%y%m%d}{each:07d}", "owner": owner(), "intake": intake}
        batches = published(start.model_copy(update=changes), ("dispatch", "comment"), timedelta(minutes=15))
        project(on_sqlite.settings.database_url, batches)
    async with signed_in(on_sqlite, "chen", **{"Accept-Language": language}) as made:
        page = await made.get(DESK, params={"tab": "all", "q": word})
    assert len(re.findall(r'<tr><td><a href="/desk/cases/\d+"', page.text)) == 200
    assert "石岐街道下闸新村东二巷十…" in page.text
    assert len(page.content) <= MOST_BYTES
    forget(on_sqlite.backend.direct.engine, f"{at:%y%m%d}")  # else no other case has its place on a crew's page


async def test_callers_are_called_back_from_the_desk(on_both: Api) -> None:
    phone = new_phone()
    await missed(on_both, phone)
    async with signed_in(on_both, "chen") as made:
        page = await made.get(CALL_BACKS)
        listed = (await on_both.get("/v1/call-backs", "chen", limit=200)).json()["items"]
        assert counts_on(await made.get(DESK))["call-backs"] == len(listed)
        assert f"{phone} · 待回电" in text(page)
        card = page.text[page.text.index(f"tel:{phone}") :]
        given = dict(re.findall(r'name="(key|call_id)" value="([^"]*)"', card)[:2])
        for reached, shown in (("", f"{phone} · 回电中 · chen"), ("false", f"{phone} · 待回电")):
            data = {**given, "key": str(uuid.uuid4()), "reached": reached}
            assert (await made.post(CALL_BACKS, data=data)).status_code == 303
            assert shown in text(await made.get(CALL_BACKS))
        intake = card[card.index('action="/desk/intake"') :].partition("</form>")[0]
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', unescape(intake)))
        assert f'value="{phone}"' in (await made.post("/desk/intake", data=fields)).text
        done = await made.post(CALL_BACKS, data={**given, "key": str(uuid.uuid4()), "reached": "true"})
        assert done.status_code == 303
        assert phone not in (await made.get(CALL_BACKS)).text
        again = await made.post(CALL_BACKS, data={**given, "key": str(uuid.uuid4())}, headers=ENGLISH)
        assert (again.status_code, "Call-back over" in again.text) == (409, True)


async def test_call_backs_are_for_those_who_call_back(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "wu") as made:
        assert (await made.get(CALL_BACKS)).status_code == 403
        assert CALL_BACKS not in (await made.get(DESK)).text
    async with signed_in(on_sqlite, "chen") as made:
        foreign = await made.post(CALL_BACKS, data={"call_id": "1"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
    async with browser(on_sqlite, **on_sqlite.session("chen", "read")) as made:
        assert (await made.post(CALL_BACKS, data={"call_id": "1"})).status_code == 403


@pytest.mark.browser
@pytest.mark.slow
@needs_chromium
async def test_an_open_list_says_what_is_new_and_moves_no_row(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.lists.REFRESH_SECONDS", 0.2)
    word = uuid.uuid4().hex
    first = await on_sqlite.case_in("dispatched", description=word)
    async with open_desk(on_sqlite, "chen", locale="en-GB") as page:
        await page.goto(f"{on_sqlite.url}{DESK}?tab=to-sign-for&q={word}")
        count = page.locator("[data-count=to-sign-for]")
        before = int(await count.inner_text())
        await on_sqlite.case_in("dispatched", description=word)
        await expect(page.get_by_role("status")).to_have_text("1 new: load the list again")
        await expect(count).to_have_text(str(before + 1))
        assert await page.locator("#rows tbody a").all_inner_texts() == [first]
        await page.get_by_role("status").get_by_role("link").click()
        await expect(page.locator("#rows tbody a")).to_have_count(2)


async def test_who_mistypes_a_number_stays_on_the_desk(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        for number, said in (
            ("2608034711004", "没有工单 2608034711004，请核对号码。"),
            ("2608034711005", "这不是工单号"),
        ):
            page = await made.get(f"{DESK}/cases", params={"number": number})
            assert said in text(page)
            assert f'action="{DESK}/cases"' in page.text
            assert f'href="{DESK}"' in page.text


async def test_what_is_no_whole_number_is_searched_for(on_sqlite: Api) -> None:
    word = f"中 {uuid.uuid4().hex}"
    number = await on_sqlite.case_in("dispatched", description=word)
    async with signed_in(on_sqlite, "chen") as made:
        for asked in (number[-4:], word):
            moved = await made.get(f"{DESK}/cases", params={"number": f" {asked} "})
            assert moved.status_code == 303
            assert at(number) in (await made.get(moved.headers["location"])).text


@pytest.mark.browser
@pytest.mark.slow
@needs_chromium
async def test_shortcuts_lead_everywhere_and_can_be_switched_off(on_sqlite: Api) -> None:
    word = uuid.uuid4().hex
    numbers = [await on_sqlite.case_in("registered", description=word) for _ in range(2)]
    async with open_desk(on_sqlite, "chen", locale="en-GB") as page:
        await page.goto(f"{on_sqlite.url}{DESK}?tab=all&q={word}")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for keys, number in (("j", numbers[1]), ("j", numbers[0]), ("j", numbers[0]), ("k", numbers[1])):
            await page.keyboard.press(keys)
            await expect(page.get_by_role("link", name=number)).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/desk/cases/{numbers[1]}")
        await page.keyboard.press("/")
        search = page.get_by_label("Number, telephone, name or address")
        await expect(search).to_be_focused()
        await page.keyboard.type("ij?2/")
        await expect(search).to_have_value("ij?2/")
        await page.get_by_role("link", name="Desk", exact=True).focus()
        await page.keyboard.press("?")
        await expect(page.get_by_text("Next and previous row")).to_be_visible()
        await page.keyboard.press("i")
        await page.wait_for_url("**/desk/intake")
        # The first input has the focus there.
        await page.get_by_role("link", name="Desk", exact=True).focus()
        await page.keyboard.press("h")
        await page.wait_for_url("**/desk")
        await page.keyboard.press("2")
        await page.wait_for_url("**/desk?tab=*")
        await page.keyboard.press("?")
        await page.get_by_label("Use shortcuts").uncheck()
        await page.get_by_role("link", name="Desk", exact=True).focus()
        await page.keyboard.press("/")
        await expect(page.get_by_role("link", name="Desk", exact=True)).to_be_focused()


async def test_lists_and_a_case_tell_what_an_incident_waits_for(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("lists.MOST_INCIDENTS", "crew.MOST"):
        monkeypatch.setattr(f"api.desk.{bound}", 199)
    number = await declare(
        on_sqlite, title="爆管13812345678", services=["leak"], districts=["minzhong"], streets=["无人街"]
    )
    place = {"district": "minzhong", "address": "无人街1号"}
    case = await on_sqlite.case_in("registered", service_code="leak", location=place)
    await linked_to(on_sqlite, case, number)
    line = f"突发事件 {number} · %s · 爆管138****5678 · 漏水 · 民众街道 · 无人街 · 1 张工单"
    async with signed_in(on_sqlite, "zhou") as made, signed_in(on_sqlite, "wu") as crew:
        shown = [text(await made.get(DESK, params={"tab": tab})) for tab in ("to-dispatch", "to-sign-for")]
        assert [line % "已确认" in each for each in shown] == [True, False]
        assert f"随突发事件 {number} 一并处理，事件待派单；其间部门时限暂停。" in text(await made.get(at(case)))
        assert number not in (await crew.get(f"{DESK}/crew")).text
        await act(on_sqlite, number, "dispatch", {"department": "repair"})
        shown = [text(await made.get(DESK, params={"tab": tab})) for tab in ("to-dispatch", "to-sign-for")]
        assert [line % "待签收" in each for each in shown] == [False, True]
        english = text(await made.get(at(case), headers=ENGLISH))
        assert f"Handled with incident {number} , which its department has to sign for." in english
        assert line % "待签收" in text(await crew.get(DESK, params={"tab": "to-sign-for"}))
        work = await crew.get(f"{DESK}/crew")
        assert f'href="{form(number, "sign_for")}"' in work.text
    await act(on_sqlite, number, "resolve", {"result": "换管", "message": "已恢复供水"})
    await in_state(on_sqlite, number, "resolved")
    async with signed_in(on_sqlite, "zhou") as made:
        assert "一并处理" not in text(await made.get(at(case)))


async def test_a_case_of_an_open_incident_is_dispatched_with_it_alone(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.desk.board.ROWS", 99)
    word, place = uuid.uuid4().hex, {"district": "henglan", "address": "并案街1号"}
    number = await declare(on_both, services=["leak"], districts=["henglan"], streets=["并案街"])
    mine = [await on_both.case_in("registered", service_code="leak", location=place, description=word)]
    mine.append(await on_both.case_in("registered", description=word))
    await linked_to(on_both, mine[0], number)
    row = re.compile('<th scope="row">横栏镇</th>(?:<td[^>]*>.*?</td>){2}<td>([^<]+)</td>.*?<td>([^<]+)</td></tr>')

    async def listed() -> tuple[list[bool], int, list[int]]:
        async with signed_in(on_both, "zhou") as made:
            page = await made.get(DESK, params={"tab": "to-dispatch", "q": word})
            board = row.search((await made.get("/board", params={"by": "district"})).text)
        assert board
        to_dispatch = counts_on(page)["to-dispatch"]
        return [at(case) in page.text for case in mine], to_dispatch, [int(n.replace("–", "0")) for n in board.groups()]

    async with signed_in(on_both, "zhou") as made:
        actions = (await made.get(at(mine[0]))).text.partition('<ul class="actions">')[2]
    assert re.findall('class="button" href="([^"]+)"', actions.partition("</ul>")[0]) == [f"{DESK}/incidents/{number}"]
    found, count, (alone, joint) = await listed()
    assert found == [False, True]
    assert (await on_both.act(mine[0], "link_incident", {"incident": None}, "zhou")).is_success
    await linked_to(on_both, mine[0], None)
    assert await listed() == ([True, True], count + 1, [alone + 1, joint - 1])
    await act(on_both, number, "dismiss", {"reason": "误报"})
