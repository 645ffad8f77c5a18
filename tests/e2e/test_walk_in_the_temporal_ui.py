"""A day at the hotline as each role walks it in the Temporal UI, in so many clicks: a view, a case, and 6 of an update.

`PICTURES=FOLDER` keeps a picture of each step there, on a small screen and on a wide one.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.desk import SCREENS, Desk
from tests.support.service import Service, wait_until
from tools.docs.pictures import Person, sign_in

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]

PEOPLE = {
    "10023": (Role.AGENT, None),
    "10024": (Role.AGENT, None),
    "10031": (Role.DISPATCHER, None),
    "40001": (Role.CREW, "repair"),
    "40002": (Role.CREW, "repair"),
    "40011": (Role.CREW, "billing"),
    "10061": (Role.FOLLOW_UP, None),
    "10005": (Role.SUPERVISOR, None),
    "10001": (Role.MANAGER, None),
    "10091": (Role.TELEPHONY, None),
}
AGENT, OTHER_AGENT, DISPATCHER, CREW, COLLEAGUE, BILLING, CLERK, SUPERVISOR, MANAGER, TELEPHONES = PEOPLE
"""Ids of the people, and of a telephone system."""
HIDDEN = ("reset", "signal", "terminate", "start-workflow")


@pytest.fixture(scope="module")
def people(service: Service) -> dict[str, Person]:
    return {who: Person(service, who, role, department) for who, (role, department) in PEOPLE.items()}


@pytest.fixture
def folder() -> Path | None:
    """Folder of the pictures; None if nobody wants them: to take them is half of the time of a walk."""
    if chosen := os.environ.get("PICTURES"):
        Path(chosen).mkdir(parents=True, exist_ok=True)
        return Path(chosen)
    return None


@contextmanager
def desk(browser: Browser, service: Service, folder: Path | None, name: str, key: str | None) -> Iterator[Desk]:
    """Open a browser, in which the person of this key has signed in; nobody without one."""
    # A context may have further windows, with the same session.
    with closing(browser.new_context(viewport=SCREENS[-1], locale="en-GB", timezone_id="Asia/Shanghai")) as context:
        page = context.new_page()
        if key:
            sign_in(page, service, key)
        yield Desk(page, service, folder, name)


def test_an_agent(browser: Browser, service: Service, people: dict[str, Person], folder: Path | None) -> None:
    agent, crew = people[AGENT], people[CREW]
    number = agent.register("no_water", "west", "家里没水，不欠费。No water, nothing owed.")
    with desk(browser, service, folder, "agent", None) as at:
        at.home()
        at.picture("sign-in")
        for key, seen in (("hk_wrong", at.page.get_by_role("alert")), (agent.key, at.page.get_by_role("status"))):
            at.page.get_by_label("密钥 Key").fill(key)
            at.click(at.page.get_by_role("button", name="登录 Sign in"))
            expect(seen).to_be_visible()
            at.picture("signed-in" if key == agent.key else "wrong-key")
        expect(at.page.get_by_role("main")).to_contain_text(f"{AGENT} (话务员 agent)")
        with at.task("correct", 1 + 6):
            details = at.look_up(number)
            at.update("correct", reason="门牌号报错 Wrong house number", location={"address": "下闸新村5号"})
            at.redraw()
            expect(details.get_by_role("listitem").filter(has_text="更正 correct · 10023")).to_be_visible()
        with at.task("my open cases", 1):
            at.view("我的工单 My cases")
            expect(at.row(number)).to_contain_text("registered")
        at.open(number)
        at.picture("case")
        dialog = at.form()
        at.picture("actions")
        at.choose("supervise")
        at.submit(dialog, {})
        at.refused(dialog, "您的角色无权办理此事项，有权办理：", "supervise is not for the role agent")
        at.click(at.page.get_by_role("button", name="More Actions"))
        for button in HIDDEN:
            expect(at.page.get_by_test_id(f"{button}-button").last).to_be_disabled()
        at.picture("buttons")
        people[DISPATCHER].act(number, "dispatch", department="repair")
        crew.act(number, "sign_for")
        crew.act(number, "arrive")
        crew.act(number, "complete", result="已更换室内水管。Indoor pipes replaced.")
        with at.task("reply", 1 + 1 + 6):
            at.view("待回复 To be replied to")
            at.open(number)
            at.update("reply", message="水管已更换。The pipes are new.")
        assert agent.see(number)["state"] == "pending_follow_up"


@pytest.mark.night
def test_a_dispatcher(browser: Browser, service: Service, people: dict[str, Person], folder: Path | None) -> None:
    agent, crew, dispatcher = people[AGENT], people[CREW], people[DISPATCHER]
    number = agent.register("leak", "west", "水管漏水。A pipe leaks.")
    with desk(browser, service, folder, "dispatcher", dispatcher.key) as at:
        with at.task("what is to be dispatched", 1):
            at.view("待派单 To be dispatched")
            at.row(number)
        with at.task("dispatch", 1 + 1 + 6):
            at.view("待派单 To be dispatched")
            at.open(number)
            at.update("dispatch", department="抢修队")
        assert agent.see(number)["department"] == "repair"
        dialog = at.form()
        at.choose("dispatch")
        at.submit(dialog, {"department": "plumbers"})
        at.refused(dialog, "没有这个部门代码，可填 repair（抢修队）", '示例 Example: {"department": "repair"}')
        crew.act(number, "return", reason="属物业管理 The landlord has to mend it")
        with at.task("reject a return", 1 + 1 + 6):
            at.view("待派单 To be dispatched")
            at.open(number)
            at.update("reject_return", reason="表前管道属公司 The pipe before the meter is ours")
        with at.task("what is due before tonight", 1):
            at.view("今日到期 Due today")
            at.row(number)
        assert agent.see(number)["state"] == "dispatched"
        incident = dispatcher.declare("西区爆管 A burst main", ["no_water"], ["west"])
        at.page.goto(f"{service.ui}/namespaces/default/workflows/incident-{incident}")
        at.page.wait_for_url("**/timeline")
        at.update("dispatch", department="repair")
        at.view("突发事件 Incidents")
        at.row(incident)
        at.picture("incidents")


def test_a_crew(browser: Browser, service: Service, people: dict[str, Person], folder: Path | None) -> None:
    agent, crew, billing = people[AGENT], people[CREW], people[BILLING]
    number = agent.register("leak", "west", "水管漏水。A pipe leaks.")
    bill = agent.register("billing", "south", "上月水费比平时多一倍。The last bill is twice the usual.")
    people[DISPATCHER].act(number, "dispatch", department="repair")
    people[DISPATCHER].act(bill, "dispatch", department="billing")
    with desk(browser, service, folder, "crew", crew.key) as at:
        at.picture("views")
        with at.task("what has my department", 1):
            at.view("本部门工单 My department")
            at.row(number)
        expect(at.page.get_by_text(f"complaint-{bill}")).to_have_count(0)
        with at.task("sign for", 1 + 1 + 6):
            at.view("本部门工单 My department")
            at.open(number)
            at.update("sign_for", assignee=CREW)
        for task, action, body in (
            ("assign", "assign", {"assignee": COLLEAGUE, "note": "今天下午 This afternoon"}),
            ("arrive", "arrive", {}),
            (
                "request an approval",
                "request_approval",
                {"subject": "更换室内水管", "amount": "480.00", "kind": "funded_repair", "grounds": "低保户"},
            ),
        ):
            with at.task(task, 6):
                at.update(action, **body)
        people[MANAGER].act(number, "decide_approval", approved=True, reason="困难户 Hardship household")
        with at.task("complete", 1 + 1 + 6):
            at.view("本部门工单 My department")
            at.open(number)
            at.update("complete", result="已更换室内水管。Indoor pipes replaced.")
        at.page.goto(f"{service.api}/case/{bill}")
        expect(at.page.get_by_role("main")).to_contain_text("您无权查阅")
        at.picture("another department")
    with desk(browser, service, folder, "billing", billing.key) as at:
        at.look_up(bill)
        at.update("sign_for")
        with at.task("request an approval", 6):
            at.update("request_extension", working_days=3, reason="待水表检测 The meter has to be tested")
    assert crew.see(number)["state"] == "pending_reply"
    assert "decide_extension" in people[SUPERVISOR].see(bill)["available_actions"]


@pytest.mark.night
def test_a_manager_and_a_supervisor(
    browser: Browser, service: Service, people: dict[str, Person], folder: Path
) -> None:
    agent, crew = people[AGENT], people[CREW]
    number = agent.register("no_water", "east", "家里没水，低保户。No water; on public relief.")
    people[DISPATCHER].act(number, "dispatch", department="repair")
    wait_until(lambda: agent.see(number)["overdue"], lambda: str(agent.see(number)))
    crew.act(number, "sign_for")
    bill = agent.register("billing", "south", "上月水费比平时多一倍。The last bill is twice the usual.")
    people[DISPATCHER].act(bill, "dispatch", department="billing")
    people[BILLING].act(bill, "sign_for")
    people[BILLING].act(bill, "request_extension", working_days=3, reason="待水表检测 The meter has to be tested")
    crew.act(
        number, "request_approval", subject="更换室内水管", amount="480.00", kind="funded_repair", grounds="低保户"
    )
    with desk(browser, service, folder, "manager", people[MANAGER].key) as at:
        with at.task("what is missed", 1):
            at.view("已超时 Breached now")
            expect(at.row(number)).to_contain_text("missed")
        with at.task("why", 3):
            at.view("已超时 Breached now")
            at.open(number)
            expect(at.details(number)).to_contain_text("限 1 秒")
        with at.task("supervise", 1 + 6):
            at.look_up(number)
            at.update("supervise", note="请优先处理 Please take this first")
        with at.task("what is supervised", 1):
            at.view("督办 Supervised")
            at.row(number)
        with at.task("decide an approval", 3 + 6):
            at.view("待审批 Awaiting approval")
            at.open(number)
            expect(at.details(number)).to_contain_text("480.00")
            at.update("decide_approval", approved=True, reason="困难户 Hardship household")
    with desk(browser, service, folder, "supervisor", people[SUPERVISOR].key) as at:
        with at.task("decide an extension", 1 + 6):
            at.look_up(bill)
            at.update("decide_extension", approved=True)
        with at.task("hand over", 1 + 6):
            at.look_up(number)
            at.update("hand_over", owner=OTHER_AGENT, note="病假 Sick leave")
        expect(at.look_up(number)).to_contain_text("同意 approved")
        at.picture("decided")
    assert (agent.see(number)["state"], agent.see(number)["owner"]) == ("in_progress", OTHER_AGENT)
    assert "extended" in agent.see(bill)["flags"]


@pytest.mark.night
def test_a_follow_up_clerk(browser: Browser, service: Service, people: dict[str, Person], folder: Path | None) -> None:
    agent, crew = people[AGENT], people[CREW]
    number = agent.register("leak", "west", "水管漏水。A pipe leaks.")
    people[DISPATCHER].act(number, "dispatch", department="repair")
    crew.act(number, "sign_for")
    crew.act(number, "complete", result="接口已更换。The joint is new.")
    agent.act(number, "reply", message="接口已更换，费用由公司承担。The joint is new, at our cost.")
    with desk(browser, service, folder, "clerk", people[CLERK].key) as at:
        with at.task("which follow-ups are due", 1):
            at.view("待回访 Follow-ups")
            at.row(number)
        with at.task("what was done and said", 3):
            at.view("待回访 Follow-ups")
            at.open(number)
            details = at.details(number)
            expect(details).to_contain_text("The joint is new, at our cost.")
        with at.task("nobody answers", 3 + 6):
            at.view("待回访 Follow-ups")
            at.open(number)
            at.details(number)
            at.update("follow_up", contacted=False)
        with at.task("dissatisfied", 1 + 6):
            at.look_up(number)
            said = {"satisfaction": "dissatisfied", "note": "接口仍滴水 A joint still drips"}
            at.update("follow_up", contacted=True, solved=False, **said)
        expect(at.look_up(number)).to_contain_text("接口仍滴水 A joint still drips")
        at.picture("dissatisfied details")
    assert (agent.see(number)["state"], agent.see(number)["cycle"]) == ("dispatched", 2)


def test_who_may_not_read_or_act(
    browser: Browser, service: Service, people: dict[str, Person], folder: Path | None
) -> None:
    number = people[AGENT].register("leak", "west", "水管漏水。A pipe leaks.")
    with desk(browser, service, folder, "telephony", people[TELEPHONES].key) as at:
        for place in ("views", f"case/{number}", "temporal/namespaces/default/workflows"):
            at.page.goto(f"{service.api}/{place}")
            expect(at.page.get_by_role("main")).to_contain_text("您无权查阅")
            at.picture(place.partition("/")[0])
    reader = service.run("key", "create", AGENT, "--scope", "read").strip()
    with desk(browser, service, folder, "reader", reader) as at:
        at.look_up(number)
        expect(at.page.get_by_role("button", name="More Actions")).to_be_disabled()
        at.picture("details")


def test_an_administrator(browser: Browser, service: Service, folder: Path | None) -> None:
    number = Person(service, AGENT, Role.AGENT).register("leak", "west", "水管漏水。A pipe leaks.")
    with desk(browser, service, folder, "admin", service.admin_key) as at:
        at.look_up(number)
        at.click(at.page.get_by_role("button", name="More Actions"))
        at.picture("buttons")
        at.click(at.page.get_by_test_id("terminate-button").last)
        dialog = at.page.get_by_test_id("terminate-confirmation-modal").last
        confirm = dialog.get_by_test_id("confirm-modal-button")
        at.click(confirm)
        expect(dialog).to_contain_text("/temporal-grant")
        at.picture("refused")
        with closing(at.page.context.new_page()) as other:
            asked = Desk(other, service, folder, "grant")
            other.goto(f"{service.api}/temporal-grant")
            expect(other.get_by_role("main")).to_contain_text(f"工单 {number} · 已受理")
            asked.picture("asked")
            other.get_by_label("理由").fill("误建的测试工单 A test case")
            asked.click(other.get_by_role("button", name="确认 Confirm"))
            expect(other.get_by_role("status")).to_contain_text("Confirmed")
            asked.picture("confirmed")
        at.click(confirm)
        expect(dialog).to_be_hidden()
        expect(at.page.get_by_text("Terminated").first).to_be_visible()
        at.picture("terminated")
        at.home()
        at.click(at.page.get_by_role("link", name="退出 Sign out"))
        at.picture("sign-out")
        with closing(at.page.context.new_page()) as open_before:
            open_before.goto(f"{service.ui}/namespaces/default/workflows")
            expect(open_before.get_by_role("row").first).to_be_visible()
            at.click(at.page.get_by_role("button", name="退出 Sign out"))
            expect(at.page.get_by_label("密钥 Key")).to_be_visible()
            at.picture("signed-out")
            open_before.get_by_role("button", name="Refresh").click()
            expect(open_before.get_by_label("密钥 Key")).to_be_visible()
