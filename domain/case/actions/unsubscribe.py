"""unsubscribe 退订短信: the caller wants no more messages about the case."""

from datetime import datetime

from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, Actor, CaseState, Role, State, while_active

UNSUBSCRIBED = "unsubscribed"
"""The flag of a case whose caller is sent no messages about it (来电人已退订短信)."""


class Unsubscribe(ActionBody):
    """退订短信."""


def guard(case: CaseState, actor: Actor, at: datetime) -> str | None:
    return "its caller has unsubscribed" if UNSUBSCRIBED in case.flags else while_active(case, actor, at)


ACTION = Action(
    name="unsubscribe",
    zh="退订短信",
    description="No more messages to the caller.",
    roles={Role.CALLER},
    sources=OPEN | {State.CLOSED},
    example=Unsubscribe(note="I look at the page."),
    guard=guard,
    flags=(UNSUBSCRIBED,),
)
