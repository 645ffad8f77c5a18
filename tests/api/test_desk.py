"""Desk: whom its pages let in, what they show to whom, and that their forms act as the API does."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape

import httpx
import pytest

from activities.names import complaint_id
from api.desk.tabs import tabs_of
from api.desk.words import EFFECTS
from domain.case.decide import CASE_KINDS
from domain.shared.actors import Actor, Role
from tests.api.test_rules import LONG
from tests.support.api import PEOPLE, Api
from tests.support.browsing import browser, signed_in, text_of
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESK = "/desk"
ENGLISH = {"Accept-Language": "en-GB"}


def at(number: str, action: str = "") -> str:
    """Return the page of a case, or of the form of an action."""
    return f"{DESK}/cases/{number}" + (f"/actions/{action}" if action else "")


def text(answer: httpx.Response) -> str:
    return text_of(answer.text)


def value_in(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found
    return unescape(found[1])


def key_in(page: httpx.Response) -> str:
    return value_in(page, "key")


def refusal_on(page: httpx.Response) -> str:
    found = re.search(r'role="alert">([^<]*)', page.text)
    assert found
    return unescape(found[1])


async def test_without_a_session_the_sign_in_leads_back(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        for path in (DESK, f"{DESK}?tab=late", at("2608034711004"), at("2608034711004", "reply")):
            page = await made.get(path)
            assert page.status_code == 401
            assert f'value="{path}"' in unescape(page.text)
        refused = await made.post(at("2608034711004", "reply"), data={"message": "好了"})
        assert (refused.status_code, refused.json()["type"]) == (401, "urn:hotline:problem:no-session")


@pytest.mark.parametrize("name", [name for name in PEOPLE if name != "pbx"])
async def test_every_list_of_everybody_opens(on_sqlite: Api, name: str) -> None:
    role, department = PEOPLE[name]
    actor = Actor(id=name, role=role, department=department)
    lists = [tab for tab, _ in tabs_of(actor, datetime.now(UTC), "Asia/Shanghai")]
    assert ("mine" in [tab.name for tab in lists]) is (role is not Role.CREW)
    assert ("department" in [tab.name for tab in lists]) is (role is Role.CREW)
    async with signed_in(on_sqlite, name) as made:
        for tab in lists:
            page = await made.get(DESK, params={"tab": tab.name})
            assert page.status_code == 200
            assert f"<h1>{tab.words[0]}</h1>" in page.text


async def test_a_role_that_reads_no_cases_has_no_desk(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "pbx") as made:
        assert (await made.get(DESK)).status_code == 403


async def test_a_list_shows_words_in_the_order_of_the_api(on_both: Api) -> None:
    word = uuid.uuid4().hex
    numbers = [await on_both.case_in("dispatched", description=word) for _ in range(3)]
    async with signed_in(on_both, "zhou") as made:
        page = await made.get(DESK, params={"tab": "to-sign-for", "q": word})
        listed = (await on_both.get("/v1/complaints", "zhou", state="dispatched", sort="due", q=word)).json()["items"]
        assert re.findall(r'<a href="/desk/cases/(\d+)"', page.text) == [item["number"] for item in listed]
        assert {*numbers} == {item["number"] for item in listed}
        assert "待签收 P2 停水/无水 西区街道 抢修队" in text(page)
        page = await made.get(DESK, params={"tab": "to-sign-for", "q": word}, headers=ENGLISH)
        assert "Dispatched P2 No water West District Emergency repair crew" in text(page)
        assert "no_water" not in text(page)


async def test_a_tab_has_the_number_of_its_cases(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "zhou") as made:
        before = re.search(r"待签收 (\d+)", text(await made.get(DESK)))
        await on_sqlite.case_in("dispatched")
        after = re.search(r"待签收 (\d+)", text(await made.get(DESK)))
    assert before
    assert after
    assert int(after[1]) == int(before[1]) + 1


async def test_pages_of_a_list_follow_each_other(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.lists.ROWS", 2)
    word = uuid.uuid4().hex
    numbers = [await on_sqlite.case_in("registered", description=word) for _ in range(3)]
    found, path = [], f"{DESK}?tab=all&q={word}"
    async with signed_in(on_sqlite, "chen") as made:
        for _ in range(2):
            page = await made.get(path)
            found += re.findall(r'<a href="/desk/cases/(\d+)"', page.text)
            following = re.search(r'<a href="([^"]+)">下一页</a>', page.text)
            path = unescape(following[1]) if following else ""
    assert (found, path) == (numbers[::-1], "")


@pytest.mark.parametrize("given", [{"tab": "nothing"}, {"service": "nothing"}, {"cursor": "x"}, {"priority": "P9"}])
async def test_a_wrong_address_says_what_is_wrong(on_sqlite: Api, given: dict[str, str]) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        page = await made.get(DESK, params={"tab": "all", **given})
        assert page.status_code == 422
        assert page.headers["content-type"].startswith("text/html")


async def test_a_case_shows_caller_promises_and_timeline_in_words(on_both: Api) -> None:
    caller = {"name": "陈女士", "phone": "0760 8823 0001"}
    place = {"district": "west", "address": "下闸新村3号", "lat": 22.5, "lng": 113.3}
    number = await on_both.case_in("in_progress", caller=caller, location=place)
    async with signed_in(on_both, "chen") as made:
        page = await made.get(at(number), params={"done": "nothing"})
    shown = text(page)
    for words in ("陈女士", "西区街道 下闸新村3号", "抢修队", "家里没水", "签收 按时", "处理 计时中", "全天计时"):
        assert words in shown
    assert 'href="tel:076088230001"' in page.text
    assert "mlat=22.5" in page.text
    rows = (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert "部门：抢修队" in shown
    told = re.findall(r"<strong>(.*?)</strong>", page.text)
    assert told == [CASE_KINDS[row["action"]].zh for row in reversed(rows)]


async def test_there_is_a_button_for_each_action_that_is_possible(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    for name in ("chen", "wu", "xu", "he"):
        wanted = {*(await on_both.complaint(number, name))["available_actions"]}
        wanted.discard("send_link")  # no channel leads to telephones
        async with signed_in(on_both, name) as made:
            page = await made.get(at(number))
        assert sorted(re.findall(rf'class="button[^"]*" href="{at(number)}/actions/(\w+)"', page.text)) == sorted(
            wanted
        )


@pytest.mark.parametrize(
    ("state", "by", "first", "last"),
    [
        ("registered", "chief", ["answer", "dispatch"], ["refuse", "withdraw"]),
        ("dispatched", "xu", [], ["dispatch", "withdraw"]),
        ("dispatched", "wu", ["sign_for"], ["return"]),
        ("in_progress", "wu", ["complete", "arrive", "suspend"], ["return"]),
        ("pending_reply", "chief", ["reply"], ["send_back", "withdraw"]),
    ],
)
async def test_buttons_come_in_the_order_of_what_the_case_waits_for(
    on_sqlite: Api, state: str, by: str, first: list[str], last: list[str]
) -> None:
    number = await on_sqlite.case_in(state)
    async with signed_in(on_sqlite, by) as made:
        page = await made.get(at(number))
    buttons = re.findall(rf'class="(button[^"]*)" href="{at(number)}/actions/(\w+)"', page.text)
    assert [name for look, name in buttons if look == "button"][: len(first) or None] == first
    assert [name for _, name in buttons][-len(last) :] == last
    assert {look for look, name in buttons if name in last} == {"button second"}


@pytest.mark.parametrize(
    ("state", "by", "words"),
    [
        ("registered", "xu", []),
        ("dispatched", "zhou", ["改派"]),
        ("pending_reply", "xu", ["审核退回"]),
        ("withdrawn", "xu", ["撤回撤销"]),
    ],
)
async def test_what_takes_something_back_stands_together_with_its_effect(
    on_sqlite: Api, state: str, by: str, words: list[str]
) -> None:
    number = await on_sqlite.case_in("registered" if state == "withdrawn" else state)
    if state == "withdrawn":
        assert (await on_sqlite.act(number, "withdraw", {"reason": "误报"}, "xu")).is_success
    async with signed_in(on_sqlite, by) as made:
        page = await made.get(at(number))
        undo = re.search(r"<h2>改正与撤回</h2><ul>(.*?)</ul>", page.text, re.DOTALL)
        assert re.findall(r">([^<]+)</a>：\S", undo[1] if undo else "") == words
        if words:
            form = await made.get(re.findall(r'href="([^"]+)"', undo[1] if undo else "")[0])
            assert next(zh for zh, _ in EFFECTS.values() if zh in text(page)) in text(form)


async def test_another_department_reads_no_case(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with signed_in(on_sqlite, "sun") as made:
        for path in (at(number), at(number, "complete")):
            assert (await made.get(path)).status_code == 403


async def test_a_masked_telephone_is_no_link(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("refused", caller={"name": "陈女士", "phone": "0760 8823 0001"})
    masked = (await on_sqlite.complaint(number, "zhou"))["masked"]
    assert "caller.phone" in masked
    async with signed_in(on_sqlite, "zhou") as made:
        page = await made.get(at(number))
    assert "tel:" not in page.text
    assert "88230001" not in page.text


async def test_a_telephone_in_a_note_is_masked_in_the_timeline(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    assert (await on_sqlite.act(number, "comment", {"note": "请打13800138000"}, "wu")).is_success
    for name, shown in (("zhou", "138****8000"), ("xu", "13800138000")):
        async with signed_in(on_sqlite, name) as made:
            assert f"请打{shown}" in text(await made.get(at(number)))


async def test_a_form_acts_once_as_who_has_signed_in(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    async with signed_in(on_both, "wu") as made:
        form = await made.get(at(number, "complete"))
        given = {"key": key_in(form), "result": "接头已换", "findings": ["pipe_aged"], "note": ""}
        answers = [await made.post(at(number, "complete"), data=given) for _ in range(2)]
        done = f"{at(number)}?done=complete"
        assert [(each.status_code, each.headers["location"]) for each in answers] == [(303, done)] * 2
        assert "已办理：处理完成" in text(await made.get(done))
    rows = (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    [row] = [row for row in rows if row["action"] == "complete"]
    assert (row["actor"], row["data"]["result"], row["data"]["findings"]) == ("wu", "接头已换", ["pipe_aged"])
    assert "note" not in row["data"]


async def test_a_refusal_keeps_what_was_typed(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    async with signed_in(on_sqlite, "chen") as made:
        over = await made.post(at(number, "reply"), data={"message": "水已<恢复>", "key": "k1"})
        given = {"department": "moon", "note": "水已<恢复>", "key": "k1"}
        faulty = await made.post(at(number, "dispatch"), data=given)
    assert (over.status_code, "水已&lt;恢复&gt;</q>" in over.text, "<form class" in over.text) == (409, True, False)
    assert refusal_on(faulty)
    assert "水已&lt;恢复&gt;</textarea>" in faulty.text
    assert key_in(faulty) == "k1"
    assert (await on_sqlite.complaint(number))["version"] == 1


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, r"您填写期间：\S+ \S+ zhou 派单，部门：抢修队，备注：夜间；\S+ \S+ chen 补充，备注：急。现为待签收，请"),
        (ENGLISH, r"While you filled this in: \S+ \S+ zhou Dispatch, Department: Emergency repair crew, Note: 夜间; "),
    ],
)
async def test_a_form_acts_on_the_version_that_it_showed(on_sqlite: Api, headers: dict[str, str], told: str) -> None:
    number = await on_sqlite.case_in("registered")
    async with signed_in(on_sqlite, "zhou", **headers) as made:
        given = {"department": "metering", "version": value_in(await made.get(at(number, "dispatch")), "version")}
        for action, body in (("dispatch", {"department": "repair", "note": "夜间"}), ("comment", {"note": "急"})):
            assert (await on_sqlite.act(number, action, body, "chen" if action == "comment" else "zhou")).is_success
        answer = await made.post(at(number, "dispatch"), data={**given, "key": "k"})
        assert answer.status_code == 412
        assert re.match(told, refusal_on(answer))
        assert '<option value="metering" selected>' in answer.text
        assert (await on_sqlite.complaint(number))["department"] == "repair"
        given["version"] = value_in(answer, "version")
        for _ in range(2):  # sent twice, it counts once
            assert (await made.post(at(number, "dispatch"), data={**given, "key": "k"})).is_redirect
    assert (await on_sqlite.complaint(number))["department"] == "metering"


async def test_what_time_brings_refuses_no_form(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with signed_in(on_sqlite, "wu") as made:
        version = value_in(await made.get(at(number, "arrive")), "version")
        await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).cancel()
        await until(partial(on_sqlite.actions, number), lambda actions: "cancellation_requested" in actions)
        assert (await made.post(at(number, "arrive"), data={"version": version, "key": "k"})).is_redirect


async def test_a_faulty_input_is_named(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with signed_in(on_sqlite, "wu") as made:
        answer = await made.post(at(number, "request_extension"), data={"reason": "r", "working_days": "viele"})
    assert answer.status_code == 422
    assert "工作日数：应填整数" in text(answer)


@pytest.mark.parametrize(
    ("headers", "together", "late"),
    [
        ({}, "只填回访结果；或未联系上的，", "当前状态不能办理此事项，现可办理：审核退回、回复、撤销、"),
        (ENGLISH, "Give outcome alone, contacted alone", "Action not allowed in this state; possible now: Send back, "),
    ],
)
async def test_a_refusal_is_in_words(on_sqlite: Api, headers: dict[str, str], together: str, late: str) -> None:
    number = await on_sqlite.case_in("pending_reply")
    async with signed_in(on_sqlite, "chief", **headers) as made:
        answered = await made.post(at(number, "request_extension"), data={"working_days": "1", "reason": "-"})
        assert late in refusal_on(answered)
        await made.post(at(number, "reply"), data={"message": "好了"})
        answered = await made.post(at(number, "follow_up"), data={"contacted": "true"})
        assert refusal_on(answered).startswith(together)


@pytest.mark.parametrize(
    ("action", "given", "told", "in_english"),
    [
        ("suspend", {"wake_at": "2026-01-01T08:00"}, "恢复时间应晚于当前时间，或不填", "Wake date not in the future; "),
        ("suspend", {"wake_at": "tomorrow"}, "恢复时间：应填日期和时间，如 2026-12-01 10:00", "Wakes at: a date and "),
        (
            "request_extension",
            {"working_days": "99"},
            "延期天数超过上限，可填：1-10",
            "Extension too long; accepted: 1-10",
        ),
        (
            "request_approval",
            {"subject": "换管", "kind": "waiver", "amount": "5"},
            "报批缺少金额或依据，可填：依据",
            "Amount or grounds missing; accepted: Grounds",
        ),
        (
            "involve",
            {"department": "repair", "task": "查"},
            "该部门已在处理此工单，可填：其他部门",
            "Department already at work on the case; accepted: another department",
        ),
        ("dispatch", {"department": "moon"}, "部门：请从所列中选择", "Department: choose one of those listed"),
    ],
)
async def test_a_refusal_tells_what_is_accepted(
    on_sqlite: Api, action: str, given: dict[str, str], told: str, in_english: str
) -> None:
    number = await on_sqlite.case_in("in_progress", **LONG)
    for headers, words in (({}, told), (ENGLISH, in_english)):
        async with signed_in(on_sqlite, "chief", **headers) as made:
            refused = refusal_on(await made.post(at(number, action), data={"reason": "-", **given}))
        assert refused.startswith(words)
        assert not re.search(r"[a-z]_[a-z]|\dT\d", refused)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_site_is_refused(on_sqlite: Api, site: str) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with signed_in(on_sqlite, "wu") as made:
        answer = await made.post(at(number, "arrive"), data={}, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "arrive" not in await on_sqlite.actions(number)


async def test_a_session_for_reading_alone_does_nothing(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with browser(on_sqlite, **on_sqlite.session("wu", "read")) as made:
        assert (await made.get(at(number))).status_code == 200
        assert (await made.post(at(number, "arrive"), data={})).status_code == 403
    assert "arrive" not in await on_sqlite.actions(number)


async def test_an_unknown_action_or_case_is_told(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    async with signed_in(on_sqlite, "chen") as made:
        assert (await made.get(at(number, "nothing"))).status_code == 404
        assert (await made.get(at("2608034711004"))).status_code == 404
        assert (await made.get(at("12"))).status_code == 422


async def test_the_language_is_that_of_the_browser_until_it_is_chosen(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chen", **ENGLISH) as made:
        assert "My cases" in text(await made.get(DESK))
        chosen = await made.get(f"{DESK}/language/zh", params={"to": f"{DESK}?tab=mine"})
        assert (chosen.status_code, chosen.headers["location"]) == (303, f"{DESK}?tab=mine")
        assert "我的工单" in text(await made.get(DESK))
        elsewhere = await made.get(f"{DESK}/language/en", params={"to": "//example.com/"})
        assert elsewhere.headers["location"] == DESK


async def test_what_is_due_tonight_is_of_the_companys_day() -> None:
    actor, before = Actor(id="chen", role=Role.AGENT), datetime(2026, 12, 1, 15, 59, tzinfo=UTC)
    for now, midnight in ((before, 16), (before + timedelta(minutes=1), 16 + 24)):
        given = {tab.name: found for tab, found in tabs_of(actor, now, "Asia/Shanghai")}
        assert given["today"]["due_before"] == datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=midnight)
