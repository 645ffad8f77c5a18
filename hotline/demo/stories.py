"""Two cases that really happened, told in full: West District in August 2009, and Granny Li (李婆婆) in 2005.

What was said is told in our words; the figures, and all names but hers, are invented.
"""

from dataclasses import dataclass
from decimal import Decimal

from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.resume import Resume
from domain.case.actions.sign_for import SignFor
from domain.case.satisfaction import Satisfaction
from domain.shared.actors import Role
from hotline.demo.steps import Move, Plan, Step, arrive, complete, follow_up, say, sign_for, suspend
from hotline.demo.texts import Work


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


def _dispatch(role: Role, note: str) -> Step:
    return Step(role, "dispatch", lambda scene: Dispatch(department=scene.department, note=note))


_WEST: tuple[Move, ...] = (
    _dispatch(
        Role.AGENT,
        "来电人不肯检查、不肯挂线。话务员用另一部电话即时通知抢修队出动，通话仍在进行。",
    ),
    sign_for(),
    arrive(),
    say(Role.CREW, Comment(note="检查：表前阀正常，表后用户自有阀门阀芯脱落。已将阀芯提起应急，恢复供水。")),
    suspend("表后阀门属用户自有，请用户购买新阀门后来电，我队协助安装。"),
    say(Role.AGENT, Resume(note="用户来电：新阀门已买好，请协助安装。")),
    complete(Work("已协助用户更换表后阀门，试水正常，无渗漏。", "customer_pipe")),
    say(Role.OWNER, Reply(message="无水原因是您表后阀门阀芯脱落，并非停水催缴。新阀门已装好，供水正常。")),
    follow_up(Satisfaction.VERY_SATISFIED, "用户表示用水正常，对处理很满意。"),
    say(Role.AGENT, Comment(note="表扬：用户来电，为当日发火致歉，并感谢话务员和抢修队。")),
)

_GRANNY: tuple[Move, ...] = (
    say(
        Role.AGENT,
        Comment(note="困难户：独居，领取低保，享受公司每月免费用水量，平常无须缴费。话务员耐心听完。"),
    ),
    _dispatch(Role.AGENT, "独居老人家中无水，请优先上门。"),
    sign_for(),
    arrive(),
    say(Role.CREW, Comment(note="检查：并非停水，是表后户内水管多处漏水。户内管道按规定由用户自行维护。")),
    say(Role.OWNER, Involve(department="billing", task="核实账单欠费及原因；获批后结清。")),
    say(Role.CREW, SignFor(department="billing")),
    say(Role.AGENT, Comment(note="收费部门核实：账单欠费 126.80 元由漏水造成；老人无力承担维修和欠费。")),
    say(
        Role.AGENT,
        RequestApproval(
            subject="困难户：由公司出资更换户内水管及配件 480.00 元，并代为结清欠费 126.80 元",
            amount=Decimal("606.80"),
            note="开工前报批。",
        ),
    ),
    say(Role.MANAGER, DecideApproval(approved=True, note="同意。由公司出资更换，欠费由公司结清。")),
    complete(Work("更换户内水管 18 米及龙头、接头，试压不漏，恢复供水。", "customer_pipe")),
    say(Role.CREW, Complete(department="billing", result="欠费 126.80 元已按审批意见结清，账户无欠款。")),
    say(Role.OWNER, Reply(message="李婆婆，水管已换好，不收费用，账单上的欠费公司也为您结清了，请放心用水。")),
    follow_up(Satisfaction.VERY_SATISFIED, "老人说水很好，谢谢大家。"),
    say(Role.AGENT, Comment(note="表扬：李婆婆春节来电拜年致谢。此后五年，每年春节都来电。")),
)

STORIES: tuple[Story, ...] = (
    Story(
        title="West District, noon, August 2009",
        title_zh="西区，2009年8月中午",
        plan=Plan("west_district", "西区无水", _WEST),
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
        plan=Plan("granny_li", "李婆婆", _GRANNY, flags=frozenset({"approved"})),
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
