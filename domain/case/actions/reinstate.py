"""reinstate 撤回撤销: the withdrawal was a mistake, and the case goes on as it was before it."""

from domain.case.lifecycle import OPEN, State, departments_of
from domain.case.new_terms import apply_present_terms
from domain.case.progress import Urging
from domain.case.state import Action, Addressees, CaseState, Decision, Event, NotPossible, Reasoned, Role, while_active


class Reinstate(Reasoned):
    """撤回撤销, with the reason."""

    def decide(self, case: CaseState, *_: object) -> Decision | NotPossible:
        if case.withdrawal is None:
            return ACTION.out_of_turn(f"it is {case.state}")
        return Decision(ACTION.data.of(self), case.withdrawal.state)

    def evolve(self, case: CaseState, event: Event) -> None:
        """Bring back what the withdrawal ended; the time since then does not count.

        The case is out of an incident that it waited for: the department works on it, unless it is linked again.
        """
        before, withdrawn_at = case.withdrawal, case.closed_at
        if before is None or withdrawn_at is None:
            return
        away = (withdrawn_at, event.at)
        resumed = (clock.interrupt(*away, case.calendar) for clock in before.clocks)
        kept = {clock.serial: clock.model_copy(update={"version": case.version}) for clock in resumed}
        case.clocks = tuple(kept.get(clock.serial, clock) for clock in case.clocks)
        for part in before.parts:
            case.put_part(part)
        case.approval, case.extension, case.follow_up_since = before.approval, before.extension, before.follow_up_since
        case.wake_at = before.wake_at and max(before.wake_at, event.at)
        if before.urging and before.urging.countdown:
            countdown = before.urging.countdown.interrupt(*away, case.calendar)
            case.urging = Urging.taken_from(before.urging, countdown=countdown)
        case.away = (*case.away, away)
        if before.waited:
            case.incident = case.settled = None
        case.withdrawal = case.closed_at = case.reopen_ends_at = None
        case.state = before.state
        case.note_standstill(event.at)
        case.resume_department(event.at)
        apply_present_terms(case, withdrawn_at)

    def notifies(self, case: CaseState, event: Event) -> Addressees:
        first = "department" if case.department else "dispatcher"
        approver = ("approver",) if event.to_state is State.AWAITING_APPROVAL else ()
        return (first, *departments_of(case.unfinished), "owner", *approver)


ACTION = Action(
    name="reinstate",
    zh="撤回撤销",
    description="The withdrawal is taken back, within the window; the time since then does not count.",
    roles={Role.OWNER, Role.SUPERVISOR},
    sources={State.WITHDRAWN},
    targets=tuple(state for state in State if state in OPEN),
    example=Reinstate(reason="Another case of the caller was meant."),
    guard=while_active,
)
