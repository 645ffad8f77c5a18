"""comment 补充: something to know about the case; it resets no clock."""

from domain.case.lifecycle import OPEN, OfIncident
from domain.case.state import Action, ActionBody, Role, State, while_active
from domain.shared.value import Text


class Comment(ActionBody):
    """补充: the note is the comment."""

    note: Text


class Commented(Comment, OfIncident):
    """Comment, by a person or by the incident that the case is linked to."""


ACTION = Action(
    name="comment",
    zh="补充",
    description="Information is added; no clock changes.",
    roles={
        Role.AGENT,
        Role.OWNER,
        Role.DISPATCHER,
        Role.CREW,
        Role.SUPERVISOR,
        Role.MANAGER,
        Role.FOLLOW_UP,
        Role.CALLER,
    },
    sources=OPEN | {State.CLOSED},
    example=Comment(note="The caller is at home after six in the evening."),
    data=Commented,
    guard=while_active,
    notifies_by_incident=("owner",),
    shared_with_parts=True,
)
