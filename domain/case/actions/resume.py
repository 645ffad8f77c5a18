"""resume 恢复: the case is taken up again, by hand or when its wake date comes."""

from domain.case.lifecycle import OfIncident
from domain.case.state import Action, ActionBody, CaseState, Due, Event, Role, State


class Resume(ActionBody):
    """恢复."""


class Resumed(Resume, OfIncident):
    """Resumption; by the wake date if `woke`."""

    woke: bool | None = None

    def evolve(self, case: CaseState, __: Event) -> None:
        case.wake_at = None


def next_due(case: CaseState) -> Due | None:
    """Resumption at the wake date of a suspended case; None without one."""
    if case.wake_at is None:
        return None
    return Due(case.wake_at, ACTION, lambda: Resumed(woke=True), State.IN_PROGRESS)


ACTION = Action(
    name="resume",
    zh="恢复",
    description="Work continues, by hand or when the wake date comes.",
    roles={Role.CREW, Role.AGENT, Role.SYSTEM},
    sources={State.SUSPENDED},
    targets=(State.IN_PROGRESS,),
    example=Resume(note="The caller has bought the valve."),
    data=Resumed,
    notifies=("assignee", "owner"),
    notifies_by_incident=(),
)
