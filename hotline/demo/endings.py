"""Plans that end a case: closed, refused or withdrawn."""

from decimal import Decimal

from domain.case.actions.answer import Answer
from domain.case.actions.comment import Comment
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.refuse import Refuse
from domain.case.actions.reinstate import Reinstate
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.reopen import Reopen
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.resume import Resume
from domain.case.actions.send_back import SendBack
from domain.case.actions.supervise import Supervise
from domain.case.actions.urge import Urge
from domain.case.actions.withdraw import Withdraw
from domain.case.clocks import MISS
from domain.case.lifecycle import State
from domain.case.satisfaction import Satisfaction
from domain.shared.actors import Role
from hotline.demo.steps import (
    DONE,
    HELD,
    REPLIED,
    REST,
    REWORK,
    SATISFIED,
    WORK,
    Offer,
    Plan,
    RungWait,
    Wake,
    ask_approval,
    assign,
    complete,
    complete_part,
    correct,
    dispatch,
    follow_up,
    give_back,
    hand_over,
    involve,
    not_reached,
    release,
    say,
    sign_for,
    sign_for_part,
    suspend,
)
from hotline.demo.texts import phone

WAKES_AFTER_SECONDS = 9.0
"""Long enough for a case to get there before its wake date, short enough to wait for."""
SLOW_SECONDS = 300
"""From this budget on there is time to ask for an extension."""


def repairs(offer: Offer) -> bool:
    """Return True for repairs."""
    return offer.group == "repair"


def slow(offer: Offer) -> bool:
    """Return True if the case may take so long that an extension can be asked for."""
    return offer.budgets.get("resolve", 0) > SLOW_SECONDS


def credited(offer: Offer) -> bool:
    """Return True if the company soon owes a credit for a late reply."""
    return "reply" in offer.credited and offer.quick("reply")


_ANSWER = say(Role.AGENT, Answer(message="已在通话中向来电人解释清楚，来电人表示明白。"))
_DETAIL = say(Role.AGENT, Comment(note="来电人补充：家中有老人，请先电话联系。"))
_THANKS = say(Role.AGENT, Comment(note="来电人来电致谢。"))
REQUEST = say(Role.CREW, RequestExtension(working_days=3, reason="所需材料缺货，供应商三日后到货。"))
GRANT = say(Role.SUPERVISOR, DecideExtension(approved=True, note="同意延期。"))
SUPERVISE = say(Role.SUPERVISOR, Supervise(note="涉及学校用水，由班长督办。"))
_BY_MISTAKE = say(Role.AGENT, Withdraw(reason="来电人称已恢复正常。"))
_REINSTATE = say(Role.SUPERVISOR, Reinstate(reason="撤错工单，应撤同一来电人的另一张工单。"))
_DENY = say(Role.SUPERVISOR, DecideExtension(approved=False, note="请按时办结。"))
_WAIVE = RequestApproval(
    subject="减免漏水造成的水费", amount=Decimal("126.80"), kind="waiver", grounds="低保户，独居，已提供证明。"
)

_KEPT = Plan("returned_too_late", "退单逾期", DONE)
_IN_TIME = (dispatch(), sign_for(), complete(), *SATISFIED)
_UNEXTENDED = Plan("extension_too_late", "延期逾期", _IN_TIME)

_DIRECT = (
    Plan("straight", "一次办结", DONE, weight=18),
    Plan("straight_office", "室内办结", (dispatch(Role.AGENT), sign_for(), complete(), *SATISFIED), weight=7),
    Plan("answered", "直接答复", (_ANSWER,), weight=8, fits=lambda offer: not offer.answer_needs_follow_up),
    Plan(
        "answered_followed_up",
        "直接答复后回访",
        (_ANSWER, follow_up()),
        weight=3,
        fits=lambda offer: offer.answer_needs_follow_up,
    ),
    Plan(
        "refused",
        "不予受理",
        (say(Role.DISPATCHER, Refuse(reason="属物业管理范围，已告知来电人联系物业。")),),
        State.REFUSED,
    ),
    Plan(
        "withdrawn",
        "来电人撤销",
        (say(Role.AGENT, Withdraw(reason="来电人再次来电，称已恢复正常。")),),
        State.WITHDRAWN,
    ),
    Plan(
        "withdrawn_in_work",
        "处理中撤销",
        (*HELD, say(Role.AGENT, Withdraw(reason="来电人自行请人修好，要求撤单。"))),
        State.WITHDRAWN,
    ),
    Plan("reinstated", "撤错后恢复", (*HELD, _BY_MISTAKE, _REINSTATE, complete(), *SATISFIED)),
)

_RETURNED = (
    Plan(
        "returned_refused",
        "退单后不予受理",
        (dispatch(), give_back(), say(Role.DISPATCHER, Refuse(reason="现场为排水管道，不属供水企业职责。"))),
        State.REFUSED,
        if_late=_KEPT,
    ),
    Plan(
        "redispatched",
        "退单改派",
        (dispatch(), give_back(), dispatch(note="改派", elsewhere=True), *REST),
        weight=4,
        if_late=_KEPT,
    ),
    Plan(
        "returned_from_work",
        "签收后退单改派",
        (dispatch(), sign_for(), give_back(), dispatch(note="改派", elsewhere=True), *REST),
        if_late=_KEPT,
    ),
    Plan(
        "return_rejected",
        "驳回退单",
        (dispatch(), give_back(), say(Role.DISPATCHER, RejectReturn(reason="经核对管网图，属该部门维护。")), *REST),
        weight=3,
        if_late=_KEPT,
    ),
)

