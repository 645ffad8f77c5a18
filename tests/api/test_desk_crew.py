"""Page of a crew: whose work it shows in which order, and that a form typed without a network is sent once."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Route, expect

from domain.shared.actors import Role
from tests.api.test_desk import ENGLISH, at, text
from tests.api.test_desk_in_a_browser import MOST_BYTES, open_desk
from tests.api.test_incident_candidates import END
from tests.api.test_incidents import act, declare
from tests.support.api import PEOPLE, Api, Json
from tests.support.browser import needs_chromium
from tests.support.browsing import browser, signed_in, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREW = "/desk/crew"
CALLER = {"name": "陈女士", "phone": "0760 8823 0001"}
PLACE = {"district": "west", "address": "下闸新村3号", "lat": 22.5, "lng": 113.3}


def numbers(page: str) -> list[str]:
    return re.findall(r'<h2><a href="/desk/cases/(\d+)"', page)


async def test_a_crew_sees_its_work_in_the_order_of_due_times(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.crew.MOST", 199)
    working = await on_both.case_in("in_progress", caller=CALLER, location=PLACE)
    unsigned = await on_both.case_in("dispatched", service_code="leak")
    done = await on_both.case_in("pending_reply")
    async with signed_in(on_both, "wu") as made:
        page = await made.get(CREW)
        english = await made.get(CREW, headers=ENGLISH)
    assert page.status_code == 200
    found = numbers(page.text)
    assert {working, unsigned} <= {*found}
    assert done not in found
    due = [(await on_both.complaint(number))["next_due_at"] for number in found]
    assert [*filter(None, due)] == sorted(filter(None, due))
    [card] = [each for each in page.text.split("<article") if working in each]
    for words in ("停水/无水", "处理中 · 到场 到期 20", "西区街道 下闸新村3号", 'href="tel:076088230001"', "mlat=22.5"):
        assert words in card
    assert re.findall(r'/actions/(\w+)\?from=crew"', card) == ["arrive", "complete", "suspend", "return"]
    [card] = [each for each in page.text.split("<article") if unsigned in each]
    assert re.findall(r'/actions/(\w+)\?from=crew"', card)[0] == "sign_for"
    assert "In progress · Arrive, due 20" in text(english)


async def card_of(api: Api, number: str, path: str = CREW) -> str:
    """Return the words on the card of a case of Wu's, with the places of its steps."""
    async with signed_in(api, "wu") as made:
        page = await made.get(path)
    [card] = [each.partition("</article>")[0] for each in page.text.split("<article") if number in each]
    return card


