"""revoke_links 作废链接: the links to the case that have been made until now open nothing any more."""

from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, CaseState, Event, Role, State, while_active


class RevokeLinks(ActionBody):
    """作废链接."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.links_revoked_at = event.at


ACTION = Action(
    name="revoke_links",
    zh="作废链接",
    description="The links so far open nothing any more.",
    roles={Role.AGENT, Role.FOLLOW_UP, Role.SUPERVISOR},
    sources=OPEN | {State.CLOSED},
    example=RevokeLinks(note="The telephone was lost."),
    guard=while_active,
    notifies=("owner",),
)