_WAITED = (
    Plan(
        "woken",
        "挂起至约定时间",
        (*HELD, suspend("来电人约定稍后在家等候。", WAKES_AFTER_SECONDS), Wake(), complete(), *SATISFIED),
        weight=4,
    ),
    Plan(
        "called_back",
        "来电恢复",
        (
            *HELD,
            suspend("等来电人购买配件。"),
            say(Role.AGENT, Resume(note="来电人来电，配件已备好。")),
            complete(),
            *SATISFIED,
        ),
        weight=3,
        fits=repairs,
    ),
    Plan(
        "approved",
        "报批获准",
        (
            *HELD,
            ask_approval(),
            say(Role.MANAGER, DecideApproval(approved=True, note="情况属实，同意。")),
            complete(),
            *SATISFIED,
        ),
        flags=frozenset({"approved"}),
        weight=3,
        fits=repairs,
    ),
    Plan(
        "waived",
        "减免获准",
        (
            dispatch(),
            sign_for(),
            say(Role.CREW, _WAIVE),
            say(Role.MANAGER, DecideApproval(approved=True, reason="低保户，漏水非其所能察觉。")),
            complete(),
            *SATISFIED,
        ),
        flags=frozenset({"approved"}),
        fits=lambda offer: offer.needs_approval,
    ),
    Plan(
        "approval_rejected",
        "报批驳回",
        (
            *HELD,
            ask_approval(),
            say(Role.MANAGER, DecideApproval(approved=False, note="户内管道由用户自行维护。")),
            complete(),
            *SATISFIED,
        ),
        flags=frozenset({"approval_rejected"}),
        fits=repairs,
    ),
)

_REPEATED = (
    Plan(
        "sent_back",
        "审核退回",
        (*WORK, say(Role.SUPERVISOR, SendBack(reason="未附现场照片，结果不清楚。")), complete(), *SATISFIED),
        weight=3,
    ),
    Plan(
        "reworked",
        "不满意重办",
        (*REPLIED, follow_up(Satisfaction.DISSATISFIED, "来电人称问题依旧。", solved=False), *REST),
        cycle=2,
        flags=frozenset({"reworked"}),
        weight=4,
    ),
    Plan(
        "reworked_twice",
        "两次重办并督办",
        (
            *REPLIED,
            follow_up(Satisfaction.DISSATISFIED, "问题没有解决。", solved=False),
            *REWORK,
            follow_up(Satisfaction.VERY_DISSATISFIED, "再次出现，来电人十分不满。", solved=False),
            *REST,
        ),
        cycle=3,
        flags=frozenset({"reworked", "supervised"}),
    ),
    Plan(
        "unreachable",
        "三次未能联系",
        (*REPLIED, *[not_reached(f"第{time}次无人接听。") for time in "一二三"]),
        flags=frozenset({"unreachable"}),
    ),
    Plan("reached_later", "再次回访成功", (*REPLIED, not_reached(), follow_up())),
    Plan(
        "reopened",
        "重开",
        (*DONE, say(Role.AGENT, Reopen(reason="同样的问题又出现了。")), *REST),
        cycle=2,
        flags=frozenset({"reopened"}),
        weight=3,
        if_late=Plan("reopened_too_late", "重开逾期", DONE),
    ),
)

_TOGETHER = (
    Plan(
        "together",
        "部门联动",
        (
            *HELD,
            involve("请核实用户欠费及账单情况。"),
            sign_for_part(),
            complete(),
            complete_part("已核实，账单无误，无欠费。"),
            *SATISFIED,
        ),
        weight=4,
        fits=repairs,
    ),
    Plan(
        "part_released",
        "撤回协办",
        (
            *HELD,
            involve("请派人检查水表。"),
            complete(),
            release("现场已排除水表原因，不必再查。"),
            *SATISFIED,
        ),
        fits=repairs,
    ),
)

_MANAGED = (
    Plan(
        "extended",
        "延期获准",
        (dispatch(), sign_for(), REQUEST, GRANT, complete(), *SATISFIED),
        flags=frozenset({"extended"}),
        fits=slow,
        if_late=_UNEXTENDED,
    ),
    Plan(
        "extension_rejected",
        "延期不准",
        (dispatch(), sign_for(), REQUEST, _DENY, complete(), *SATISFIED),
        fits=slow,
        if_late=_UNEXTENDED,
    ),
    Plan(
        "credited",
        "补偿获批",
        (*WORK, RungWait("reply", MISS), say(Role.MANAGER, DecideCredit(credit=1, approved=True)), *SATISFIED),
        missed=("reply",),
        weight=1,
        fits=credited,
    ),
    Plan("handed_over", "移交责任人", (dispatch(), hand_over(), *REST)),
    Plan("corrected", "更正信息", (dispatch(), correct(phone(9_998)), *REST)),
    Plan("reassigned", "换人处理", (dispatch(), sign_for(), assign(), complete(), *SATISFIED)),
    Plan(
        "urged",
        "催办",
        (dispatch(), say(Role.AGENT, Urge(note="来电人再次催促。")), *REST),
        flags=frozenset({"urged"}),
        weight=3,
    ),
    Plan(
        "commented",
        "补充信息",
        (dispatch(), _DETAIL, *REST, _THANKS),
        if_late=Plan("commented_once", "补充信息", (dispatch(), _DETAIL, *REST)),
    ),
    Plan(
        "supervised",
        "督办",
        (dispatch(), SUPERVISE, *REST),
        flags=frozenset({"supervised"}),
    ),
)

ENDINGS: tuple[Plan, ...] = (*_DIRECT, *_RETURNED, *_WAITED, *_REPEATED, *_TOGETHER, *_MANAGED)
"""Every path to an end that the lifecycle has."""
