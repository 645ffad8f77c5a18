"""reopen 重开: the trouble is back within the window, and the next cycle begins."""

from domain.case.actions.follow_up import begin_rework, department_for_rework
from domain.case.lifecycle import OfDepartment
from domain.case.state import Action, CaseState, Decision, Event, Reasoned, Role, State, while_active


class Reopen(Reasoned):
    """重开, with the reason."""

    def decide(self, case: CaseState, *_: object) -> Decision:
        return Decision(Reopened.of(self, department=department_for_rework(case)), State.DISPATCHED, case.cycle + 1)


class Reopened(Reopen, OfDepartment):
    """Reopening, and the department that does the rework."""

    def evolve(self, case: CaseState, event: Event) -> None:
        begin_rework(case, self.department, event)


ACTION = Action(
    name="reopen",
    zh="重开",
    description="The trouble is back, within the window: the next cycle begins.",
    roles={Role.AGENT, Role.CALLER},
    sources={State.CLOSED},
    targets=(State.DISPATCHED,),
    example=Reopen(reason="It drips again at the same place."),
    data=Reopened,
    guard=while_active,
    flags=("reopened",),
    notifies=("department", "owner"),
)
