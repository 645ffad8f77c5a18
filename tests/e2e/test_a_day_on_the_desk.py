"""A shift on the desk: one case from the call to its end, by pages alone, as the page of a day tells it.

`PICTURES=FOLDER` keeps a picture of what each person sees last.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from domain.case.lifecycle import State
from domain.incident.state import IncidentState
from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.service import Service
from tests.support.shift import Worker, tasks
from tools.docs import pictures

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]

DESK, TELEPHONE = 1366, 390
PHONE = "0760 8823 0001"


class Place(NamedTuple):
    """Place in the shift: a person with a role, a heading on the page of a day, and the width of the screen."""

    person: str
    role: Role
    heading: str
    department: str | None = None
    width: int = DESK


PLACES = {
    "agent": Place("何静怡", Role.AGENT, "An agent"),
    "other": Place("林慧", Role.AGENT, "An agent"),
    "dispatcher": Place("周国强", Role.DISPATCHER, "A dispatcher"),
    "crew": Place("容伟明", Role.CREW, "A crew", "repair", TELEPHONE),
    "billing": Place("黄丽", Role.CREW, "A crew", "billing"),
    "supervisor": Place("麦志坚", Role.SUPERVISOR, "A supervisor"),
    "manager": Place("郭建华", Role.MANAGER, "A manager"),
    "clerk": Place("邓小芬", Role.FOLLOW_UP, "A follow-up clerk"),
}
Shift = dict[str, Worker]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pictures.running(tmp_path_factory.mktemp("shift"), pictures.DEFAULT_CATALOGUE) as service:
        yield service


@pytest.fixture(scope="module")
def keys(service: Service) -> dict[str, str]:
    return {name: service.make_key(each.person, each.role.value, each.department) for name, each in PLACES.items()}


@pytest.fixture(params=["zh-CN", "en-GB"])
def shift(browser: Browser, service: Service, keys: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Shift]:
    """All people of the shift, signed in."""
    people = {}
    with ExitStack() as stack:
        for name, place in PLACES.items():
            size: ViewportSize = {"width": place.width, "height": 800}
            context = stack.enter_context(closing(browser.new_context(locale=request.param, viewport=size)))
            people[name] = Worker(context.new_page(), service.api, place.heading, zh=request.param == "zh-CN")
            people[name].sign_in(keys[name])
        yield people
        if folder := os.environ.get("PICTURES"):
            for name, person in people.items():
                person.page.screenshot(path=Path(folder) / f"{name}-{request.param}.png", full_page=True)


def test_a_case_goes_from_the_call_to_its_end_by_pages_alone(shift: Shift) -> None:
    number, bill = take_calls(shift["agent"])
    dispatch(shift, number, bill)
    work_and_wait(shift, number)
    ask_for_more_time(shift, bill)
    decide(shift, number)
    take_back(shift, number, bill)
    satisfy(shift, number)
    inform(shift)
    for heading in {place.heading for place in PLACES.values()}:
        done = (shift[name].done for name, place in PLACES.items() if place.heading == heading)
        assert {task.name for task in tasks(heading)} == set().union(*done), heading


def take_calls(agent: Worker) -> tuple[str, str]:
    """Return the number of a case without water, dispatched at once, and of one that doubts a bill."""
    agent.open("take a call 受理派单")
    agent.fill("caller.phone", PHONE)
    expect(agent.main).to_contain_text(agent.say(("客户档案中没有", "Not in the registry")))
    place = {"location__district": "west", "location__address": "下闸新村3号"}
    words = {"caller__name": "陈女士", "description": "家里没水，不欠费。No water, nothing owed."}
    agent.send("take a call 受理派单", "", State.DISPATCHED, service_code="no_water", **place, **words)
    number = shown_number(agent)
    agent.act(
        "leave it to the dispatcher 受理不派单",
        "",
        State.REGISTERED,
        caller__phone="0760 8823 0002",
        service_code="billing",
        department="",
        description="上月水费比平时多一倍。The last bill is twice the usual.",
    )
    bill = shown_number(agent)
    agent.look("who calls? 来电人是谁")
    agent.fill("caller.phone", PHONE)
    expect(agent.main.get_by_role("link", name=number)).to_be_visible()
    agent.act(
        "correct 更正", number, State.DISPATCHED, reason="门牌号报错 Wrong number", location__address="下闸新村5号"
    )
    expect(agent.main).to_contain_text("下闸新村5号")
    agent.look("my open cases 我的工单")
    for each in (number, bill):
        expect(agent.main.get_by_role("link", name=each)).to_be_visible()
    return number, bill


def shown_number(person: Worker) -> str:
    """Return the number of the case whose page is open."""
    return person.page.url.partition("?")[0].rpartition("/")[2]


def dispatch(shift: Shift, number: str, bill: str) -> None:
    """Dispatch the second case; the crew of the first sends it back, and the dispatcher disagrees."""
    dispatcher, crew = shift["dispatcher"], shift["crew"]
    dispatcher.look("what is to be dispatched? 待派单")
    expect(dispatcher.main.get_by_role("link", name=bill)).to_be_visible()
    dispatcher.act("dispatch 派单", bill, State.DISPATCHED, department="billing")
    dispatcher.look("print a work order 派工单", number)
    expect(dispatcher.page.get_by_text("下闸新村5号")).to_be_visible()
    crew.look("what is mine? 我的工作")
    expect(crew.job(number)).to_contain_text("下闸新村5号")
    expect(crew.job(number).get_by_role("link", name=PHONE)).to_be_visible()
    crew.act("return 退单", number, None, reason="属物业管理 The landlord has to mend it")
    dispatcher.act(
        "reject a return 驳回退单", number, State.DISPATCHED, reason="表前管道属公司 The pipe before the meter is ours"
    )
    dispatcher.look("what is due before tonight? 今日到期")
    expect(dispatcher.main.get_by_role("link", name=number)).to_be_visible()


def work_and_wait(shift: Shift, number: str) -> None:
    """Sign for the case and arrive; it waits for the caller until she has a valve."""
    agent, crew = shift["agent"], shift["crew"]
    crew.act("sign for 签收", number, State.IN_PROGRESS)
    crew.act("arrive 到场", number, State.IN_PROGRESS)
    tomorrow = datetime.now(ZoneInfo("Asia/Shanghai")) + timedelta(days=1)
    until = {"reason": "来电人购买阀门 The caller buys a valve", "wake_at": f"{tomorrow:%Y-%m-%dT%H:%M}"}
    crew.act("suspend 挂起, while the caller buys a valve", number, State.SUSPENDED, **until)
    agent.look("who waits for a caller? 等候来电人")
    expect(agent.main.get_by_role("link", name=number)).to_be_visible()
    crew.act("resume 恢复", number, State.IN_PROGRESS)


def ask_for_more_time(shift: Shift, bill: str) -> None:
    """The billing department asks, and a supervisor grants it and supervises the case."""
    billing, supervisor = shift["billing"], shift["supervisor"]
    billing.act("sign for 签收", bill, State.IN_PROGRESS)
    asked = {"working_days": "3", "reason": "待水表检测 The meter has to be tested"}
    billing.act("request an extension 申请延期", bill, State.IN_PROGRESS, **asked)
    supervisor.act("decide an extension 延期审批", bill, State.IN_PROGRESS, approved="true")
    supervisor.act("supervise 督办", bill, State.IN_PROGRESS, note="请优先处理 Please take this first")
    supervisor.look("what happens in the room? 大屏")
    expect(supervisor.main).to_contain_text(bill)


def decide(shift: Shift, number: str) -> None:
    """The crew asks who pays, a manager decides."""
    crew, manager = shift["crew"], shift["manager"]
    asked = {"subject": "更换室内水管 Replace the indoor pipes", "amount": "480.00", "kind": "funded_repair"}
    crew.act("request an approval 报批", number, State.AWAITING_APPROVAL, **asked, grounds="低保户 On public relief")
    manager.look("today and this month so far 今日和本月")
    expect(manager.main.get_by_role("heading", level=2).first).to_contain_text(manager.say(("今日", "Today")))
    manager.look("all figures of today 今日全部数据")
    expect(manager.page.get_by_role("table").first).to_be_visible()
    manager.look("what is missed? 已超时")
    manager.look("why? 原因", number)
    expect(manager.main).to_contain_text("480.00")
    given = {"approved": "true", "reason": "困难户 Hardship household"}
    manager.act("decide an approval 审批", number, State.IN_PROGRESS, **given)


def take_back(shift: Shift, number: str, bill: str) -> None:
    """A supervisor takes back a withdrawal and a completion, and gives a case to another agent."""
    agent, crew, supervisor = shift["agent"], shift["crew"], shift["supervisor"]
    agent.act("withdraw 撤销, as the caller wishes", bill, State.WITHDRAWN, reason="来电人撤诉 The caller withdraws it")
    supervisor.act(
        "take back a withdrawal 撤回撤销", bill, State.IN_PROGRESS, reason="来电人另有其人 It was not the caller"
    )
    supervisor.act("give a case to another agent 移交", bill, State.IN_PROGRESS, owner=PLACES["other"].person)
    shift["other"].look("my open cases 我的工单")
    expect(shift["other"].main.get_by_role("link", name=bill)).to_be_visible()
    crew.act("complete 处理完成", number, None, result="已更换室内水管。Indoor pipes replaced.", findings="pipe_aged")
    supervisor.act(
        "send back unfinished work 审核退回", number, State.IN_PROGRESS, reason="未恢复供水 There is no water yet"
    )
    crew.act("complete 处理完成", number, None, result="恢复供水。Water is back.")
    agent.act(
        "reply 回复, when the crew is done", number, State.PENDING_FOLLOW_UP, message="水管已更换。The pipes are new."
    )


def satisfy(shift: Shift, number: str) -> None:
    """The caller cannot be reached, then says that it drips, and is satisfied after the crew has come again."""
    agent, crew, clerk = shift["agent"], shift["crew"], shift["clerk"]
    clerk.look("which follow-ups are due? 待回访")
    expect(clerk.main.get_by_role("link", name=number)).to_be_visible()
    clerk.act("follow up 回访", number, State.PENDING_FOLLOW_UP, contacted="false")
    drips = {"solved": "false", "satisfaction": "dissatisfied", "note": "接口仍滴水 A joint still drips"}
    clerk.act("follow up 回访", number, State.DISPATCHED, contacted="true", **drips)
    crew.act("sign for 签收", number, State.IN_PROGRESS)
    crew.act("complete 处理完成", number, None, result="接口已更换。The joint is new.")
    agent.act(
        "reply 回复, when the crew is done", number, State.PENDING_FOLLOW_UP, message="接口已更换。The joint is new."
    )
    clerk.act("follow up 回访", number, State.CLOSED, contacted="true", solved="true", satisfaction="satisfied")


def inform(shift: Shift) -> None:
    """A dispatcher declares an incident that takes no case of the shift, and tells its callers."""
    dispatcher = shift["dispatcher"]
    title = dispatcher.say(("水压低", "Low pressure"))
    scope = {"title": title, "services": "low_pressure", "districts": dispatcher.say(("shiqi", "east"))}
    dispatcher.act("declare an incident 上报突发事件", "", IncidentState.CONFIRMED, **scope)
    number = shown_number(dispatcher)
    news = {"message": "送水车已出发。", "message_en": "A water truck is under way."}
    dispatcher.act("tell its callers 通报进展", number, IncidentState.CONFIRMED, **news)
    expect(dispatcher.main).to_contain_text("送水车已出发。")
