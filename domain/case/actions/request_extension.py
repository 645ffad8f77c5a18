"""request_extension 申请延期: the department asks for more working days."""

from datetime import datetime

from pydantic import Field

from domain.case.lifecycle import AT_WORK
from domain.case.progress import Extension
from domain.case.state import Action, Actor, CaseState, Decision, Event, GuardResult, NotPossible, Reasoned, Role, State
from domain.shared.errors import ProblemType, Refused

EXTENSION_USED = ProblemType("conflict", "extension_used", "Extensions of the cycle used up", "本轮延期次数已用完")
EXTENSION_TOO_LATE = ProblemType(
    "conflict", "extension_too_late", "Request for an extension after its time limit", "已过延期申请时限"
)
EXTENSION_TOO_LONG = ProblemType("invalid", "extension_too_long", "Extension too long", "延期天数超过上限")


class RequestExtension(Reasoned):
    """申请延期: working days asked for, by the calendar of working days also where the clock runs round the clock."""

    working_days: int = Field(ge=1)

    def decide(self, case: CaseState, *_: object) -> Decision:
        days, most = self.working_days, case.terms.process.extension_max_days
        if days > most:
            message = f"An extension (延期) is {most} working days at most; {days} were asked for."
            raise Refused(EXTENSION_TOO_LONG, message, (f"1-{most}",))
        return Decision(RequestExtension.of(self))

    def evolve(self, case: CaseState, event: Event) -> None:
        case.extension = Extension(working_days=self.working_days, requested_by=event.actor, requested_at=event.at)


def guard(case: CaseState, _: Actor, at: datetime) -> GuardResult:
    rules = case.terms.process
    if case.extension is not None:
        return f"it is {case.state}"
    if case.extensions >= rules.extensions_allowed or rules.extension_max_days == 0:
        allowed = f"an extension is granted {rules.extensions_allowed} time(s) in a cycle at most"
        return NotPossible(EXTENSION_USED, allowed)
    clock, days = case.live_clock("resolve"), rules.extension_notice_days
    due = clock.due_at(case.calendar) if clock else None
    if due is None or case.calendar.add(at, days * case.calendar.day_seconds) > due:
        until = f"it is due at {due.isoformat()}" if due else "no clock for it is running"
        ahead = f"an extension is asked for {days} working day(s) ahead of the expiry of resolve"
        return NotPossible(EXTENSION_TOO_LATE, f"{ahead}, of one that runs round the clock as well; {until}")
    return None


ACTION = Action(
    name="request_extension",
    zh="申请延期",
    description="The department asks for more working days.",
    roles={Role.CREW},
    sources=AT_WORK | {State.AWAITING_APPROVAL},
    example=RequestExtension(working_days=3, reason="The fitting must be ordered."),
    problems=(EXTENSION_USED, EXTENSION_TOO_LATE, EXTENSION_TOO_LONG),
    guard=guard,
    notifies=("supervisor",),
)
