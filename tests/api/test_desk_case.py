"""Page of a case on the desk: calls, notifications, parts, suspensions and other cases, in words and masked."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from domain.shared.actors import Role
from readmodel.base.database import engine, writing
from readmodel.case_record import MOST_NOTIFICATIONS
from readmodel.notifications import NO_ROUTE, Failure, Results, notifications, record, route, take
from tests.api.test_calls import report
from tests.api.test_calls_of_cases import call_at, new_phone
from tests.api.test_desk import ENGLISH, at, text
from tests.api.test_desk_in_a_browser import MOST_BYTES
from tests.api.test_incidents import act as act_on_incident
from tests.api.test_incidents import declare
from tests.support.api import CALL, Api
from tests.support.browsing import signed_in
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def shown(api: Api, number: str, by: str, **headers: str) -> str:
    """Return what somebody reads on the page of a case."""
    async with signed_in(api, by, **headers) as made:
        page = await made.get(at(number))
    assert page.status_code == 200
    return text(page)


async def shown_at(api: Api, path: str, by: str) -> str:
    async with signed_in(api, by) as made:
        return text(await made.get(path))


async def test_a_case_shows_its_calls_masked_as_the_api_has_them(on_both: Api) -> None:
    phone = new_phone()
    call = call_at(on_both.clock() - timedelta(minutes=2), caller_phone=phone)
    await report(on_both, call)
    number = await on_both.case_in("dispatched", call_id=call["call_id"], caller={"phone": phone})
    for by in ("chen", "zhou"):
        [item] = (await on_both.get(f"/v1/complaints/{number}/calls", by)).json()["items"]
        found = await shown(on_both, number, by)
        assert f"已接通 {item['caller_phone']}" in found
        assert call["call_id"] in found
    assert phone not in await shown(on_both, number, "zhou")
    assert "来电编号" not in await shown(on_both, await on_both.case_in("registered"), "chen")


async def test_a_caller_without_messages_is_told_of_as_unsubscribed(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("pending_reply")
    assert (await on_sqlite.act(number, "unsubscribe", {}, "chief")).is_success
    assert (await on_sqlite.act(number, "reply", {"message": "已恢复供水"}, "chen")).is_success
    database, to_caller = engine(on_sqlite.settings.database_url), notifications.c.recipient == f"caller:{number}"
    with writing(database) as connection:  # as the courier routes it
        connection.execute(update(notifications).where(to_caller).values(status=NO_ROUTE, next_try_at=None))
    database.dispose()
    assert "来电人 · 来电人已退订短信" in await shown(on_sqlite, number, "chen")


async def test_a_case_shows_what_became_of_its_notifications(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    assert (await on_both.act(number, "supervise", {}, "xu")).is_success
    database, now = engine(on_both.settings.database_url), datetime.now(UTC)
    later, soon, mine = now + timedelta(days=1), now + timedelta(hours=1), notifications.c.number == number
    with writing(database) as connection:
        # Those of other cases are not due until tomorrow.
        others = ~mine & (notifications.c.next_try_at < later)
        connection.execute(update(notifications).where(others).values(next_try_at=later))
        route(connection, lambda recipient, _: [] if recipient == "dispatcher" else ["sms"], soon, 50)
        taken = [each.key for each in take(connection, "sms", lambda *_: None, soon, 50)]
        dead, *_ = (key for key in taken if key.endswith("department:repair"))
        sent = tuple(key for key in taken if key != dead)
        record(connection, "sms", Results(sent, (Failure(dead, "no route to 13800138000", None),)), now)
    database.dispose()
    found = await shown(on_both, number, "zhou")
    assert "仅记录" not in found
    assert re.search(r"抢修队 · sms 未送达 no route to 138\*{4}8000 .*派单员 · 无发送渠道", found)
    english = await shown(on_both, number, "xu", **ENGLISH)
    assert "Emergency repair crew · sms Not delivered no route to 13800138000" in english
    assert "Owner chen · sms Sent 20" in english


@pytest.mark.parametrize(
    ("headers", "recorded"), [({}, "未开通发送渠道，仅记录"), (ENGLISH, "Recorded only: no channel is set up")]
)
async def test_what_only_the_log_has_taken_is_not_called_sent(
    on_sqlite: Api, headers: dict[str, str], recorded: str
) -> None:
    """The text of a reply is the one that a telephone would get."""
    number = await on_sqlite.case_in("pending_reply", caller={"phone": new_phone()})
    assert (await on_sqlite.act(number, "reply", {"message": "阀门已更换，请致电13900139000。"}, "chen")).is_success
    database, now = engine(on_sqlite.settings.database_url), datetime.now(UTC)
    mine, soon = notifications.c.number == number, now + timedelta(hours=1)
    with writing(database) as connection:
        connection.execute(update(notifications).where(~mine).values(next_try_at=now + timedelta(days=1)))
        route(connection, lambda *_: ["log"], soon, 50)
        taken = take(connection, "log", lambda *_: None, soon, 50, in_batch=True)
        record(connection, "log", Results(tuple(each.key for each in taken)), now)
    database.dispose()
    found = await shown(on_sqlite, number, "zhou", **headers)
    assert f" · {recorded} " in found
    assert "已处理并回复：“阀门已更换，请致电139****9000”。请评价：" in found
    assert not re.search("已发送|Sent|待发送|Waiting", found)


async def test_the_caller_of_an_incident_is_shown_its_news(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered", location={"district": "east", "address": "新闻街1号"})
    incident = await declare(on_sqlite, districts=["east"], streets=["新闻街"])
    await until(partial(on_sqlite.complaint, number), lambda seen: seen["incident"] == incident)
    await act_on_incident(on_sqlite, incident, "inform", {"message": "正在抢修主管"})

    async def told() -> str:
        return await shown(on_sqlite, number, "chen")

    seen = await until(told, lambda seen: "正在抢修主管" in seen)
    assert f"来电人 · 待发送 【中山供水热线】您反映的事项（工单{number}）最新进展：正在抢修主管" in seen


async def test_a_part_has_its_department_its_state_and_its_own_promises(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    for action, body, by in (
        ("involve", {"department": "metering", "task": "检查水表"}, "chen"),
        ("sign_for", {}, "sun"),
    ):
        assert (await on_both.act(number, action, body, by)).is_success
    found = await shown(on_both, number, "xu")
    _, own, part = re.split("时限 状态 到期 依据", found)[:3]
    assert "计量" in own
    assert "处理中 · sun 检查水表" in own
    assert re.search("签收 按时.*处理 计时中", part)
    # Once each: the promises of the part are not among those of the case.
    assert own.count("签收 按时") == 1


async def test_a_suspended_case_says_at_its_head_why_and_until_when(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    wake_at = (on_both.clock() + timedelta(days=3)).astimezone(ZoneInfo("Asia/Shanghai"))
    body = {"reason": "等用户买阀门", "wake_at": wake_at.isoformat()}
    assert (await on_both.act(number, "suspend", body, "wu")).is_success, (
        await on_both.act(number, "suspend", body, "wu")
    ).text
    until_then = f"恢复时间：{wake_at:%Y-%m-%d %H:%M}"
    told = rf"Temporal UI 中查看 \S+ \S+ 挂起 · wu → 挂起 原因：等用户买阀门 {until_then}"
    assert re.search(told, await shown(on_both, number, "chen"))
    assert (await on_both.act(number, "resume", {}, "wu")).is_success
    assert not re.search(told, await shown(on_both, number, "chen"))


async def test_other_cases_of_the_caller_are_those_that_the_reader_may_read(on_both: Api) -> None:
    caller = {"phone": new_phone()}
    first = await on_both.case_in("registered", caller=caller)
    second = await on_both.case_in("in_progress", caller=caller, description="又没水了")
    third = await on_both.case_in("dispatched", caller=caller)
    async with signed_in(on_both, "chen") as made:
        page = await made.get(at(second))
        others = page.text[page.text.index("此来电人的其他工单") :]
        assert re.findall(r'href="/desk/cases/(\d+)"', others) == [third, first]
    async with signed_in(on_both, "wu") as made:
        page = await made.get(at(second))
        others = page.text[page.text.index("此来电人的其他工单") :]
        assert re.findall(r'href="/desk/cases/(\d+)"', others) == [third]


@pytest.mark.slow
async def test_the_longest_timeline_has_pages_of_60_kb(on_sqlite: Api) -> None:
    words = "水" * 1990
    answer = await on_sqlite.register({**CALL, "description": words}, "chen")
    number = answer.json()["number"]
    for place in range(12):
        assert (await on_sqlite.act(number, "comment", {"note": f"{place:03}{words}"}, "chen")).is_success
    path, found, pages = at(number), list[str](), 0
    async with signed_in(on_sqlite, "chen") as made:
        while path:
            page = await made.get(path)
            assert len(page.content) <= MOST_BYTES
            found += re.findall("备注：([0-9]{3})水", page.text)
            earlier = re.search('href="([^"]+before=[^"]+)"', page.text)
            path, pages = earlier[1] if earlier else "", pages + 1
        assert found == [f"{place:03}" for place in reversed(range(12))]
        assert pages > 1
        for wrong in ("-1", "x", "0", "1", "99999999999999999999", "²"):
            assert (await made.get(at(number), params={"before": wrong})).status_code == 200


async def test_earlier_notifications_have_pages_of_their_own(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    for place in range(MOST_NOTIFICATIONS):
        new = {"location": {"address": f"{place}号"}, "reason": "听错"}
        assert (await on_both.act(number, "correct", new, "chen")).is_success
    path, found = at(number), list[list[str]]()
    async with signed_in(on_both, "chen") as made:
        while path:
            page = (await made.get(path)).text
            listed = page.partition('id="notifications"')[2].partition("</section>")[0]
            found.append(re.findall("<br>([^<]+)", listed))
            assert ("最新的通知" in listed) is (len(found) > 1)
            older = re.search('href="([^"#]+)#notifications">更早的通知', listed)
            path = older[1] if older else ""
        assert len(found) > 1
        assert {len(each) for each in found[:-1]} == {MOST_NOTIFICATIONS}
        assert f"工单{number}：派单，现为待签收" in found[-1]
        assert (await made.get(at(number), params={"skipped": "999999999"})).status_code == 200


async def test_a_try_that_reached_nobody_tells_its_number(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("pending_reply")
    await on_sqlite.act(number, "reply", {"message": "好了"}, "chen")
    await on_sqlite.act(number, "follow_up", {"outcome": "unreachable"}, "he")
    async with signed_in(on_sqlite, "he") as made:
        chinese, english = [text(await made.get(f"/desk/cases/{number}", headers=each)) for each in ({}, ENGLISH)]
    assert "回访结果：第 1 次未联系上" in chinese
    assert "Outcome: not reached, try 1" in english
    assert "→ Pending follow-up" in english


async def test_a_request_says_who_decides_next(on_sqlite: Api) -> None:
    on_sqlite.tokens["50071"] = on_sqlite.directory.enter("50071", Role.MANAGER, name="罗国强")
    await on_sqlite.backend.people.read_anew()
    number = await on_sqlite.case_in("in_progress")
    asked = {"subject": "换室内管", "amount": "1200.00", "kind": "funded_repair", "grounds": "低保户"}
    assert (await on_sqlite.act(number, "request_approval", asked, "wu")).is_success
    assert "换室内管 · 1200.00 CNY" in await shown_at(on_sqlite, "/desk?tab=approvals", "gao")
    assert "下一步：审批，由客服经理（" in await shown(on_sqlite, number, "xu")
    assert (await on_sqlite.act(number, "decide_approval", {"approved": True, "reason": "属实"}, "gao")).is_success
    for by in ("gao", "xu", "50071"):
        found = await shown(on_sqlite, number, by)
        [deciders] = re.findall("还须 副总经理（([^）]+)） 审批", found)
        assert ("罗国强" in deciders, "gao" in deciders) == (True, False)
    assert "To be decided by director (" in await shown(on_sqlite, number, "xu", **ENGLISH)


async def test_a_request_is_found_and_shown_where_it_is_decided_on(on_both: Api) -> None:
    number = await on_both.case_in("registered", service_code="billing", description="账单多一倍")
    await on_both.act(number, "dispatch", {"department": "billing"}, "zhou")
    for action, body in (
        ("sign_for", {}),
        ("request_extension", {"working_days": 3, "reason": "待水表检测"}),
        ("request_approval", {"subject": "减免水费", "amount": "860.00", "kind": "waiver", "grounds": "低保户"}),
    ):
        assert (await on_both.act(number, action, body)).is_success, action
    for by, tab, action, words in (
        ("xu", "extensions", "decide_extension", ("申请延期", "待水表检测", "工作日数 3")),
        ("gao", "approvals", "decide_approval", ("报批", "减免水费", "金额 860.00 CNY", "类别 减免", "依据 低保户")),
    ):
        async with signed_in(on_both, by) as made:
            assert at(number) in (await made.get("/desk", params={"tab": tab})).text
            form = text(await made.get(at(number, action)))
            assert [each for each in (*words, "申请人") if each not in form] == []
            assert (await made.post(at(number, action), data={"approved": "true", "reason": "情况属实"})).is_redirect
            assert at(number) not in (await made.get("/desk", params={"tab": tab})).text
            assert "申请人" not in text(await made.get(at(number, action)))
