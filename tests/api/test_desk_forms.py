"""Forms of actions on the desk: what they show of the case and of people, and what an input left as it is means."""

import re

import pytest

from domain.shared.actors import Role
from tests.api.test_desk import ENGLISH, at, refusal_on, text, value_in
from tests.api.test_incident_candidates import END
from tests.api.test_incidents import act, declare
from tests.support.api import Api
from tests.support.browsing import signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER = {"name": "陈女士", "phone": "0760 8823 0001"}
PLACE = {"district": "west", "address": "下闸新村3号", "lat": 22.5, "lng": 113.3}
STREET = {"district": "east", "address": "无并路1号"}
"""Street without incidents of other tests."""


def given_in(page: str) -> dict[str, str]:
    """Return what a browser sends of a form into which nothing was typed."""
    inputs = re.findall(r'<input[^>]*name="([^"]+)"[^>]* value="([^"]+)"', page)
    chosen = re.findall(r'<select name="([^"]+)"(?:(?!</select>).)*<option value="([^"]+)" selected>', page, re.DOTALL)
    return dict([*inputs, *chosen])


@pytest.mark.parametrize(("name", "most"), [("result", 2000), ("caller.name", 80), ("description", 2000)])
async def test_a_long_text_is_refused_and_kept_whole(on_sqlite: Api, name: str, most: int) -> None:
    number, long = await on_sqlite.case_in("in_progress"), "水" * (most + 1)
    paths = {"result": at(number, "complete"), "caller.name": at(number, "correct"), "description": "/desk/intake"}
    async with signed_in(on_sqlite, "chief") as made:
        assert "maxlength" not in (await made.get(paths[name])).text.partition("<main")[2]
        usual = {"reason": "听错", "service_code": "leak", "location.district": "west"}
        answer = await made.post(paths[name], data=usual | {name: long})
    assert answer.status_code == 422
    assert f"不能超过 {most} 字" in refusal_on(answer)
    assert long in answer.text


