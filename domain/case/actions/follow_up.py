"""follow_up 回访: the caller is asked how it went."""

from datetime import datetime
from typing import Literal

from domain.case.actions.dispatch import hand_to
from domain.case.actions.register import open_cycle
from domain.case.actions.supervise import supervise
from domain.case.closing import reopen_ends_at
from domain.case.events import Event, MayClose, OfDepartment
from domain.case.kind import Action, Decision
from domain.case.lifecycle import State
from domain.case.progress import Answer
from domain.case.state import CaseState
from domain.shared.actors import Actor, Role
from domain.shared.event import ActionBody, Addressees


class FollowUp(ActionBody):
    """回访: how it went."""

    outcome: Literal["satisfied", "dissatisfied", "unreachable"]


class FollowedUp(FollowUp, MayClose, OfDepartment):
    """Follow-up, its number within the cycle, and the department that does the rework."""

    attempt: int


def decide(case: CaseState, body: FollowUp, _: Actor, at: datetime) -> Decision:
    """Close if satisfied, open the next cycle if not, and try again if the caller was not reached."""
    attempt = case.follow_up_attempts + 1
    if body.outcome == "dissatisfied":
        rework = FollowedUp.of(body, attempt=attempt, department=department_for_rework(case))
        return Decision(rework, State.DISPATCHED, case.cycle + 1)
    if body.outcome == "unreachable" and attempt < case.terms.process.follow_up_attempts:
        return Decision(FollowedUp.of(body, attempt=attempt), State.PENDING_FOLLOW_UP)
    closed = FollowedUp.of(body, attempt=attempt, reopen_ends_at=reopen_ends_at(case, at))
    return Decision(closed, State.CLOSED)


def department_for_rework(case: CaseState) -> str:
    """Return the department that had the case, or the service's own."""
    return case.department or case.terms.department


def evolve(case: CaseState, data: FollowedUp, event: Event) -> None:
    """Keep the promise to follow up, and start what comes next."""
    case.follow_up_attempts = data.attempt
    case.stop_clocks(event.at, "follow_up")
    case.answer = Answer(outcome=data.outcome, note=data.note, answered_at=event.at)
    if data.outcome != "unreachable":
        case.answered_cycles += (case.cycle,)
    if event.to_state is State.PENDING_FOLLOW_UP:
        case.open_clocks(["follow_up"])
        case.start_clocks(event.at, "reply")
    elif event.to_state is State.DISPATCHED:
        case.dissatisfactions += 1
        case.add_flags("reworked")
        if case.dissatisfactions >= case.terms.process.supervise_after:
            supervise(case, data, event)
        begin_rework(case, data.department, event)
    elif data.outcome == "unreachable":
        case.add_flags("unreachable")


def begin_rework(case: CaseState, department: str | None, event: Event) -> None:
    """Open the next cycle (重办), with the department at once; the clocks of the last one are cancelled."""
    case.cancel_clocks(event.at, None)
    open_cycle(case, event)
    case.dispatched_at = event.at
    hand_to(case, department or department_for_rework(case), event)


def notifies(case: CaseState, _: FollowedUp, event: Event) -> Addressees:
    """Tell the owner; of rework, the department as well, and the supervisor if the case is supervised."""
    if event.to_state is not State.DISPATCHED:
        return ("owner",)
    return ("owner", "department", *(("supervisor",) if "supervised" in case.flags else ()))


ACTION = Action(
    name="follow_up",
    zh="回访",
    description="Satisfied closes, dissatisfied opens the next cycle, unreachable is tried again.",
    roles={Role.FOLLOW_UP, Role.CALLER},
    sources={State.PENDING_FOLLOW_UP},
    targets=(State.CLOSED, State.DISPATCHED, State.PENDING_FOLLOW_UP),
    body=FollowUp,
    example=FollowUp(outcome="satisfied", note="Thanks the crew."),
    data=FollowedUp,
    decide=decide,
    evolve=evolve,
    notifies=notifies,
)
