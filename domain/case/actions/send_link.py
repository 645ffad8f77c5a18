"""send_link 发送链接: the caller gets a link to the case, by a text message that nobody else sees."""

from datetime import datetime

from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, Actor, CaseState, GuardResult, NotPossible, Role, State, while_active
from domain.shared.errors import ProblemType

NO_TELEPHONE = ProblemType("conflict", "no_telephone", "Case without a telephone number", "工单没有联系电话，请先更正")
CALLER_UNSUBSCRIBED = ProblemType(
    "conflict", "caller_unsubscribed", "Caller unsubscribed from messages", "来电人已退订短信，要发送请先恢复短信"
)


class SendLink(ActionBody):
    """发送链接."""


def guard(case: CaseState, actor: Actor, at: datetime) -> GuardResult:
    if case.intake.caller.phone is None:
        return NotPossible(NO_TELEPHONE, "it has no telephone number of the caller, so there is none to send a link to")
    if UNSUBSCRIBED in case.flags:
        why = "its caller wants no messages, so no link is sent; if the caller asks for one, subscribe first (恢复短信)"
        return NotPossible(CALLER_UNSUBSCRIBED, why)
    return while_active(case, actor, at)


ACTION = Action(
    name="send_link",
    zh="发送链接",
    description="The caller gets a link to the case as a text message.",
    roles={Role.AGENT, Role.FOLLOW_UP, Role.SUPERVISOR},
    sources=OPEN | {State.CLOSED},
    example=SendLink(note="The caller asks for it."),
    problems=(NO_TELEPHONE, CALLER_UNSUBSCRIBED),
    guard=guard,
    notifies=("caller",),
)
