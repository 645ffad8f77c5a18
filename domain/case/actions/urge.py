"""urge 催办: whoever holds the case is asked to hurry."""

from datetime import datetime

from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, Actor, CaseState, NotPossible, Role
from domain.shared.errors import ProblemType

URGE_TOO_LATE = ProblemType("conflict", "urge_too_late", "Urging after the expiry", "已过催办时限，请改为补充或督办")


class Urge(ActionBody):
    """催办."""


def guard(case: CaseState, actor: Actor, at: datetime) -> NotPossible | None:
    """Refuse staff once the promise has expired: a notice takes the urging's place. Callers may urge at any time."""
    clock, urging = case.urged_clock(), case.urging
    due = clock.due_at(case.calendar) if clock else None
    if actor.role in (Role.CALLER, Role.ADMIN) or due is None or at < due:
        return None
    if urging and urging.noticed_at:
        notice = f"went out at {urging.noticed_at.isoformat()}"
    else:
        ends_at = case.countdown_ends_at()
        notice = f"comes at {ends_at.isoformat()}" if ends_at else "comes once the case is taken up again"
    what = f"urging is for the time before the expiry, which was at {due.isoformat()}"
    instead = "comment, or have a supervisor supervise (督办)"
    return NotPossible(URGE_TOO_LATE, f"{what}; the written notice (催办通知书) {notice}; {instead}")


ACTION = Action(
    name="urge",
    zh="催办",
    description="The department is asked to hurry.",
    roles={Role.AGENT, Role.SUPERVISOR, Role.CALLER},
    sources=OPEN,
    example=Urge(note="Called for the second time."),
    problems=(URGE_TOO_LATE,),
    guard=guard,
    flags=("urged",),
    notifies=("department",),
)
