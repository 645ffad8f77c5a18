"""reject_return 驳回退单: the return is not accepted, and the same department keeps the case."""

from domain.case.actions.dispatch import hand_to
from domain.case.lifecycle import OfDepartment
from domain.case.state import Action, CaseState, Decision, Event, Reasoned, Role, State


class RejectReturn(Reasoned):
    """驳回退单, with the reason."""

    def decide(self, case: CaseState, *_: object) -> Decision:
        return Decision(ReturnRejected.of(self, department=case.department), State.DISPATCHED)


class ReturnRejected(RejectReturn, OfDepartment):
    """Rejected return, and the department that keeps the case."""

    def evolve(self, case: CaseState, event: Event) -> None:
        if self.department:
            hand_to(case, self.department, event, anew=False)


ACTION = Action(
    name="reject_return",
    zh="驳回退单",
    description="The return is not accepted: the same department keeps the case.",
    roles={Role.DISPATCHER},
    sources={State.PENDING_REDISPATCH},
    targets=(State.DISPATCHED,),
    example=RejectReturn(reason="The joint before the meter is ours."),
    data=ReturnRejected,
    notifies=("department",),
)
