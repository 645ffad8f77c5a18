"""Actions on a complaint, in the order of the lifecycle table. A new one is a module here and a line below."""

from domain.case.actions import (
    answer,
    arrive,
    assign,
    comment,
    complete,
    correct,
    decide_approval,
    decide_credit,
    decide_extension,
    dispatch,
    follow_up,
    hand_over,
    involve,
    link_incident,
    refuse,
    register,
    reinstate,
    reject_return,
    release,
    reopen,
    reply,
    request_approval,
    request_extension,
    resume,
    return_,
    revoke_links,
    send_back,
    send_link,
    sign_for,
    supervise,
    suspend,
    urge,
    withdraw,
)
from domain.case.kind import Action
from domain.kit.event import ActionBody, by_body, by_name

ACTIONS: tuple[Action, ...] = (
    register.ACTION,
    answer.ACTION,
    dispatch.ACTION,
    refuse.ACTION,
    sign_for.ACTION,
    return_.ACTION,
    reject_return.ACTION,
    arrive.ACTION,
    suspend.ACTION,
    resume.ACTION,
    request_approval.ACTION,
    decide_approval.ACTION,
    complete.ACTION,
    send_back.ACTION,
    reply.ACTION,
    follow_up.ACTION,
    reopen.ACTION,
    withdraw.ACTION,
    reinstate.ACTION,
    comment.ACTION,
    correct.ACTION,
    urge.ACTION,
    send_link.ACTION,
    revoke_links.ACTION,
    supervise.ACTION,
    request_extension.ACTION,
    decide_extension.ACTION,
    hand_over.ACTION,
    assign.ACTION,
    involve.ACTION,
    release.ACTION,
    link_incident.ACTION,
    decide_credit.ACTION,
)

TABLE: dict[str, Action] = by_name(*ACTIONS)
REGISTER = register.ACTION.name
COMMANDS: dict[str, Action] = {name: action for name, action in TABLE.items() if name != REGISTER}
"""Actions that are done to a case; registration starts it."""
ACTION_OF: dict[type[ActionBody], Action] = by_body(*COMMANDS.values())
"""The action of each body."""
