"""subscribe 恢复短信: a caller who has unsubscribed wants messages about the case again."""

from datetime import datetime

from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, Actor, CaseState, Event, Role, State, while_active


class Subscribe(ActionBody):
    """恢复短信."""

    def evolve(self, case: CaseState, _: Event) -> None:
        case.remove_flags(UNSUBSCRIBED)


def guard(case: CaseState, actor: Actor, at: datetime) -> str | None:
    return while_active(case, actor, at) if UNSUBSCRIBED in case.flags else "its caller has not unsubscribed"


ACTION = Action(
    name="subscribe",
    zh="恢复短信",
    description="Messages to the caller again.",
    roles={Role.AGENT, Role.CALLER},
    sources=OPEN | {State.CLOSED},
    example=Subscribe(note="The caller asks for it."),
    guard=guard,
)
