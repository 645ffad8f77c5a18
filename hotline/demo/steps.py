"""Moves of plans: steps by people, each with its text, and waits for a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.case.progress import AT_RISK
from domain.case.satisfaction import Satisfaction
from domain.catalogue.terms import MISS, ClockName
from domain.shared.actors import Role
from hotline.demo.texts import phone

LINK = "link_incident"
WAKES_AFTER_SECONDS = 9.0
"""Long enough for a case to get there before its wake date, short enough to wait for."""


class Fact(StrEnum):
    """Fact of a case that stands in the body of a step: the name of the scene's attribute."""

    DEPARTMENT = "department"
    ELSEWHERE = "elsewhere"
    COLLEAGUE = "colleague"
    RELIEF = "relief"
    RESULT = "result"
    FINDINGS = "findings"
    TOLD = "told"
    SATISFACTION = "satisfaction"


@dataclass(frozen=True)
class Step:
    """Action of a person. `wakes_after`: seconds from the registration to the wake date of a suspension."""

    role: Role
    action: str
    body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    wakes_after: float | None = None


def act(role: Role, action: str, **body: Any) -> Step:  # noqa: ANN401 - a JSON object
    """Return the action of a person with this body."""
    return Step(role, action, body)


@dataclass(frozen=True)
class Wake:
    """Wait until a suspended case wakes by itself."""


@dataclass(frozen=True)
class RungWait:
    """Wait until a running clock has consumed this percentage of its budget."""

    clock: ClockName
    percent: int


Wait = Wake | RungWait
Move = Step | Wait


def follow_up(satisfaction: str, note: str, *, solved: bool) -> Step:
    """Return the follow-up (回访) of a caller who is reached and says this."""
    return act(Role.FOLLOW_UP, "follow_up", contacted=True, solved=solved, satisfaction=satisfaction, note=note)


def not_reached(note: str) -> Step:
    """Return the follow-up (回访) of a caller who is not reached."""
    return act(Role.FOLLOW_UP, "follow_up", contacted=False, note=note)


