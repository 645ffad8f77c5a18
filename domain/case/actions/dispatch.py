"""dispatch 派单: the case goes to a department; again, before or after it is signed for, to another one (改派)."""

from domain.case.clocks import DEPARTMENT_CLOCKS
from domain.case.lifecycle import AT_WORK, TO_DISPATCH, UNFINISHED, Names, OfDepartment, State, text_of
from domain.case.state import Action, ActionBody, Actor, Addressees, CaseState, Decision, Event, Role, while_incomplete
from domain.shared.codes import DepartmentCode
from domain.shared.errors import ANOTHER_DEPARTMENT, WRONG_ROLE, ProblemType, Refused
from domain.shared.value import Name, Phrase

SAME_DEPARTMENT = ProblemType("invalid", "same_department", "Department and assignee unchanged", "部门和经办人均未变更")

REDIRECT: Phrase = ("改派", "redirect")


class Dispatch(ActionBody):
    """派单 to a department of the catalogue, to a person there if known; again, 改派, to another department."""

    department: DepartmentCode
    assignee: Name | None = None

    def decide(self, case: CaseState, *_: object) -> Decision:
        if case.state not in AT_WORK or case.department is None:
            return Decision(Dispatched.of(self), State.DISPATCHED)
        if self.department != case.department:
            names = Names.taken_from(case.terms.unit(case.department))
            redirected = Dispatched.of(self, previous_department=case.department, previous_unit=names)
            return Decision(redirected, State.DISPATCHED)
        if case.state is State.IN_PROGRESS:
            accepted = (
                ANOTHER_DEPARTMENT,
                ("用 assign（指派）换经办人", "assign, to give it to another person"),
            )
            raise Refused(SAME_DEPARTMENT, f"{self.department} has signed for the case {case.number}.", accepted)
        if self.assignee == case.assignee:
            whom = f"{self.department} for {self.assignee}" if self.assignee else self.department
            accepted = (ANOTHER_DEPARTMENT, ("其他经办人", "another assignee"))
            raise Refused(SAME_DEPARTMENT, f"The case {case.number} is with {whom} already.", accepted)
        return Decision(Dispatched.of(self), State.DISPATCHED)


class Dispatched(Dispatch, OfDepartment):
    """Dispatch; a redirect (改派) names the department that the case leaves."""

    previous_department: str | None = None
    previous_unit: Names | None = None

    def evolve(self, case: CaseState, event: Event) -> None:
        """Hand the case to the department; another assignee there gets no new time to return it."""
        moves = self.department != case.department or event.from_state is not State.DISPATCHED
        hand_to(case, self.department, event, self.assignee, anew=moves)

    def done(self, event: Event) -> Phrase | None:
        return REDIRECT if self.previous_department or event.from_state is State.PENDING_REDISPATCH else None

    def text(self, number: str, event: Event) -> tuple[str, str] | None:
        left = self.previous_unit
        if left is None:
            return None
        return text_of(number, event, f"改派，不再由{left.name_zh}处理", f"redirected from {left.name}")

    def notifies(self, _: CaseState, __: Event) -> Addressees:
        left = self.previous_department
        return ("department", f"department:{left}") if left else ("department",)


def guard(case: CaseState, *_: object) -> str | None:
    return while_incomplete(case) if case.state is State.IN_PROGRESS else None


def forbidden(case: CaseState, actor: Actor) -> Refused | None:
    if case.state is not State.IN_PROGRESS or actor.role is not Role.AGENT:
        return None
    message = f"{case.department} has signed for the case; a dispatcher or a supervisor redirects it (改派)."
    return Refused(WRONG_ROLE, message, ("dispatcher", "supervisor"))


def hand_to(case: CaseState, department: str, event: Event, assignee: str | None = None, *, anew: bool = True) -> None:
    """Hand the case to a department, whose clocks start anew if another had it.

    `anew`: the time in which it may be returned begins anew as well.
    """
    if anew:
        case.handed, case.dispatched_at = case.hands, event.at
    if case.department and department != case.department:
        case.handed = (*case.handed, event.at)
        case.arrived_at, case.signed_before = None, False
        case.extension = None
        case.cancel_clocks(event.at, DEPARTMENT_CLOCKS)
        case.open_clocks(DEPARTMENT_CLOCKS)
        case.start_clocks(event.at, "registration")  # only the clocks of the new department do not run yet
    if (part := case.part_of(department)) and part.state in UNFINISHED:
        case.release(part, event.at)
    case.department = department
    case.completed = False
    case.assignee = assignee
    case.start_clocks(event.at, "dispatch")
    case.resume_department(event.at)


ACTION = Action(
    name="dispatch",
    zh="派单",
    description="The case goes to a department. Again, it goes to another one (改派), also after the signature.",
    roles={Role.AGENT, Role.DISPATCHER, Role.SUPERVISOR},
    sources=TO_DISPATCH | AT_WORK,
    targets=(State.DISPATCHED,),
    example=Dispatch(department="repair", note="The caller is still on the line."),
    problems=(SAME_DEPARTMENT,),
    data=Dispatched,
    guard=guard,
    forbidden=forbidden,
)
