"""subscribe 恢复短信: a caller who has unsubscribed wants messages about the case again."""

from datetime import datetime

from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.state import Action, ActionBody, Actor, CaseState, Event, Role, State


class Subscribe(ActionBody):
    """恢复短信."""

    def evolve(self, case: CaseState, _: Event) -> None:
        case.set_flag(UNSUBSCRIBED, raised=False)


def guard(case: CaseState, _: Actor, at: datetime) -> str | None:
    if case.is_over(at):
        return f"it is {case.state}"
    return None if UNSUBSCRIBED in case.flags else "its caller has not unsubscribed"


ACTION = Action(
    name="subscribe",
    zh="恢复短信",
    description="Messages to the caller again.",
    roles={Role.AGENT, Role.CALLER},
    sources=frozenset(State),
    example=Subscribe(note="The caller asks for it."),
    guard=guard,
)
