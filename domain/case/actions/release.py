"""release 撤回协办: the part of a further department is not needed any more."""

from datetime import datetime

from domain.case.lifecycle import NO_SUCH_PART, UNFINISHED, WORKABLE, Part, PartData, PartState
from domain.case.state import Action, Actor, CaseState, Event, NotPossible, PartAction, Reasoned, Role, State
from domain.shared.codes import DepartmentCode
from domain.shared.errors import OUT_OF_TURN


class Release(Reasoned):
    """撤回协办: the part of this department, with the reason."""

    department: DepartmentCode


class Released(Release, PartData):
    """Part that is released."""

    def evolve_part(self, case: CaseState, part: Part, event: Event) -> None:
        case.release(part, event.at)
        if event.to_state is State.PENDING_REPLY:
            case.stop_clocks(event.at, "work")


def guard(case: CaseState, _: Actor, at: datetime) -> NotPossible | None:
    if any(PART.not_possible(case, part, at) is None for part in case.unfinished):
        return None
    return NotPossible(OUT_OF_TURN, "no further department has an open part in it that could be released now")


PART = PartAction(sources=UNFINISHED, target=PartState.RELEASED, always=True)
ACTION = Action(
    name="release",
    zh="撤回协办",
    description="A part is not needed any more; if it was the last unfinished one, the reply is due.",
    roles={Role.DISPATCHER, Role.OWNER},
    sources=WORKABLE,
    example=Release(department="customer_service", reason="The caller has found the receipt."),
    problems=(NO_SUCH_PART,),
    data=Released,
    guard=guard,
    notifies=("department", "owner"),
    part=PART,
)
