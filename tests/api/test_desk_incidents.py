"""Incidents on the desk: what its pages show to whom, and that no case is taken and no caller told unseen."""

import re
from functools import partial
from html import unescape
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api.desk.incidents import LINKING
from domain.incident.state import NOT_LINKED
from readmodel.base.database import writing
from readmodel.base.paging import RowPage
from readmodel.cases.queries import get_case
from readmodel.incidents import IncidentCandidate
from readmodel.notifications import DEAD, NO_ROUTE, SENT, deliveries, notifications
from tests.api.test_desk import DESK, ENGLISH, at, key_in, text
from tests.api.test_incident_candidates import END, TO_CREW, leak, suspected
from tests.api.test_incidents import act, declare, in_state, incident, linked_to
from tests.support.api import Api
from tests.support.browsing import browser, signed_in
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
INCIDENTS = f"{DESK}/incidents"
STREET = "无人街"
"""Street of cases of this module alone: incidents take those of other tests too."""


def form(number: str, action: str) -> str:
    return f"{INCIDENTS}/{number}/actions/{action}"


def seen_in(page: httpx.Response) -> dict[str, str]:
    """Return the hidden inputs of a form: its key, and the mark of the preview."""
    found = re.search(r'name="seen" value="([^"]*)"', page.text)
    assert found
    return {"key": key_in(page), "seen": found[1]}


def ticked(page: httpx.Response) -> dict[str, bool]:
    """Return the cases that can be ticked, and if they are."""
    return {number: bool(mark) for number, mark in re.findall(r'name="cases" value="(\d+)"( checked)?', page.text)}


