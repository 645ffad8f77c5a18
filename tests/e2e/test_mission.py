"""Two cases that really happened, over HTTP with real processes: West District in 2009, and Granny Li in 2005."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from domain.calendar.work_calendar import on_the_wall
from tests.support.people import (
    AGENT,
    BILLING,
    CREW,
    DEPARTMENT_CLOCKS,
    DISPATCHER,
    FOLLOW_UP,
    MANAGER,
    SUPERVISOR,
    Complaint,
    Hotline,
)
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def hotline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hotline]:
    # A slow machine may not know a caller within the usual time, and would flag the case a second later.
    patient = {"HOTLINE_CALLER_LOOKUP_SECONDS": "5"}
    with Service(tmp_path_factory.mktemp("mission"), variables=patient) as service:
        hotline = Hotline(service)
        yield hotline
        hotline.close()


def who_did_what(complaint: Complaint) -> list[tuple[str, str, str, str]]:
    return [(item["actor"], item["role"], item["action"], item["to"]) for item in complaint.timeline()]


def test_west_district_noon_august_2009(hotline: Hotline) -> None:
    complaint = hotline.register(
        AGENT,
        service_code="no_water",
        caller={"name": "黄先生", "phone": "0760 8800 0001"},
        location={"district": "west", "address": "西区街道"},
        description="家中突然无水，并无欠费；扬言五分钟内不来水就砸水表，不肯检查阀门，不肯挂线。",
        priority="P1",
    )
    registered = complaint.see()
    assert (registered["state"], registered["owner"], registered["priority"]) == ("registered", AGENT, "P1")
    assert {"dispatch", "comment"} <= complaint.may(AGENT)
    assert complaint.refused(CREW, "comment", note="？") == (403, "other-department")
    assert complaint.refused(CREW, "dispatch", department="repair") == (403, "wrong-role")

    # The call goes on; the agent sends the crew by another telephone.
    sent = complaint.act(AGENT, "dispatch", department="repair", note="通话仍在进行，用另一部电话通知抢修队。")
    assert (sent["state"], sent["department"]) == ("dispatched", "repair")
    assert complaint.statuses()["acknowledge"] == complaint.statuses()["arrive"] == "running"
    assert {"sign_for", "return"} <= complaint.may(CREW)
    assert not {"sign_for", "return"} & complaint.may(AGENT)
    assert complaint.refused(BILLING, "sign_for") == (403, "other-department")
    assert complaint.refused(CREW, "arrive") == (409, "out-of-turn")

    assert complaint.act(CREW, "sign_for")["assignee"] == CREW
    complaint.act(CREW, "arrive")
    assert {name: complaint.statuses()[name] for name in DEPARTMENT_CLOCKS} == {"acknowledge": "met", "arrive": "met"}
    complaint.act(CREW, "comment", note="表后用户自有阀门阀芯脱落；已提起应急，恢复供水。")

    # It waits for the customer, who is to buy a valve: no clock runs meanwhile.
    waiting = complaint.act(CREW, "suspend", reason="请用户购买新阀门后来电，我队协助安装。")
    assert (waiting["state"], waiting["sla"], waiting["next_due_at"]) == ("suspended", "paused", None)
    paused = complaint.clocks()
    for name in ("resolve", "reply"):
        assert (paused[name]["status"], paused[name]["paused"], paused[name]["due_at"]) == ("paused", True, None)
    assert {"resume", "withdraw"} <= complaint.may(AGENT)
    assert complaint.clocks()["resolve"]["elapsed_seconds"] == paused["resolve"]["elapsed_seconds"]

    resumed = complaint.act(AGENT, "resume", note="用户来电：新阀门已买好，请协助安装。")
    assert (resumed["state"], resumed["assignee"], resumed["sla"]) == ("in_progress", CREW, "on_time")
    running = complaint.clocks()["resolve"]
    assert (running["status"], running["budget_seconds"]) == ("running", paused["resolve"]["budget_seconds"])
    [promised] = [clock for clock in registered["clocks"] if clock["name"] == "resolve"]
    assert datetime.fromisoformat(running["due_at"]) > datetime.fromisoformat(promised["due_at"])

    complaint.act(CREW, "complete", result="已协助用户更换表后阀门，试水正常。")
    assert complaint.statuses()["resolve"] == "met"
    assert complaint.refused(MANAGER, "reply", message="已处理") == (403, "wrong-role")
    replied = complaint.act(AGENT, "reply", message="您表后的阀门阀芯脱落，新阀门已装好，供水正常。")
    assert (replied["state"], complaint.statuses()["follow_up"]) == ("pending_follow_up", "running")
    assert "follow_up" in complaint.may(FOLLOW_UP)
    assert "follow_up" not in complaint.may(AGENT)
    closed = complaint.act(FOLLOW_UP, "follow_up", outcome="satisfied", note="用水正常。")
    assert (closed["state"], closed["cycle"], closed["flags"]) == ("closed", 1, [])

    # He calls again, from home and without the area code, to apologise and to thank the crew.
    thanks = hotline.thank(
        {"name": "黄先生", "phone": "88000001"}, "为当日发火致歉，并感谢抢修队的师傅。", "不用客气，欢迎再来电。"
    )
    assert "repeat_caller" in thanks.see()["flags"]
    assert [case["number"] for case in thanks.caller()["earlier_cases"]] == [complaint.number]
    assert ("register", f"assignee:{CREW}") in thanks.told()
    # Whoever takes his next call sees it.
    later = hotline.register(
        AGENT, service_code="inquiry", caller={"phone": "0760 8800 0001"}, description="咨询阀门保养。"
    )
    assert [(one["number"], one["thanked"]) for one in later.caller()["thanks"]] == [(thanks.number, CREW)]

    assert who_did_what(complaint) == [
        (AGENT, "agent", "register", "registered"),
        (AGENT, "agent", "dispatch", "dispatched"),
        (CREW, "crew", "sign_for", "in_progress"),
        (CREW, "crew", "arrive", "in_progress"),
        (CREW, "crew", "comment", "in_progress"),
        (CREW, "crew", "suspend", "suspended"),
        (AGENT, "agent", "resume", "in_progress"),
        (CREW, "crew", "complete", "pending_reply"),
        (AGENT, "owner", "reply", "pending_follow_up"),
        (FOLLOW_UP, "follow_up", "follow_up", "closed"),
    ]
    assert set(complaint.statuses().values()) == {"met"}
    assert complaint.told() == [
        ("register", "dispatcher"),
        ("dispatch", "department:repair"),
        ("sign_for", f"owner:{AGENT}"),
        ("arrive", f"owner:{AGENT}"),
        ("suspend", f"owner:{AGENT}"),
        ("resume", f"assignee:{CREW}"),
        ("resume", f"owner:{AGENT}"),
        ("complete", f"owner:{AGENT}"),
        ("reply", f"caller:{complaint.number}"),
        ("reply", "follow_up"),
        ("follow_up", f"owner:{AGENT}"),
    ]


def test_granny_li_xiazha_new_village_2005(hotline: Hotline) -> None:
    assert "3 customers added" in hotline.import_customers()
    complaint = hotline.register(
        AGENT,
        service_code="no_water",
        caller={"name": "李婆婆", "phone": "0760 0000 0002", "account_no": "0420013"},
        location={"district": "west", "address": "西区街道下闸新村"},
        description="家里没有水。独居，靠低保生活，公司每月给予免费用水量；收到一张账单，以为因此被停水。",
    )
    # Intake knows her by her account: a hardship household, with what the company gives her.
    assert complaint.see()["flags"] == ["hardship"]
    customer = complaint.caller()["customer"]
    assert (customer["hardship_grounds"], customer["free_allowance_m3"]) == ("Public relief 低保", "6.00")
    complaint.act(AGENT, "comment", note="困难户：独居，领取低保。话务员耐心听完。")
    complaint.act(DISPATCHER, "dispatch", department="repair", note="独居老人家中无水，请优先上门。")
    complaint.act(CREW, "sign_for")
    complaint.act(CREW, "arrive")
    assert complaint.refused(AGENT, "decide_approval", approved=True) == (403, "wrong-role")
    assert complaint.refused(MANAGER, "decide_approval", approved=True) == (409, "out-of-turn")
    complaint.act(CREW, "comment", note="并非停水，是表后户内水管多处漏水；户内管道按规定由用户自行维护。")

    # Billing works on the same case. Before any work: what the company would pay, asked of its management.
    assert complaint.refused(BILLING, "comment", note="欠费 126.80 元。") == (403, "other-department")
    complaint.act(AGENT, "involve", department="billing", task="核实欠费；获批后减免。")
    assert [item["task"] for item in hotline.ask("GET", "/parts", BILLING).json()["items"]] == [
        "核实欠费；获批后减免。"
    ]
    complaint.act(BILLING, "sign_for")
    complaint.act(BILLING, "comment", note="账单欠费 126.80 元由漏水造成；老人无力承担。")
    asked = complaint.act(
        AGENT,
        "request_approval",
        subject="由公司出资更换户内水管及配件",
        amount="480.00",
        kind="funded_repair",
        grounds="困难户：独居，领取低保，无力承担。",
    )
    assert (asked["state"], asked["approval"]["amount"]) == ("awaiting_approval", "480.00")
    assert asked["approval"]["requested_by"] == AGENT
    statuses = {"acknowledge": "met", "arrive": "met", "resolve": "running", "reply": "running", "follow_up": "waiting"}
    assert complaint.statuses() == {**statuses, "approve": "running"}
    assert "decide_approval" in complaint.may(MANAGER)
    assert not {"decide_approval", "complete"} & (complaint.may(CREW) | complaint.may(SUPERVISOR))
    assert complaint.refused(CREW, "complete", result="已换") == (409, "out-of-turn")

    approved = complaint.act(MANAGER, "decide_approval", approved=True, note="同意。")
    assert (approved["state"], approved["flags"]) == ("in_progress", ["approved", "hardship"])
    complaint.act(
        BILLING,
        "request_approval",
        subject="减免漏水造成的欠费",
        amount="126.80",
        kind="waiver",
        grounds="低保户",
    )
    waived = complaint.act(MANAGER, "decide_approval", approved=True, note="同意。")
    assert [(word["kind"], word["amount"]) for word in waived["decisions"]] == [
        ("funded_repair", "480.00"),
        ("waiver", "126.80"),
    ]
    repaired = complaint.act(CREW, "complete", result="更换户内水管 18 米及龙头、接头，恢复供水。")
    assert (repaired["state"], [part["state"] for part in repaired["parts"]]) == ("in_progress", ["in_progress"])
    assert complaint.refused(AGENT, "reply", message="水管已换好。") == (409, "out-of-turn")
    settled = complaint.act(BILLING, "complete", result="欠费 126.80 元已按审批意见减免。")
    assert (settled["state"], settled["parts"][0]["result"]) == ("pending_reply", "欠费 126.80 元已按审批意见减免。")
    complaint.act(AGENT, "reply", message="李婆婆，水管已换好，不收费用，欠费公司也为您免了。")
    closed = complaint.act(FOLLOW_UP, "follow_up", outcome="satisfied", note="老人说水很好。")
    assert (closed["state"], closed["flags"]) == ("closed", ["approved", "hardship"])
    she_calls_every_spring_festival(hotline)

    assert who_did_what(complaint) == [
        (AGENT, "agent", "register", "registered"),
        (AGENT, "agent", "comment", "registered"),
        (DISPATCHER, "dispatcher", "dispatch", "dispatched"),
        (CREW, "crew", "sign_for", "in_progress"),
        (CREW, "crew", "arrive", "in_progress"),
        (CREW, "crew", "comment", "in_progress"),
        (AGENT, "owner", "involve", "in_progress"),
        (BILLING, "crew", "sign_for", "in_progress"),
        (BILLING, "crew", "comment", "in_progress"),
        (AGENT, "agent", "request_approval", "awaiting_approval"),
        (MANAGER, "manager", "decide_approval", "in_progress"),
        (BILLING, "crew", "request_approval", "awaiting_approval"),
        (MANAGER, "manager", "decide_approval", "in_progress"),
        (CREW, "crew", "complete", "in_progress"),
        (BILLING, "crew", "complete", "pending_reply"),
        (AGENT, "owner", "reply", "pending_follow_up"),
        (FOLLOW_UP, "follow_up", "follow_up", "closed"),
    ]
    by_action = {item["action"]: item["data"] for item in complaint.timeline()}
    assert by_action["request_approval"]["amount"] == by_action["decide_approval"]["amount"] == "126.80"
    assert (by_action["decide_approval"]["approved"], by_action["decide_approval"]["kind"]) == (True, "waiver")
    assert set(complaint.statuses().values()) == {"met"}
    assert complaint.told() == [
        ("register", "dispatcher"),
        ("dispatch", "department:repair"),
        ("sign_for", f"owner:{AGENT}"),
        ("arrive", f"owner:{AGENT}"),
        ("involve", "department:billing"),
        ("sign_for", f"owner:{AGENT}"),
        *(
            ("request_approval", "manager"),
            ("decide_approval", "department:repair"),
            ("decide_approval", f"owner:{AGENT}"),
        )
        * 2,
        ("complete", f"owner:{AGENT}"),
        ("complete", f"owner:{AGENT}"),
        ("reply", f"caller:{complaint.number}"),
        ("reply", "follow_up"),
        ("follow_up", f"owner:{AGENT}"),
    ]


def she_calls_every_spring_festival(hotline: Hotline) -> None:
    """To say thank you; it is kept on her record, for the person thanked.

    She gives her account, or the eight digits of the telephone in her house.
    """
    spring = [
        hotline.thank({"name": "李婆婆", **known}, f"李婆婆第{year}个春节来电拜年致谢。", "谢谢您，祝您新年好。")
        for year, known in (("一", {"account_no": "0420013"}), ("二", {"phone": "88237777"}))
    ]
    assert "hardship" in spring[1].see()["flags"]
    assert [(one["number"], one["thanked"]) for one in spring[1].caller()["thanks"]] == [(spring[0].number, CREW)]
    record = hotline.ask("GET", "/customers/0420013", AGENT).json()
    assert [(one["number"], one["thanked"]) for one in record["thanks"]] == [
        (one.number, CREW) for one in reversed(spring)
    ]
    # They count in the assessment of the crew.
    month = f"{on_the_wall(datetime.fromisoformat(record['thanks'][0]['at'])):%Y-%m}"
    report = hotline.ask("GET", f"/reports/thanks?month={month}&thanked={CREW}", SUPERVISOR).json()
    assert {one.number for one in spring} <= {one["number"] for one in report["items"][0]["thanks"]}


def test_an_approval_holds_up_the_department_and_not_the_caller(hotline: Hotline) -> None:
    """The waiver that Granny Li was given, asked for before anybody has gone there."""
    complaint = hotline.register(AGENT, service_code="no_water", location={"district": "west"}, description="没水。")
    complaint.act(AGENT, "dispatch", department="repair")
    complaint.act(CREW, "sign_for")
    waiver = {"subject": "减免欠费", "amount": "126.80", "kind": "waiver", "grounds": "低保户"}
    complaint.act(CREW, "request_approval", **waiver)
    before = complaint.clocks()
    assert {name: clock["status"] for name, clock in before.items()} == {
        "acknowledge": "met",
        "arrive": "paused",
        "resolve": "running",
        "reply": "running",
        "follow_up": "waiting",
        "approve": "running",
    }
    after = complaint.clocks()
    assert after["arrive"]["elapsed_seconds"] == before["arrive"]["elapsed_seconds"]
    assert after["resolve"]["elapsed_seconds"] > before["resolve"]["elapsed_seconds"]

    rejected = complaint.act(MANAGER, "decide_approval", approved=False, note="请先核实低保证明。")
    assert (rejected["state"], rejected["flags"]) == ("in_progress", ["approval_rejected"])
    assert complaint.statuses()["arrive"] == "running"


def test_a_case_comes_back_when_sql_has_lost_it(hotline: Hotline) -> None:
    complaint = hotline.register(AGENT, service_code="no_water", location={"district": "west"}, description="没水。")
    complaint.act(AGENT, "dispatch", department="repair")
    # Nobody is told of a comment; and with it the case hears that SQL had the dispatch.
    complaint.act(AGENT, "comment", note="用户来电补充：整栋楼停水。")
    told, happened, seen = complaint.told(), complaint.timeline(), complaint.see()
    hotline.lose_the_read_model()
    # The case itself is in Temporal, and answers.
    assert complaint.see()["version"] == seen["version"]
    assert hotline.ask("GET", "/complaints", AGENT).json()["items"] == []

    assert "cases are in the read model" in hotline.rebuild()
    assert complaint.number in {item["number"] for item in hotline.ask("GET", "/complaints", AGENT).json()["items"]}
    # The case publishes the comment itself, as nobody has told it that SQL had it.
    wait_until(lambda: complaint.timeline() == happened, lambda: str(complaint.timeline()))
    assert complaint.told() == told
    assert complaint.act(CREW, "sign_for")["state"] == "in_progress"
