"""unsubscribe 退订短信: the caller wants no more messages about the case."""

from datetime import datetime

from domain.case.state import Action, ActionBody, Actor, CaseState, Event, Role, State

UNSUBSCRIBED = "unsubscribed"
"""The flag of a case whose caller is sent no messages about it (来电人已退订短信)."""


class Unsubscribe(ActionBody):
    """退订短信."""

    def evolve(self, case: CaseState, _: Event) -> None:
        case.set_flag(UNSUBSCRIBED, raised=True)


def guard(case: CaseState, _: Actor, at: datetime) -> str | None:
    """Refuse it twice, and once nothing is sent any more; a credit may be decided on long after the case is closed."""
    if case.is_over(at):
        return f"it is {case.state}"
    return "its caller has unsubscribed" if UNSUBSCRIBED in case.flags else None


ACTION = Action(
    name="unsubscribe",
    zh="退订短信",
    description="No more messages to the caller.",
    roles={Role.CALLER},
    sources=frozenset(State),
    example=Unsubscribe(),
    guard=guard,
)