async def test_without_a_session_the_sign_in_leads_back(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        for path in (INCIDENTS, f"{INCIDENTS}/declare", f"{INCIDENTS}/i26080347119", form("i26080347119", "inform")):
            page = await made.get(path)
            assert page.status_code == 401
            assert f'value="{path}"' in unescape(page.text)
        refused = await made.post(f"{INCIDENTS}/i26080347119/candidates", data={})
        assert refused.status_code == 401


async def test_open_incidents_come_first_in_words(on_both: Api) -> None:
    over = await declare(on_both, title="已排除的", districts=["east"], streets=[STREET])
    await act(on_both, over, "dismiss", {"reason": "误报"})
    await in_state(on_both, over, "dismissed")
    number = await declare(on_both, title="爆管", services=["leak"], districts=["banfu"], streets=["莲塘东路"])
    case = await leak(on_both, "banfu", address="莲塘东路18号")
    await linked_to(on_both, case, number)
    async with signed_in(on_both, "wu") as made:
        page, desk = await made.get(INCIDENTS), await made.get(DESK, params={"tab": "to-sign-for"})
        english = await made.get(INCIDENTS, headers=ENGLISH)
    listed = re.findall(r'<a href="/desk/incidents/(i\d+)"', page.text)
    assert listed.index(number) < listed.index(over)
    assert f"{number} 已确认 爆管 漏水 · 板芙镇 · 莲塘东路 1" in text(page)
    assert f"{number} Confirmed 爆管 Leak" in text(english)
    assert "declare" not in page.text
    opened = (await on_both.get("/v1/incidents", state=["suspected", "confirmed", "dispatched", "in_progress"])).json()
    assert f"突发事件 {len(opened['items'])} " in text(desk)


async def test_ended_incidents_have_pages(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.incidents.ROWS", 1)
    numbers = []
    for _ in range(2):
        numbers.append(await declare(on_sqlite, districts=["east"], streets=[STREET]))
        await act(on_sqlite, numbers[-1], "dismiss", {"reason": "误报"})
        await in_state(on_sqlite, numbers[-1], "dismissed")
    pages = list[list[str]]()
    path = INCIDENTS
    async with signed_in(on_sqlite, "gao") as made:
        while path:
            page = await made.get(path)
            following = re.search(r'<a href="([^"]+)">更早的</a>', page.text)
            path = unescape(following[1]) if following else ""
            pages.append(re.findall(r'<a href="/desk/incidents/(i\d+)"', page.text))
    [later, earlier] = [[number in page for page in pages].index(True) for number in reversed(numbers)]
    assert later < earlier
    assert {len(page) for page in pages[1:]} == {1}


async def test_a_page_has_cases_news_callers_and_minutes(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    district = "dachong"
    number = await declare(on_both, title="爆管", services=["leak"], districts=[district])
    caller = {"phone": "13800138000"}
    cases = [await _linked_leak(on_both, district, number, caller) for _ in range(3)]
    await act(on_both, number, "dispatch", {"department": "repair"})
    await act(on_both, number, "inform", {"message": "正在抢修13900139000", "expected_at": "2036-01-01T00:00:00+08:00"})
    mine = f"{number}-3-caller:"
    await until(partial(_notified, on_both, mine), lambda found: len(found) == 3)
    with writing(on_both.backend.direct.engine) as connection:
        died: dict[str, Any] = {"status": DEAD, "next_try_at": None, "last_error": "no such number"}
        for case, values in zip(cases, (died, {"status": SENT}, died | {"status": NO_ROUTE}), strict=True):
            key = notifications.c.key == f"{mine}{case}"
            connection.execute(sa.update(notifications).where(key).values(values))
        taken = {"key": f"{mine}{cases[1]}", "channel": "log", "status": SENT, "tries": 1}
        connection.execute(sa.insert(deliveries).values(**taken))
    async with signed_in(on_both, "zhou") as made:
        monkeypatch.setattr("api.desk.incidents.ROWS", 1)
        short, page = [await made.get(f"{INCIDENTS}/{number}{more}") for more in ("", "?missed")]
        listed = await made.get(DESK, params={"tab": "all", "incident": number, "state": "registered"})
    assert re.findall(">([^<]+)</a>", short.text.partition("未能通知")[2])[:2] == [min(cases[0], cases[2]), "更多"]
    assert re.findall('<a href="[?]missed#missed">([^<]+)</a>', short.text) == ["1", "1", "更多"]
    shown = text(page)
    wanted = (await incident(on_both, number))["cases_by_state"]
    assert wanted == {"registered": 3}
    assert f'href="/desk?tab=all&amp;incident={number}&amp;state=registered"' in page.text
    assert {*re.findall(r'<a href="/desk/cases/(\d+)"', listed.text)} == {*cases}
    for words in ("范围 漏水 · 大涌镇", "抢修队", "2036-01-01 00:00", "通报内容", "未能通知，请致电"):
        assert words in shown, words
    assert "已送达 0 · 发送中 0 · 未送达 1 · 无渠道可达（如已退订、无可用电话） 1 · 未开通短信渠道，仅记录 1" in shown
    told = re.findall(r"<strong>(.*?)</strong>", page.text.partition("<h2>处理记录</h2>")[2])
    assert told == ["通报进展", "派单", "上报"]
    missed = page.text.partition("未能通知")[2].partition("</section>")[0]
    assert re.findall(r"/desk/cases/(\d+)", missed) == sorted([cases[0], cases[2]])
    assert len(page.content) < 60_000
    offered = (await on_both.get(f"/v1/incidents/{number}", "zhou")).json()["available_actions"]
    assert re.findall(rf'href="{INCIDENTS}/{number}/actions/(\w+)"', page.text) == offered
    # As in the timeline of the API.
    minutes = text(page).partition("处理记录")[2]
    assert "139****9000" in minutes
    assert "13900139000" not in minutes


async def _linked_leak(api: Api, district: str, number: str, caller: dict[str, str]) -> str:
    place = {"district": district, "address": f"{STREET}1号"}
    answer = await api.register({"service_code": "leak", "description": "漏水", "location": place, "caller": caller})
    case: str = answer.json()["number"]
    await linked_to(api, case, number)
    return case


async def _notified(api: Api, prefix: str) -> list[Any]:
    def read(connection: Any) -> list[Any]:
        return list(connection.scalars(sa.select(notifications.c.key).where(notifications.c.key.startswith(prefix))))

    return await api.backend.reader.ask(read)


async def test_news_that_nobody_gets_are_shown(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    await act(on_sqlite, number, "inform", {"message": "送水车已出发。"})
    async with signed_in(on_sqlite, "xu") as made:
        page = await made.get(f"{INCIDENTS}/{number}")
    assert "送水车已出发。 已送达 0 · 发送中 0 · 未送达 0" in text(page)


async def test_who_confirms_sees_what_is_taken_and_ticks_the_others(on_both: Api) -> None:
    # One server, two databases: a suspicion is known by service and district, and each database needs its own.
    district = "huangpu" if on_both.settings.database_url.startswith("sqlite") else "shaxi"
    number = await suspected(on_both, district)
    fresh = await leak(on_both, district, address="新丰路1号")
    signed = await leak(on_both, district, *TO_CREW, address="新丰路2号 13800138000")
    other = await leak(on_both, district, *TO_CREW)
    async with signed_in(on_both, "zhou") as made:
        page = await made.get(form(number, "confirm"))
        assert (text(page).count("自动并入工单：1"), ticked(page)) == (1, {signed: False, other: False})
        shown, place = text(page), {"huangpu": "黄圃镇", "shaxi": "沙溪镇"}[district]
        assert f"{fresh} · 已受理" in shown
        assert f"{signed} · 处理中 · 漏水 · {place} 新丰路2号 138****8000 漏水 已签收" in shown
        assert "并案不通知来电人" in shown
        answer = await made.post(form(number, "confirm"), data={**seen_in(page), "cases": [signed], "title": ""})
        assert answer.headers.get("location") == f"{INCIDENTS}/{number}?done=confirm", text(answer)
    await linked_to(on_both, fresh, number)
    await linked_to(on_both, signed, number)
    assert (await on_both.complaint(other))["incident"] is None


async def test_a_narrower_scope_is_shown_before_it_is_confirmed(on_sqlite: Api) -> None:
    district = "xiaolan"
    number = await suspected(on_sqlite, district)
    here = await leak(on_sqlite, district, address="裕民路1号")
    elsewhere = await leak(on_sqlite, district, address="同乐路1号")
    nowhere = await leak(on_sqlite, district)
    async with signed_in(on_sqlite, "xu") as made:
        first = await made.get(form(number, "confirm"))
        assert "自动并入工单：3" in text(first)
        given = {"streets": "裕民路", "cases": [nowhere]}
        second = await made.post(form(number, "confirm"), data={**seen_in(first), **given})
        assert (second.status_code, "自动并入工单：1" in text(second), ticked(second)) == (200, True, {nowhere: True})
        assert (await incident(on_sqlite, number))["state"] == "suspected"
        third = await made.post(form(number, "confirm"), data={**seen_in(second), **given})
        assert third.status_code == 303
    await linked_to(on_sqlite, here, number)
    await linked_to(on_sqlite, nowhere, number)
    assert (await on_sqlite.complaint(elsewhere))["incident"] is None


async def test_a_declaration_shows_its_cases_first_and_links_those_that_were_ticked(on_both: Api) -> None:
    district = "dongfeng"
    case = await leak(on_both, district, *TO_CREW)
    since = {"since": "2026-01-01T00:00"}
    given = {"title": "爆管", "services": ["leak"], "districts": [district], **since}
    async with signed_in(on_both, "zhou") as made:
        blank = await made.get(f"{INCIDENTS}/declare")
        assert ">核对<" in blank.text
        first = await made.post(f"{INCIDENTS}/declare", data={**seen_in(blank), **given})
        assert (first.status_code, ticked(first)[case]) == (200, False)
        sent = {**seen_in(first), **given, "cases": [case]}
        answers = [await made.post(f"{INCIDENTS}/declare", data=sent) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
        assert answers[0].headers["location"] == answers[1].headers["location"]
        page = await made.get(answers[0].headers["location"])
    assert "已办理：上报" in text(page)
    number = page.url.path.rpartition("/")[2]
    await linked_to(on_both, case, number)
    found = await incident(on_both, number)
    assert (found["title"], found["districts"], found["opened_by"]) == ("爆管", [district], "zhou")


async def test_cases_that_an_incident_is_about_to_take_are_told(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await declare(on_sqlite, districts=["fusha"], streets=["待并路"])
    async with signed_in(on_sqlite, "zhou") as made:
        assert "正在并入" not in text(await made.get(f"{INCIDENTS}/{number}"))
        case = await on_sqlite.case_in("registered")
        found = await on_sqlite.backend.reader.ask(get_case, case)
        assert found
        left = RowPage((IncidentCandidate(found, (NOT_LINKED,)),), None)
        monkeypatch.setattr("readmodel.incidents.count_takings", lambda *_: 2)
        monkeypatch.setattr("readmodel.incidents.candidates", lambda *_: left)
        page = await made.get(f"{INCIDENTS}/{number}", params={"done": "declare"})
        assert "工单 0 正在并入 2 张" in text(page)
        assert "location.reload()" in page.text
        assert ticked(page) == {}
        with monkeypatch.context() as later:
            later.setattr(on_sqlite.clock, "fixed", on_sqlite.clock() + LINKING)
            page = await made.get(f"{INCIDENTS}/{number}")
        assert ticked(page) == {case: False}
        assert "正在并入" not in text(page)
    await act(on_sqlite, number, "resolve", END)


async def test_candidates_of_a_page_are_ticked_and_linked(on_sqlite: Api) -> None:
    district = "fusha"
    case = await leak(on_sqlite, district, *TO_CREW)
    since = (await on_sqlite.complaint(case))["registered_at"]
    number = await declare(on_sqlite, services=["leak"], districts=[district], since=since)
    other = await declare(on_sqlite, services=["leak"], districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        page = await made.get(f"{INCIDENTS}/{number}")
        assert ticked(page) == {case: False}
        sent = {"key": key_in(page), "cases": [case]}
        done = await made.post(f"{INCIDENTS}/{number}/candidates", data=sent)
        assert done.headers["location"] == f"{INCIDENTS}/{number}?done=link_incident"
        assert "已办理：并案" in text(await made.get(done.headers["location"]))
        # The incident is over by then.
        await act(on_sqlite, other, "dismiss", {"reason": "误报"})
        await in_state(on_sqlite, other, "dismissed")
        refused = await made.post(f"{INCIDENTS}/{other}/candidates", data={"key": "k", "cases": [case]})
    assert refused.status_code == 409
    assert f"未并入 {case}" in text(refused)
    await linked_to(on_sqlite, case, number)


async def test_a_page_of_an_incident_takes_two_reads(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    reader, asked = on_sqlite.backend.reader, list[object]()
    ask = reader.ask

    async def note(query: Any, *given: Any, **more: Any) -> Any:
        asked.append(query)
        return await ask(query, *given, **more)

    monkeypatch.setattr(reader, "ask", note)
    async with signed_in(on_sqlite, "zhou") as made:
        asked.clear()
        assert (await made.get(f"{INCIDENTS}/{number}")).is_success
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("action", "given", "told"),
    [
        ("inform", {"message": "正在抢修", "expected_at": "2036-01-01T00:00"}, "：正在抢修 预计2036-01-01 00:00恢复。"),
        ("resolve", {"result": "换管", "message": "已恢复供水"}, "已处理并回复：“已恢复供水”。"),
    ],
)
async def test_nothing_is_told_to_callers_that_was_not_shown(
    on_sqlite: Api, action: str, given: dict[str, str], told: str
) -> None:
    district = {"inform": "tanzhou", "resolve": "sanxiang"}[action]
    number = await declare(on_sqlite, services=["leak"], districts=[district], streets=[STREET])
    case = await _linked_leak(on_sqlite, district, number, {"phone": "13800138000"})
    version = (await incident(on_sqlite, number))["version"]
    async with signed_in(on_sqlite, "zhou") as made:
        blank = await made.get(form(number, action))
        first = await made.post(form(number, action), data={**seen_in(blank), **given})
        assert "来电人将收到（1 张工单）" in text(first)
        assert f"工单{case}）" in text(first)
        assert told in text(first)
        changed = {**given, "message": f"{given['message']}，请储水"}
        second = await made.post(form(number, action), data={**seen_in(first), **changed})
        assert "请储水" in text(second)
        assert (await incident(on_sqlite, number))["version"] == version
        third = await made.post(form(number, action), data={**seen_in(second), **changed})
    assert third.headers.get("location") == f"{INCIDENTS}/{number}?done={action}", text(third)
    after = await incident(on_sqlite, number)
    assert after["news" if action == "inform" else "reply"] == changed["message"]


async def test_what_callers_are_shown_to_get_is_what_they_get(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, services=["leak"], districts=["shenwan"], streets=[STREET])
    case = await _linked_leak(on_sqlite, "shenwan", number, {"phone": "13800138000"})
    async with signed_in(on_sqlite, "zhou") as made:
        sent = {"message": END["message"], "result": END["result"], "seen": "", "key": "k"}
        shown = await made.post(form(number, "resolve"), data=sent)
    await act(on_sqlite, number, "resolve", END)
    await in_state(on_sqlite, number, "resolved")
    items = (await on_sqlite.get(f"/v1/complaints/{case}/timeline")).json()["items"]
    [reply] = [item for item in items if item["action"] == "reply"]
    assert reply["data"]["message"] in text(shown)
    assert "/c/…" in text(shown)


async def test_a_refusal_keeps_what_was_typed(on_sqlite: Api) -> None:
    number = await suspected(on_sqlite, "gangkou")
    async with signed_in(on_sqlite, "zhou") as made:
        answer = await made.post(form(number, "inform"), data={"message": "水已<恢复>", "key": "k1", "seen": "x"})
        assert answer.status_code == 409
        faulty = await made.post(f"{INCIDENTS}/declare", data={"title": "爆管<", "services": ["leak"], "key": "k2"})
    assert "水已&lt;恢复&gt;</q>" in answer.text
    assert key_in(faulty) == "k2"
    assert (faulty.status_code, 'value="leak" checked' in faulty.text) == (422, True)
    assert 'value="爆管&lt;"' in faulty.text


async def test_an_incident_is_merged_into_one_of_those_that_are_open(on_sqlite: Api) -> None:
    one = await declare(on_sqlite, title="甲", districts=["east"], streets=[STREET])
    other = await declare(on_sqlite, title="乙", districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        page = await made.get(form(one, "merge"))
        offered = re.findall(r'<option value="(i\d+)"', page.text)
        assert (other in offered, one in offered) == (True, False)
        answer = await made.post(form(one, "merge"), data={"key": key_in(page), "into": other})
        assert answer.status_code == 303
    await in_state(on_sqlite, one, "merged")


async def test_pages_are_for_those_whose_actions_they_are(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, services=["leak"], districts=["nanlang"])
    await leak(on_sqlite, "nanlang", *TO_CREW)
    async with signed_in(on_sqlite, "wu") as made:
        page = await made.get(f"{INCIDENTS}/{number}")
        assert (page.status_code, ticked(page)) == (200, {})
        for path in (form(number, "confirm"), form(number, "inform"), f"{INCIDENTS}/declare"):
            assert (await made.get(path)).status_code == 403
    async with browser(on_sqlite, **on_sqlite.session("zhou", "read")) as made:
        assert (await made.get(form(number, "dismiss"))).status_code == 200
        for path in (form(number, "dismiss"), f"{INCIDENTS}/declare", f"{INCIDENTS}/{number}/candidates"):
            assert (await made.post(path, data={"reason": "误报"})).status_code == 403
    assert (await incident(on_sqlite, number))["state"] == "confirmed"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_site_is_refused(on_sqlite: Api, site: str) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        for path in (form(number, "dismiss"), f"{INCIDENTS}/declare", f"{INCIDENTS}/{number}/candidates"):
            answer = await made.post(path, data={"reason": "误报"}, headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
    assert (await incident(on_sqlite, number))["state"] == "confirmed"


async def test_unknown_incidents_and_actions_are_told(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        for path in (f"{INCIDENTS}/i26080300014", f"{INCIDENTS}/x", form(number, "nothing"), form("x", "inform")):
            assert (await made.get(path)).status_code == 404
        assert (await made.get(INCIDENTS, params={"cursor": "x"})).status_code == 422


async def test_the_search_box_and_a_case_lead_to_the_incident(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, services=["leak"], districts=["guzhen"])
    case = await _linked_leak(on_sqlite, "guzhen", number, {})
    async with signed_in(on_sqlite, "chen") as made:
        found = await made.get(f"{DESK}/cases", params={"number": number.upper()})
        assert found.headers["location"] == f"{INCIDENTS}/{number}"
        assert f'href="{INCIDENTS}/{number}"' in (await made.get(at(case))).text
        assert (await made.get(found.headers["location"])).status_code == 200
