"""Calls that come on every day: two cases that really happened, and a hardship household (困难户) of the registry.

Told in full are West District in August 2009, and Granny Li (李婆婆) in 2005. What was said is told in our words; the
figures, and all names but hers, are invented. The household calls twice about one matter; both its cases stay open.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from domain.case.lifecycle import State
from domain.case.satisfaction import Satisfaction
from domain.shared.actors import Role
from hotline.demo.plans import Plan
from hotline.demo.steps import Fact, Move, act, follow_up, moves

REGISTRY = Path(__file__).with_name("customers.csv")
"""File of customers, for `hotline customers import`: the household, and the caller of the second story."""


@dataclass(frozen=True)
class Story:
    """A call that is the same on every day; the closing report names those with a title.

    `starts` is the part of the day that has passed by then. Without a telephone, the caller has one of their own.
    """

    plan: Plan
    service_code: str
    district: str
    description: str
    address: str
    caller: str
    priority: str | None = None
    phone: str | None = None
    starts: float = 0.5
    title: str = ""
    title_zh: str = ""


_WEST: tuple[Move, ...] = (
    act(
        Role.AGENT,
        "dispatch",
        department=Fact.DEPARTMENT,
        note="来电人不肯检查、不肯挂线。话务员用另一部电话即时通知抢修队出动，通话仍在进行。",
    ),
    *moves("sign_for arrive"),
    act(Role.CREW, "comment", note="检查：表前阀正常，表后用户自有阀门阀芯脱落。已将阀芯提起应急，恢复供水。"),
    act(Role.CREW, "suspend", reason="表后阀门属用户自有，请用户购买新阀门后来电，我队协助安装。"),
    act(Role.AGENT, "resume", note="用户来电：新阀门已买好，请协助安装。"),
    act(Role.CREW, "complete", result="已协助用户更换表后阀门，试水正常，无渗漏。", findings=["customer_pipe"]),
    act(Role.OWNER, "reply", message="无水原因是您表后阀门阀芯脱落，并非停水催缴。新阀门已装好，供水正常。"),
    follow_up(Satisfaction.VERY_SATISFIED, "用户表示用水正常，对处理很满意。", solved=True),
    act(Role.AGENT, "comment", note="表扬：用户来电，为当日发火致歉，并感谢话务员和抢修队。"),
)

_GRANNY: tuple[Move, ...] = (
    act(
        Role.AGENT,
        "comment",
        note="困难户：独居，领取低保，享受公司每月免费用水量，平常无须缴费。话务员耐心听完。",
    ),
    act(Role.AGENT, "dispatch", department=Fact.DEPARTMENT, note="独居老人家中无水，请优先上门。"),
    *moves("sign_for arrive"),
    act(Role.CREW, "comment", note="检查：并非停水，是表后户内水管多处漏水。户内管道按规定由用户自行维护。"),
    act(Role.OWNER, "involve", department="billing", task="核实账单欠费及原因；获批后结清。"),
    act(Role.CREW, "sign_for", department="billing"),
    act(Role.AGENT, "comment", note="收费部门核实：账单欠费 126.80 元由漏水造成；老人无力承担维修和欠费。"),
    act(
        Role.AGENT,
        "request_approval",
        subject="困难户：由公司出资更换户内水管及配件 480.00 元，并代为结清欠费 126.80 元",
        amount="606.80",
        note="开工前报批。",
    ),
    act(Role.MANAGER, "decide_approval", approved=True, note="同意。由公司出资更换，欠费由公司结清。"),
    act(
        Role.CREW,
        "complete",
        result="更换户内水管 18 米及龙头、接头，试压不漏，恢复供水。",
        findings=["customer_pipe"],
    ),
    act(Role.CREW, "complete", department="billing", result="欠费 126.80 元已按审批意见结清，账户无欠款。"),
    act(Role.OWNER, "reply", message="李婆婆，水管已换好，不收费用，账单上的欠费公司也为您结清了，请放心用水。"),
    follow_up(Satisfaction.VERY_SATISFIED, "老人说水很好，谢谢大家。", solved=True),
    act(Role.AGENT, "comment", note="表扬：李婆婆春节来电拜年致谢。此后五年，每年春节都来电。"),
)

STORIES: tuple[Story, ...] = (
    Story(
        title="West District, noon, August 2009",
        title_zh="西区，2009年8月中午",
        plan=Plan("west_district", _WEST),
        service_code="no_water",
        district="west",
        description=(
            "用户情绪激动：家中突然无水，并无欠费，扬言五分钟内不来水就砸水表。"
            "话务员查明账户无欠费，并告知高温季节公司暂缓欠费停水，不是停水催缴；请先检查表前、表后阀门。"
        ),
        address="西区街道",
        caller="陈先生",
        priority="P1",
    ),
    Story(
        title="Granny Li, Xiazha New Village, 2005",
        title_zh="下闸新村李婆婆，2005年",
        plan=Plan("granny_li", _GRANNY, flags=("approved",)),
        service_code="no_water",
        district="west",
        description=(
            "李婆婆来电：家里没有水。独居，靠低保生活，公司每月给予免费用水量，平常不用交水费；"
            "最近收到一张账单，以为因此被停水，十分着急。"
        ),
        address="西区街道下闸新村",
        caller="李婆婆",
    ),
)


_hardship = partial(
    Story,
    service_code="no_water",
    district="shiqi",
    address="石岐街道民生路18号",
    caller="钟伯",
    phone="0760-00009999",
)
HOUSEHOLD: tuple[Story, ...] = (
    _hardship(
        plan=Plan("left_for_hardship", "HELD ask_approval", State.AWAITING_APPROVAL),
        description="独居老人来电：家里水管漏得厉害，水都流不到龙头，没有钱请人修。",
        starts=0.5,
    ),
    _hardship(
        plan=Plan("left_asked_again", "", State.REGISTERED),
        description="老人再次来电：上午说的漏水还没有修好，家里还是没有水。",
        starts=0.8,
    ),
)
"""Both calls of the household."""

ALWAYS: tuple[Story, ...] = (*STORIES, *HOUSEHOLD)
"""Calls that come on every day, first in the order of the index."""