async def test_a_correction_shows_what_is_there_and_sends_what_was_changed(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", caller=CALLER, location=PLACE)
    async with signed_in(on_sqlite, "chen") as made:
        page = await made.get(at(number, "correct"))
        given = given_in(page.text)
        assert {name: given[name] for name in ("service_code", "priority", "location.district", "location.lat")} == {
            "service_code": "no_water",
            "priority": "P2",
            "location.district": "west",
            "location.lat": "22.5",
        }
        answer = await made.post(at(number, "correct"), data={**given, "reason": "无"})
        assert "没有更正任何内容" in refusal_on(answer)
        given |= {"caller.name": "", "location.address": "下闸新村5号", "location.lng": "113.4", "reason": "听错"}
        assert (await made.post(at(number, "correct"), data=given)).is_redirect
    case = await on_sqlite.complaint(number)
    assert case["caller"] == {"name": None, "phone": CALLER["phone"], "account_no": None}
    assert case["location"] == {**PLACE, "address": "下闸新村5号", "lng": 113.4}
    row = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"][-1]
    assert sorted(row["data"]["after"]) == ["caller", "location"]


async def test_what_was_corrected_meanwhile_is_not_put_back(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", caller=CALLER)
    async with signed_in(on_sqlite, "chen") as made:
        given = given_in((await made.get(at(number, "correct"))).text) | {"priority": "P1", "reason": "老人"}
        meanwhile = {"caller": {"phone": "0760 8823 0002"}, "reason": "听错"}
        assert (await on_sqlite.act(number, "correct", meanwhile, "chen")).is_success
        answer = await made.post(at(number, "correct"), data=given)
        assert answer.status_code == 412
        again = given_in(answer.text)
        assert (again["caller.phone"], again["priority"]) == ("0760 8823 0002", "P1")
        assert (await made.post(at(number, "correct"), data={**again, "reason": "老人"})).is_redirect
    case = await on_sqlite.complaint(number)
    assert (case["caller"]["phone"], case["priority"]) == ("0760 8823 0002", "P1")


async def test_a_correction_asks_for_nothing_that_is_masked(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", caller=CALLER, location=PLACE)
    async with signed_in(on_sqlite, "zhou") as made:
        page = (await made.get(at(number, "correct"))).text
        assert "caller." not in page
        sent = given_in(page) | {"location.address": "下闸新村5号", "reason": "听错"}
        assert (await made.post(at(number, "correct"), data=sent)).is_redirect


async def test_a_case_leaves_its_incident_by_choice_alone(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", location=STREET)
    incident = await declare(on_sqlite, districts=["east"], streets=["并案路"])
    async with signed_in(on_sqlite, "zhou") as made:
        page = (await made.get(at(number, "link_incident"))).text
        assert f'<option value="{incident}">' in page
        assert "退出并案" not in page
        assert (await made.post(at(number, "link_incident"), data={"incident": incident})).is_redirect
        page = (await made.get(at(number, "link_incident"))).text
        assert '<option value="-">退出并案</option>' in page
        assert f'<option value="{incident}">' not in page
        assert (await made.post(at(number, "link_incident"), data={"note": "无"})).status_code == 422
        assert (await on_sqlite.complaint(number))["incident"] == incident
        link = re.search(r'href="([^"]+)">退出并案', (await made.get(at(number))).text)
        assert link
        page = (await made.get(link[1])).text
        assert "<h1>退出并案" in page
        assert given_in(page)["incident"] == "-"
        answer = await made.post(link[1], data=given_in(page))
        assert f"已办理：退出并案（原 {incident}）" in text(await made.get(answer.headers["location"]))
        page = text(await made.get(at(number)))
        assert re.search(f"退出并案 · zhou → 已受理 原突发事件：{incident}", page)
        assert f"工单{number}：退出并案 {incident}，现为已受理" in page
    assert (await on_sqlite.complaint(number))["incident"] is None
    await act(on_sqlite, incident, "resolve", END)


async def test_a_redirect_is_named_as_one(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    async with signed_in(on_sqlite, "zhou", **ENGLISH) as made:
        page = (await made.get(f"{at(number, 'dispatch')}?undo")).text
        assert "<h1>Redirect" in page
        answer = await made.post(at(number, "dispatch"), data={**given_in(page), "department": "metering"})
        assert "Done: Redirect (formerly Emergency repair crew)" in text(await made.get(answer.headers["location"]))
        assert "Redirect · zhou → Dispatched Department: Metering" in text(await made.get(at(number)))


async def test_a_dispatch_after_a_return_is_named_a_redirect(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    await on_sqlite.act(number, "return", {"reason": "水表"}, "wu")
    async with signed_in(on_sqlite, "zhou") as made:
        page = (await made.get(at(number))).text
        assert re.findall(rf'href="{at(number, "dispatch")}[^>]*>([^<]+)', page) == ["改派", "改派"]
        answer = await made.post(at(number, "dispatch"), data={"key": "k", "department": "metering"})
        assert "已办理：改派（原 抢修队）" in text(await made.get(answer.headers["location"]))
        page = text(await made.get(at(number)))
    assert "改派 · zhou → 待签收" in page
    assert f"工单{number}：改派，现为待签收" in page


async def test_a_correction_tells_the_old_and_the_new_values(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", caller=CALLER, location=STREET)
    async with signed_in(on_sqlite, "chen") as made:
        stale = given_in((await made.get(at(number, "comment"))).text)
        new = {"phone": "0760 8823 0002"}
        place = {"address": "无并路2号", "lat": 22.5, "lng": 113.4}
        body = {"caller": new, "location": place, "service_code": "leak", "reason": "听错"}
        assert (await on_sqlite.act(number, "correct", body, "chen")).is_success
        page = text(await made.get(at(number)))
        assert re.search("服务项目：[^ ]+ → ", page)
        told = ("联系电话：0760 8823 0001 → 0760 8823 0002", "地址：无并路1号 → 无并路2号")
        assert [each for each in told if each not in page] == []
        answer = await made.post(at(number, "comment"), data={**stale, "note": "急"})
        assert "地址：无并路1号 → 无并路2号" in refusal_on(answer)
    async with signed_in(on_sqlite, "zhou") as made:
        page = text(await made.get(at(number)))
        assert "联系电话：" in page
        assert "0760 8823" not in page
    async with signed_in(on_sqlite, "gao") as made:
        assert "无 → 无" not in text(await made.get(at(number)))


async def test_who_replies_or_calls_sees_the_telephone_and_what_was_done(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress", caller=CALLER)
    assert (await on_sqlite.act(number, "complete", {"result": "接头已换"}, "wu")).is_success
    link = 'href="tel:076088230001"'
    for by, action, phone, words in (
        ("chen", "reply", True, "家里没水 联系电话 陈女士 0760 8823 0001 处理结果 接头已换"),
        ("zhou", "reply", False, "处理结果 接头已换"),
        ("he", "follow_up", True, "处理结果 接头已换 答复内容 水已恢复"),
    ):
        if action == "follow_up":
            assert (await on_sqlite.act(number, "reply", {"message": "水已恢复"}, "chen")).is_success
        async with signed_in(on_sqlite, by) as made:
            page = await made.get(at(number, action))
        assert (link in page.text, words in text(page)) == (phone, True)


async def test_a_handover_is_between_people_who_are_named(on_sqlite: Api) -> None:
    for person, name in (("10071", "陈静仪"), ("10072", "李敏仪")):
        on_sqlite.tokens[person] = on_sqlite.directory.enter(person, Role.AGENT, name=name)
    await on_sqlite.backend.people.read_anew()
    number = (await on_sqlite.register(by="10071")).json()["number"]
    async with signed_in(on_sqlite, "xu") as made:
        page = (await made.get(at(number, "hand_over"))).text
        assert ('value="10072"' in page, 'value="chief"' in page, "原首问责任人" in page) == (True, False, False)
        assert (await made.post(at(number, "hand_over"), data={**given_in(page), "owner": "10072"})).is_redirect
        assert "首问责任人：李敏仪 原首问责任人：陈静仪" in text(await made.get(at(number)))


@pytest.mark.parametrize(
    ("state", "by", "action", "rule"),
    [
        ("in_progress", "wu", "request_approval", "须同时填写金额和依据"),
        ("pending_follow_up", "he", "follow_up", "已联系上的同时选是否解决和满意度"),
    ],
)
async def test_a_form_tells_what_is_needed_together(
    on_sqlite: Api, state: str, by: str, action: str, rule: str
) -> None:
    number = await on_sqlite.case_in(state.replace("follow_up", "reply"))
    if state == "pending_follow_up":
        assert (await on_sqlite.act(number, "reply", {"message": "已恢复供水"}, "chen")).is_success
    async with signed_in(on_sqlite, by) as made:
        assert rule in text(await made.get(at(number, action)))


async def test_a_crew_is_not_asked_for_what_follows_of_who_has_signed_in(on_sqlite: Api) -> None:
    for person, department in (("lin-forms", "repair"), ("mei-forms", "metering")):
        on_sqlite.directory.enter(person, Role.CREW, department)
    await on_sqlite.backend.people.read_anew()
    number = await on_sqlite.case_in("dispatched")
    async with signed_in(on_sqlite, "wu") as made:
        for action in ("sign_for", "arrive", "complete", "return"):
            assert 'name="department"' not in (await made.get(at(number, action))).text
        page = (await made.get(at(number, "sign_for"))).text
        given = given_in(page)
        assert given["assignee"] == "wu"
        assert ('value="lin-forms"' in page, 'value="mei-forms"' in page) == (True, False)
        assert (await made.post(at(number, "sign_for"), data={**given, "assignee": "lin-forms"})).is_redirect
        assert (await on_sqlite.complaint(number))["assignee"] == "lin-forms"
        number = await on_sqlite.case_in("dispatched")
        assert (
            await made.post(at(number, "sign_for"), data=given_in((await made.get(at(number, "sign_for"))).text))
        ).is_redirect
    assert (await on_sqlite.complaint(number))["assignee"] == "wu"
    async with signed_in(on_sqlite, "zhou", **ENGLISH) as made:
        assert "mei-forms Metering" in text(await made.get(at(number, "dispatch")))


@pytest.mark.parametrize(
    ("by", "state", "action", "told", "in_english"),
    [
        ("zhou", "registered", "dispatch", "签收：开始计时，20", "Acknowledge: starts, due 20"),
        ("wu", "in_progress", "suspend", "处理：暂停计时", "Resolve: is paused"),
        ("zhou", "dispatched", "link_incident", "签收：暂停计时", "Acknowledge: is paused"),
        ("zhou", "in_progress", "involve", "对时限的影响 签收：开始计时", "Effect on the promises Acknowledge: starts"),
        ("wu", "in_progress", "complete", "处理：停止计时，按时完成", "Resolve: stops, kept in time"),
    ],
)
async def test_a_form_says_which_promises_move(
    on_sqlite: Api, by: str, state: str, action: str, told: str, in_english: str
) -> None:
    number = await on_sqlite.case_in(state)
    for headers, words in (({}, told), (ENGLISH, in_english)):
        async with signed_in(on_sqlite, by, **headers) as made:
            assert words in text(await made.get(at(number, action)))
            assert "h2>对时限的影响" not in (await made.get(at(number, "comment"))).text
    assert (await on_sqlite.complaint(number))["state"] == state


async def test_what_is_not_possible_has_no_form(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    async with signed_in(on_sqlite, "chen") as made:
        for action, status, said in (("reply", 409, "当前状态不能办理"), ("sign_for", 403, "")):
            page = await made.get(at(number, action))
            assert (page.status_code, "<form class" in page.text) == (status, False)
            assert said in refusal_on(page)
            assert f'href="{at(number, "comment")}"' in page.text
        assert "<form class" in (await made.get(at(number, "comment"))).text


async def test_of_two_replies_the_second_hears_that_nothing_is_to_be_sent(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("pending_reply")
    async with signed_in(on_sqlite, "chen") as made:
        seen = value_in(await made.get(at(number, "reply")), "version")
        assert (await on_sqlite.act(number, "reply", {"message": "已恢复供水"}, "chen")).is_success
        late = await made.post(at(number, "reply"), data={"message": "已好", "version": seen, "key": "k"})
    assert late.status_code == 412
    assert "chen 回复" in refusal_on(late)
    assert refusal_on(late).endswith("此操作已不能办理，无需再提交。")
    assert "已好</q>" in late.text


@pytest.mark.parametrize(
    ("state", "by", "told", "in_english"),
    [
        (
            "pending_follow_up",
            "chen",
            "下一步：回访，由回访员、来电人",
            "Next: Follow-up, by follow-up staff or the caller",
        ),
        ("pending_reply", "zhou", "下一步：回复，由首问责任人", "Next: Reply, by the owner"),
        ("dispatched", "chen", "下一步：签收，由抢修队", "Next: Sign for, by Emergency repair crew"),
        ("dispatched", "wu", "", ""),
        ("refused", "chen", "", ""),
    ],
)
async def test_a_case_says_who_takes_the_next_step(
    on_sqlite: Api, state: str, by: str, told: str, in_english: str
) -> None:
    number = await on_sqlite.case_in(state.replace("follow_up", "reply"))
    if state == "pending_follow_up":
        assert (await on_sqlite.act(number, "reply", {"message": "已恢复供水"}, "chen")).is_success
    for headers, words, none in (({}, told, "下一步"), (ENGLISH, in_english, "Next:")):
        async with signed_in(on_sqlite, by, **headers) as made:
            page = text(await made.get(at(number)))
        assert words in page
        assert (none in page) is bool(words)