async def test_the_card_has_the_words_of_others_and_why_it_is_done_again(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.desk.crew.MOST", 199)
    number = await on_both.case_in("registered", caller=CALLER)
    steps: list[tuple[str, str, Json]] = [
        ("zhou", "dispatch", {"department": "repair", "note": "先打电话给用户"}),
        ("wu", "sign_for", {}),
        ("chen", "comment", {"note": "第一句"}),
        ("wu", "complete", {"result": "接头已换"}),
        ("chen", "reply", {"message": "已修好"}),
        ("he", "follow_up", {"outcome": "dissatisfied", "note": "路面没恢复"}),
        *(("chen", "comment", {"note": note}) for note in ("第二句", "第三句", "家有老人在家")),
    ]
    for by, action, body in steps:
        assert (await on_both.act(number, action, body, by)).is_success
    card = text_of(await card_of(on_both, number))
    told = ["补充 chen：家有老人在家", "补充 chen：第三句", "补充 chen：第二句", "回访 he：路面没恢复"]
    places = [card.index(words) for words in (*told, "处理完成 wu：接头已换", "派单 zhou：先打电话给用户")]
    assert places == sorted(places)
    assert "第一句" not in card
    sheet = text_of((await on_both.get(f"/v1/complaints/{number}/work-order", "wu")).text)
    for words in ("家有老人在家", "Follow-up he：路面没恢复", "Complete wu：接头已换", "Dispatch zhou：先打电话给用户"):
        assert words in sheet
    assert "第三句" not in sheet, "which has less room"


async def test_the_card_says_what_a_case_waits_for(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.crew.MOST", 199)
    number = await on_both.case_in("in_progress")
    wake_at = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}T09:00:00+08:00"
    assert (await on_both.act(number, "suspend", {"reason": "等用户买阀门", "wake_at": wake_at}, "wu")).is_success
    card = text_of(await card_of(on_both, number))
    assert f"挂起，至 {wake_at[:10]} 09:00" in card
    assert "挂起 wu：等用户买阀门" in card
    assert (await on_both.act(number, "resume", {}, "wu")).is_success
    assert "等用户买阀门" not in await card_of(on_both, number)
    asked = {"subject": "换总阀", "amount": 1200, "grounds": "已锈死", "kind": "funded_repair"}
    assert (await on_both.act(number, "request_approval", asked, "wu")).is_success
    card = await card_of(on_both, number)
    assert "等待领导审批： 换总阀 · 1200" in text_of(card)
    assert "/actions/" not in card


async def test_what_another_person_works_on_is_not_shown(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    other = f"tan-{uuid.uuid4().hex[:8]}"
    on_both.directory.enter(other, Role.CREW, "repair")
    await on_both.backend.people.read_anew()
    assert (await on_both.act(number, "sign_for", {"assignee": other}, "wu")).is_success
    async with signed_in(on_both, "wu") as made:
        assert number not in (await made.get(CREW)).text


async def test_cases_for_colleagues_leave_room_for_those_for_anybody(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [await on_both.case_in("registered", service_code="leak") for _ in range(3)]
    for number, given in zip(cases, ({"assignee": "Liang Wei"}, {"assignee": "Liang Wei"}, {}), strict=True):
        assert (await on_both.act(number, "dispatch", {"department": "metering", **given}, "zhou")).is_success
    monkeypatch.setattr("api.desk.crew.MOST", 1)
    async with signed_in(on_both, "sun") as made:
        [shown] = numbers((await made.get(CREW)).text)
    assert shown not in cases[:2]


async def test_an_incident_stands_among_the_work_of_its_department_by_its_time(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.desk.crew.MOST", 199)
    number = await declare(on_sqlite, districts=["east"], streets=["无人街"])
    await act(on_sqlite, number, "dispatch", {"department": "metering"})
    case = await on_sqlite.case_in("registered", location={"district": "west"})
    assert (await on_sqlite.act(case, "dispatch", {"department": "metering"})).is_success
    orders = []
    async with signed_in(on_sqlite, "sun") as made:
        for expected in (None, "2036-01-01T00:00:00+08:00"):
            if expected:
                await act(on_sqlite, number, "inform", {"message": "正在处理", "expected_at": expected})
            page = (await made.get(CREW)).text
            found = re.findall(r'<h2>.*<a href="/desk/(?:cases|incidents)/(i?\d+)"', page)
            orders.append([each for each in found if each in (number, case)])
    assert orders == [[number, case], [case, number]]
    await act(on_sqlite, number, "resolve", END)


async def test_a_part_of_the_department_is_its_work_too(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.crew.MOST", 199)
    number = await on_both.case_in("in_progress")
    task = uuid.uuid4().hex
    assert (await on_both.act(number, "involve", {"department": "metering", "task": task}, "zhou")).is_success
    async with signed_in(on_both, "sun") as made:
        page = await made.get(CREW)
    [card] = [each for each in page.text.split("<article") if number in each]
    assert task in card
    assert re.findall(r'/actions/(\w+)\?from=crew"', card)[0] == "sign_for"


async def test_what_is_done_late_to_an_incident_says_so(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, services=["leak"], districts=["east"])
    await act(on_sqlite, number, "dispatch", {"department": "repair"})
    path = f"/desk/incidents/{number}/actions/sign_for"
    sent = {"key": uuid.uuid4().hex, "version": "2", "pressed": "2026-11-24T06:59:10.000Z"}
    async with signed_in(on_sqlite, "wu") as made:
        assert (await made.post(path, data=sent)).is_redirect
    events = (await on_sqlite.get(f"/v1/incidents/{number}/timeline", "zhou")).json()["items"]
    assert events[-1]["data"]["note"] == "（2026-11-24 14:59 现场签收，联网后提交）"


@pytest.mark.parametrize("name", [name for name, (_, department) in PEOPLE.items() if department is None])
async def test_the_page_is_for_people_of_a_department(on_sqlite: Api, name: str) -> None:
    async with signed_in(on_sqlite, name) as made:
        assert (await made.get(CREW)).status_code == 403
        assert f'href="{CREW}"' not in (await made.get("/desk")).text
    async with browser(on_sqlite) as made:
        assert (await made.get(CREW)).status_code == 401


@pytest.mark.slow
async def test_the_page_stays_small(on_sqlite: Api) -> None:
    for _ in range(27):
        await on_sqlite.case_in("dispatched", caller=CALLER, location=PLACE, description="家里没水" * 100)
    async with signed_in(on_sqlite, "wu") as made:
        page = await made.get(CREW)
    assert page.text.count("<article") == 25
    assert len(page.content) <= MOST_BYTES
    assert 'href="/desk?tab=department"' in page.text


async def test_a_form_of_the_crew_leads_back_to_its_work(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with signed_in(on_sqlite, "wu") as made:
        form = await made.get(at(number, "arrive"), params={"from": "crew"})
        assert f'<h1>到场 · <a href="{at(number)}">' in form.text
        assert f'<a href="{CREW}">返回</a>' in form.text
        answer = await made.post(at(number, "arrive"), params={"from": "crew"}, data={"key": uuid.uuid4().hex})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{CREW}?done=arrive&case={number}")
        page = await made.get(answer.headers["location"])
        assert f'已办理：到场 · <a href="{at(number)}">{number}</a>' in page.text
        assert 'href="/desk/cases/java' not in (await made.get(f"{CREW}?done=arrive&case=javascript:x")).text


async def test_what_an_office_types_is_not_kept_in_a_browser_that_others_use(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    for name, is_kept in (("wu", True), ("zhou", False)):
        async with signed_in(on_sqlite, name) as made:
            assert ("data-kept" in (await made.get(at(number, "comment"))).text) is is_kept


async def completed(api: Api, number: str) -> list[dict[str, object]]:
    rows = (await api.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    return [row["data"] for row in rows if row["action"] == "complete"]


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_what_is_typed_without_a_network_is_sent_once_when_it_is_back(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.goto(f"{on_sqlite.url}{at(number, 'complete')}?from=crew")
        await page.context.set_offline(offline=True)
        await page.get_by_label("处理结果").fill("接头已换")
        await page.get_by_label("管道老化").check()
        await page.get_by_role("button", name="处理完成").click()
        await expect(page.get_by_text("等待网络")).to_be_visible()
        assert await completed(on_sqlite, number) == []
        await page.context.set_offline(offline=False)
        await expect(page.get_by_text("已办理：处理完成")).to_be_visible()
        assert await page.evaluate("localStorage.length") == 0
    [data] = await completed(on_sqlite, number)
    assert (data["result"], data["findings"]) == ("接头已换", ["pipe_aged"])


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("name", ["comment", "complete", "request_approval"])
async def test_a_form_of_the_case_page_is_kept_for_a_crew_as_well(on_sqlite: Api, name: str) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.goto(f"{on_sqlite.url}{at(number, name)}")
        await page.context.set_offline(offline=True)
        form = page.locator("form[method=post]")
        for label in await form.locator("label:has(textarea, input)").filter(has_text="*").all():
            await label.locator("textarea, input").fill("阀门已关")
        await form.get_by_role("button").click()
        await expect(page.get_by_text("等待网络")).to_be_visible()
        assert name not in await on_sqlite.actions(number)
        later = await page.context.new_page()
        await page.close()
        await later.context.set_offline(offline=False)
        await later.goto(f"{on_sqlite.url}{at(number)}")
        await expect(later.get_by_text("已办理：")).to_be_visible()
        assert await later.evaluate("localStorage.length") == 0
    assert (await on_sqlite.actions(number)).count(name) == 1


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_a_link_pressed_without_a_network_leaves_the_page(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.goto(f"{on_sqlite.url}{at(number)}")
        link = page.get_by_role("link", name="我的工作")
        await page.context.set_offline(offline=True)
        await link.click()
        await expect(page.get_by_text("没有网络，本页保留")).to_be_in_viewport()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(number)
        await page.context.set_offline(offline=False)
        await expect(page.get_by_text("没有网络，本页保留")).to_be_hidden()
        await link.click()
        await expect(page).to_have_title(re.compile("我的工作"))


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_what_is_sent_late_says_when_it_was_pressed(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.clock.install()
        await page.goto(f"{on_sqlite.url}{at(number, 'complete')}?from=crew")
        await page.context.set_offline(offline=True)
        await page.get_by_label("处理结果").fill("接头已换")
        await page.get_by_role("button", name="处理完成").click()
        await expect(page.get_by_text("等待网络")).to_be_visible()
        await page.clock.fast_forward("02:00")
        await page.context.set_offline(offline=False)
        await expect(page.get_by_text("已办理：处理完成")).to_be_visible()
    [data] = await completed(on_sqlite, number)
    assert data["result"] == "接头已换"
    assert re.fullmatch(r"（\d{4}-\d\d-\d\d \d\d:\d\d 现场处理完成，联网后提交）", str(data["note"]))


async def test_what_was_taken_at_once_counts_once_if_it_comes_late_again(on_both: Api) -> None:
    """The first answer was lost; the browser sends the same later, and adds when it was pressed."""
    number = await on_both.case_in("in_progress")
    sent = {"key": uuid.uuid4().hex, "note": "已到", "version": "3"}
    late = sent | {"pressed": "2026-11-24T06:59:10.000Z"}
    async with signed_in(on_both, "wu") as made:
        for data in (sent, late, late):
            assert (await made.post(at(number, "arrive"), data=data)).status_code == 303
        assert (
            await made.post(at(number, "comment"), data=late | {"key": uuid.uuid4().hex, "version": "4"})
        ).is_redirect
        for wrong in ("2036-01-01T00:00:00Z", "soon"):
            other = {"key": uuid.uuid4().hex, "note": "已到", "pressed": wrong}
            assert (await made.post(at(number, "comment"), data=other)).is_redirect
    rows = (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    late_note = "已到 （2026-11-24 14:59 现场补充，联网后提交）"
    assert [row["data"]["note"] for row in rows[3:]] == ["已到", late_note, "已到", "已到"]


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_an_answer_that_is_lost_counts_once(on_sqlite: Api) -> None:
    """The request arrives, its answer does not: the page of the work sends it again."""
    number = await on_sqlite.case_in("in_progress")

    async def lose_answer(route: Route) -> None:
        await route.fetch(max_redirects=0)
        await route.abort()

    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.goto(f"{on_sqlite.url}{at(number, 'complete')}?from=crew")
        await page.route("**/actions/complete*", lose_answer)
        await page.get_by_label("处理结果").fill("接头已换")
        await page.get_by_role("button", name="处理完成").click()
        await expect(page.get_by_text("等待网络")).to_be_visible()
        assert len(await completed(on_sqlite, number)) == 1
        await page.unroute_all()
        await page.goto(f"{on_sqlite.url}{CREW}")
        await expect(page.get_by_text("已办理：处理完成")).to_be_visible()
    assert len(await completed(on_sqlite, number)) == 1


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_typed_words_outlast_the_page_and_a_refusal_is_told(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    elsewhere = f"{on_sqlite.url}{at(number, 'complete')}"
    form = f"{elsewhere}?from=crew"
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.goto(form)
        await page.get_by_label("处理结果").fill("接头已换")
        await page.goto(f"{on_sqlite.url}{CREW}")
        await page.goto(form)
        await expect(page.get_by_label("处理结果")).to_have_value("接头已换")
        await page.goto(elsewhere)
        await expect(page.get_by_label("处理结果")).to_have_value("接头已换")
        await page.goto(form)
        assert (await on_sqlite.act(number, "complete", {"result": "好了"}, "wu")).is_success
        await page.get_by_role("button", name="处理完成").click()
        await expect(page.get_by_role("alert")).to_contain_text(
            "wu 处理完成，处理结果：好了。现为待回复，此操作已不能办理"
        )
        await expect(page.get_by_role("main")).to_contain_text("处理结果：接头已换")
        await expect(page.locator("form[data-kept]")).to_have_count(0)
    assert len(await completed(on_sqlite, number)) == 1


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_a_refusal_without_its_form_says_why(on_sqlite: Api) -> None:
    """A comment meanwhile refuses what waited for the network; opened, the form keeps it, and sends it anew."""
    number = await on_sqlite.case_in("in_progress")
    form = f"{on_sqlite.url}{at(number, 'arrive')}?from=crew"
    told = re.compile("未办理：您填写期间：.* chen 补充，备注：带水泵。现为处理中")
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.goto(form)
        await page.route("**/actions/arrive*", lambda route: route.abort())
        await page.get_by_label("备注").fill("已到")
        await page.get_by_role("button", name="到场").click()
        await expect(page.get_by_text("等待网络")).to_be_visible()
        assert (await on_sqlite.act(number, "comment", {"note": "带水泵"}, "chen")).is_success
        await page.unroute_all()
        await page.goto(f"{on_sqlite.url}{CREW}")
        await expect(page.get_by_text(told)).to_be_visible()
        await page.goto(form)
        await expect(page.get_by_text(told)).to_be_visible()
        await expect(page.get_by_label("备注")).to_have_value("已到")
        await page.get_by_role("button", name="到场").click()
        await expect(page.get_by_text("已办理：到场")).to_be_visible()
    assert (await on_sqlite.actions(number)).count("arrive") == 1