_MOVES: dict[str, Move] = {
    "answer": act(Role.AGENT, "answer", message="已在通话中向来电人解释清楚，来电人表示明白。"),
    "dispatch": act(Role.DISPATCHER, "dispatch", department=Fact.DEPARTMENT),
    "dispatch_at_once": act(Role.AGENT, "dispatch", department=Fact.DEPARTMENT),
    "redirect": act(Role.DISPATCHER, "dispatch", department=Fact.ELSEWHERE, note="改派"),
    "refuse": act(Role.DISPATCHER, "refuse", reason="属物业管理范围，已告知来电人联系物业。"),
    "refuse_drains": act(Role.DISPATCHER, "refuse", reason="现场为排水管道，不属供水企业职责。"),
    "sign_for": act(Role.CREW, "sign_for"),
    "give_back": act(Role.CREW, "return", reason="经核实不属本部门维护范围，请改派。"),
    "reject_return": act(Role.DISPATCHER, "reject_return", reason="经核对管网图，属该部门维护。"),
    "arrive": act(Role.CREW, "arrive"),
    "complete": act(Role.CREW, "complete", result=Fact.RESULT, findings=Fact.FINDINGS),
    "send_back": act(Role.SUPERVISOR, "send_back", reason="未附现场照片，结果不清楚。"),
    "reply": act(Role.OWNER, "reply", message=Fact.TOLD),
    "satisfied": act(Role.FOLLOW_UP, "follow_up", contacted=True, solved=True, satisfaction=Fact.SATISFACTION),
    "dissatisfied": follow_up(Satisfaction.DISSATISFIED, "来电人称问题依旧。", solved=False),
    "unsolved": follow_up(Satisfaction.DISSATISFIED, "问题没有解决。", solved=False),
    "unsolved_again": follow_up(Satisfaction.VERY_DISSATISFIED, "再次出现，来电人十分不满。", solved=False),
    "demanding": follow_up(Satisfaction.VERY_DISSATISFIED, "来电人要求重新处理。", solved=True),
    "not_content": follow_up(Satisfaction.DISSATISFIED, "来电人称水仍有咸味，要求上门取样。", solved=False),
    "nobody": not_reached("无人接听。"),
    "not_reached": act(Role.FOLLOW_UP, "follow_up", contacted=False),
    "not_reached_1": not_reached("第一次无人接听。"),
    "not_reached_2": not_reached("第二次无人接听。"),
    "not_reached_3": not_reached("第三次无人接听。"),
    "suspend_for_a_while": Step(
        Role.CREW, "suspend", {"reason": "来电人约定稍后在家等候。"}, wakes_after=WAKES_AFTER_SECONDS
    ),
    "suspend_for_parts": act(Role.CREW, "suspend", reason="等来电人购买配件。"),
    "suspend": act(Role.CREW, "suspend", reason="来电人外出，回来后再约。"),
    "wake": Wake(),
    "resume": act(Role.AGENT, "resume", note="来电人来电，配件已备好。"),
    "ask_approval": act(Role.CREW, "request_approval", subject="更换户内老化水管，由公司出资", amount="368.50"),
    "approve": act(Role.MANAGER, "decide_approval", approved=True, note="情况属实，同意。"),
    "disapprove": act(Role.MANAGER, "decide_approval", approved=False, note="户内管道由用户自行维护。"),
    "ask_waiver": act(
        Role.CREW,
        "request_approval",
        subject="减免漏水造成的水费",
        amount="126.80",
        kind="waiver",
        grounds="低保户，独居，已提供证明。",
    ),
    "waive": act(Role.MANAGER, "decide_approval", approved=True, reason="低保户，漏水非其所能察觉。"),
    "decide_credit": act(Role.MANAGER, "decide_credit", credit=1, approved=True),
    "ask_extension": act(Role.CREW, "request_extension", working_days=3, reason="所需材料缺货，供应商三日后到货。"),
    "extend": act(Role.SUPERVISOR, "decide_extension", approved=True, note="同意延期。"),
    "do_not_extend": act(Role.SUPERVISOR, "decide_extension", approved=False, note="请按时办结。"),
    "withdraw": act(Role.AGENT, "withdraw", reason="来电人再次来电，称已恢复正常。"),
    "withdraw_repaired": act(Role.AGENT, "withdraw", reason="来电人自行请人修好，要求撤单。"),
    "withdraw_by_mistake": act(Role.AGENT, "withdraw", reason="来电人称已恢复正常。"),
    "reinstate": act(Role.SUPERVISOR, "reinstate", reason="撤错工单，应撤同一来电人的另一张工单。"),
    "reopen": act(Role.AGENT, "reopen", reason="同样的问题又出现了。"),
    "hand_over": act(Role.SUPERVISOR, "hand_over", owner=Fact.COLLEAGUE, note="原责任人轮休"),
    "assign": act(Role.SUPERVISOR, "assign", assignee=Fact.RELIEF, note="原处理人下班"),
    # By somebody else than the owner.
    "correct": act(Role.SUPERVISOR, "correct", reason="来电人更正联系电话。", caller={"phone": phone(9_998)}),
    "urge": act(Role.AGENT, "urge", note="来电人再次催促。"),
    "supervise": act(Role.SUPERVISOR, "supervise", note="涉及学校用水，由班长督办。"),
    "comment": act(Role.AGENT, "comment", note="来电人补充：家中有老人，请先电话联系。"),
    "thank": act(Role.AGENT, "comment", note="来电人来电致谢。"),
    "involve": act(Role.OWNER, "involve", department=Fact.ELSEWHERE, task="请核实用户欠费及账单情况。"),
    "involve_meters": act(Role.OWNER, "involve", department=Fact.ELSEWHERE, task="请派人检查水表。"),
    "involve_bills": act(Role.OWNER, "involve", department=Fact.ELSEWHERE, task="请核实欠费及账单。"),
    "sign_for_part": act(Role.CREW, "sign_for", department=Fact.ELSEWHERE),
    "complete_part": act(Role.CREW, "complete", department=Fact.ELSEWHERE, result="已核实，账单无误，无欠费。"),
    "release": act(Role.DISPATCHER, "release", department=Fact.ELSEWHERE, reason="现场已排除水表原因，不必再查。"),
    # The number of the incident is known once the day is played.
    "link": act(Role.DISPATCHER, LINK),
    "until_replied_late": RungWait("reply", MISS),
    "until_at_risk": RungWait("acknowledge", AT_RISK),
}
_WAYS = {
    "HELD": "dispatch_at_once sign_for arrive",
    "WORK": "dispatch sign_for arrive complete",
    "REWORK": "sign_for arrive complete reply",
    "END": "reply satisfied",
}
"""Moves that many plans share."""


def moves(way: str) -> tuple[Move, ...]:
    """Return the moves of a way: names of the tables, with a space between two. Raises KeyError for another name."""
    names = " ".join(_WAYS.get(name, name) for name in way.split()).split()
    return tuple(_MOVES[name] for name in names)
