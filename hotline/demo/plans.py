"""All plans of cases in the demo: those with an end (`demo.endings`), and those that stay open."""

from domain.case.lifecycle import State
from domain.shared.actors import Role
from hotline.demo.endings import ENDINGS
from hotline.demo.steps import (
    HELD,
    REPLIED,
    WORK,
    Plan,
    ask_approval,
    dispatch,
    follow_up,
    give_back,
    sign_for,
    suspend,
)

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
        (*REPLIED, follow_up("dissatisfied", "来电人要求重新处理。"), sign_for()),
        State.IN_PROGRESS,
        cycle=2,
        flags=frozenset({"reworked"}),
    ),
)
"""The cases that the demo leaves open, late ones and paused ones among them."""

PLANS: tuple[Plan, ...] = (*ENDINGS, *LEFT)
"""All plans. `weight` is the relative frequency of a plan."""
