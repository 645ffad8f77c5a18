"""supervise 督办: the case is under a supervisor's eyes, for its present cycle."""

from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, CaseState, Event, NotPossible, Role
from domain.shared.errors import ProblemType

ALREADY_SUPERVISED = ProblemType("conflict", "already_supervised", "Case already supervised", "工单已在督办中")


class Supervise(ActionBody):
    """督办."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.supervise(event)


def guard(case: CaseState, *_: object) -> NotPossible | None:
    since = case.supervision
    if since is None or since.cycle != case.cycle:
        return None
    since_when = f"in cycle {since.cycle} since {since.supervised_at.isoformat()}, and that is said once a cycle"
    return NotPossible(ALREADY_SUPERVISED, f"it is supervised (督办) {since_when}")


ACTION = Action(
    name="supervise",
    zh="督办",
    description="A supervisor watches the case.",
    roles={Role.SUPERVISOR, Role.MANAGER},
    sources=OPEN,
    example=Supervise(note="An old lady alone; report every evening."),
    problems=(ALREADY_SUPERVISED,),
    guard=guard,
    notifies=("department", "owner"),
)
