"""involve 协办: a further department gets a part of the case, with clocks of its own."""

from domain.case.lifecycle import AT_WORK, NO_SUCH_PART, PART_AT_WORK, UNFINISHED, OfDepartment, Part, PartState
from domain.case.state import Action, ActionBody, CaseState, Decision, Event, Role
from domain.catalogue.terms import ClockName
from domain.shared.codes import DepartmentCode
from domain.shared.errors import ANOTHER_DEPARTMENT, ProblemType, Refused
from domain.shared.value import Text

ALREADY_INVOLVED = ProblemType(
    "invalid", "already_involved", "Department already at work on the case", "该部门已在处理此工单"
)
PART_CLOCKS: tuple[ClockName, ...] = ("acknowledge", "resolve")
"""Promises of a further department: the times that the service promises, counted from its involvement."""


class Involve(ActionBody):
    """协办: what a further department is to do; in the place of another, where one is named."""

    department: DepartmentCode
    task: Text
    takes_over: DepartmentCode | None = None

    def decide(self, case: CaseState, *_: object) -> Decision:
        if self.department == case.department:
            raise Refused(ALREADY_INVOLVED, f"{self.department} has the case itself.", (ANOTHER_DEPARTMENT,))
        there = case.part_of(self.department)
        if there and there.state in PART_AT_WORK:
            accepted = (ANOTHER_DEPARTMENT, ("备注", "a comment"))
            raise Refused(ALREADY_INVOLVED, f"{self.department} has an open part already: {there.task}", accepted)
        if self.takes_over is not None and not _replaced(case, self.department, self.takes_over):
            message = f"{self.takes_over} has no open part in the case {case.number} that could be taken over."
            raise Refused(
                NO_SUCH_PART, message, (*(part.department for part in case.unfinished), ("不接手", "no takeover"))
            )
        return Decision(Involved.of(self, part=len(case.parts) + 1))


class Involved(Involve, OfDepartment):
    """Task of a further department, and the serial of its part."""

    part: int

    def evolve(self, case: CaseState, event: Event) -> None:
        # A part that the department itself has returned is replaced as well: the reply would wait for it for ever.
        for takes_over in (self.takes_over, None):
            if before := _replaced(case, self.department, takes_over):
                case.release(before, event.at)
        part = Part.taken_from(self, serial=self.part, cycle=case.cycle, involved_at=event.at, version=case.version)
        case.parts = (*case.parts, part)
        case.open_clocks(PART_CLOCKS, part.serial)
        case.change_clocks(lambda clock: clock.start(event.at), part=part.serial)


def _replaced(case: CaseState, department: str, takes_over: str | None) -> Part | None:
    """Part that a new one replaces: the one named, or what the same department has returned."""
    part = case.part_of(takes_over or department)
    if part is None or part.state not in UNFINISHED:
        return None
    return part if takes_over or part.state is PartState.RETURNED else None


ACTION = Action(
    name="involve",
    zh="协办",
    description="A further department gets a part, with its own clocks.",
    roles={Role.DISPATCHER, Role.OWNER},
    sources=AT_WORK,
    example=Involve(department="customer_service", task="Find out what is owed, and why."),
    problems=(ALREADY_INVOLVED, NO_SUCH_PART),
    data=Involved,
    notifies=("department",),
)
