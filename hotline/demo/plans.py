"""All plans of cases in the demo: those with an end (`demo.endings`), and those that stay open."""

from domain.case.lifecycle import State
from domain.case.progress import AT_RISK
from domain.case.satisfaction import Satisfaction
from domain.shared.actors import Role
from hotline.demo.endings import ENDINGS, GRANT, REQUEST, SUPERVISE, credited, repairs, slow
from hotline.demo.steps import (
    HELD,
    REPLIED,
    WORK,
    Offer,
    Plan,
    RungWait,
    ask_approval,
    dispatch,
    follow_up,
    give_back,
    involve,
    link,
    sign_for,
    suspend,
)

LASTING_SECONDS = 7200
"""A case whose owner has promised nothing for as long is not late while a newcomer looks around."""

_TO_THE_LIMIT = (dispatch(), RungWait("acknowledge", AT_RISK))


def _can_stay_at_risk(offer: Offer) -> bool:
    """Return True if a case can lie between 75 % and the miss of its department's promise, with nothing else late."""
    owners = (offer.budgets.get(clock, LASTING_SECONDS) for clock in ("resolve", "reply"))
    return offer.quick("acknowledge") and min(owners) >= LASTING_SECONDS


LEFT: tuple[Plan, ...] = (
    Plan("left_registered", "待派单", (), State.REGISTERED),
    Plan(
        "left_unsigned",
        "逾期未签收",
        (dispatch(),),
        State.DISPATCHED,
        missed=("acknowledge",),
        weight=4,
        fits=lambda offer: offer.quick("acknowledge"),
    ),
    Plan(
        "left_returned",
        "待改派",
        (dispatch(), give_back()),
        State.PENDING_REDISPATCH,
        if_late=Plan("left_unreturned", "退单逾期", (dispatch(),), State.DISPATCHED),
    ),
    Plan(
        "left_on_the_way",
        "逾期未到场",
        (dispatch(Role.AGENT), sign_for()),
        State.IN_PROGRESS,
        missed=("arrive",),
        weight=4,
        fits=lambda offer: offer.quick("arrive"),
    ),
    Plan("left_suspended", "挂起中", (*HELD, suspend("来电人外出，回来后再约。")), State.SUSPENDED, weight=4),
    Plan("left_for_approval", "待审批", (*HELD, ask_approval()), State.AWAITING_APPROVAL),
    Plan(
        "left_without_reply",
        "逾期未回复",
        WORK,
        State.PENDING_REPLY,
        missed=("reply",),
        weight=3,
        fits=lambda offer: offer.quick("reply"),
    ),
    Plan("left_for_follow_up", "待回访", REPLIED, State.PENDING_FOLLOW_UP, weight=4),
    Plan(
        "left_in_rework",
        "重办中",
        (*REPLIED, follow_up(Satisfaction.VERY_DISSATISFIED, "来电人要求重新处理。"), sign_for()),
        State.IN_PROGRESS,
        cycle=2,
        flags=frozenset({"reworked"}),
    ),
    Plan("left_emergency", "紧急抢修中", HELD, State.IN_PROGRESS, fits=lambda offer: offer.priority == "P1"),
    # The return pauses the department's clock between 75 % and 100 %, so the case stays at risk until it is dispatched.
    Plan(
        "left_at_risk",
        "临期退单",
        (*_TO_THE_LIMIT, give_back()),
        State.PENDING_REDISPATCH,
        weight=3,
        fits=_can_stay_at_risk,
        if_late=Plan("left_at_risk_kept", "临期退单逾期", _TO_THE_LIMIT, State.DISPATCHED),
    ),
    Plan(
        "left_with_credit",
        "待批补偿",
        WORK,
        State.PENDING_REPLY,
        missed=("reply",),
        weight=1,
        fits=credited,
    ),
    Plan("left_with_incident", "并案待结", (dispatch(), link()), State.DISPATCHED, fits=repairs),
    Plan("left_together", "部门联动中", (*HELD, involve("请核实欠费及账单。")), State.IN_PROGRESS, fits=repairs),
    Plan("left_supervised", "督办中", (dispatch(), SUPERVISE), State.DISPATCHED, flags=frozenset({"supervised"})),
    Plan(
        "left_extended",
        "已延期",
        (dispatch(), sign_for(), REQUEST, GRANT),
        State.IN_PROGRESS,
        flags=frozenset({"extended"}),
        fits=slow,
        if_late=Plan("left_unextended", "延期逾期", (dispatch(), sign_for()), State.IN_PROGRESS),
    ),
)
"""The cases that the demo leaves open, late ones and paused ones among them."""

PLANS: tuple[Plan, ...] = (*ENDINGS, *LEFT)
"""All plans. `weight` is the relative frequency of a plan."""
