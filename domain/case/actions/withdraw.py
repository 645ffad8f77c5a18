"""withdraw 撤销: the caller wishes the case ended."""

from datetime import datetime

from domain.case.lifecycle import OPEN, MayEnd, departments_of
from domain.case.progress import Withdrawal
from domain.case.state import Action, Actor, Addressees, CaseState, Decision, Event, Reasoned, Role, State
from domain.shared.errors import CALL_OF_CALLER, ProblemType, Refused
from domain.shared.value import CallId, omit_default

CALL_NEEDED = ProblemType("forbidden", "call_needed", "Call of the withdrawal needed", "撤销他人工单须填写来电编号")


class Withdraw(Reasoned):
    """撤销, with the reason; an agent who does not own the case names the call in which its caller said so."""

    call_id: CallId | None = omit_default(None, "Id of the call in which the caller said so, in the telephone system.")

    def decide(self, case: CaseState, actor: Actor, at: datetime) -> Decision:
        by_call = needs_call(actor, case.owner)
        if by_call and self.call_id is None:
            message = (
                f"The case {case.number} belongs to {case.owner}, who may withdraw it, as may a supervisor."
                " Another agent names in call_id the call that he or she took from its caller."
            )
            raise Refused(CALL_NEEDED, message, (CALL_OF_CALLER, ("责任人", "its owner"), "supervisor"))
        return Decision(Withdrawn.of(self, reopen_ends_at=case.window_ends_at(at), by_call=by_call), State.WITHDRAWN)


class Withdrawn(Withdraw, MayEnd):
    """Withdrawal, and until when it can be taken back; `by_call` if nothing but the call gives the right to it."""

    by_call: bool = omit_default(default=False)

    def evolve(self, case: CaseState, event: Event) -> None:
        """Keep what the end of the case takes away, with the clocks measured."""
        live = tuple(clock.interrupt(event.at, event.at, case.calendar) for clock in case.clocks if clock.live)
        waited = case.waits_for_incident
        case.withdrawal = Withdrawal.taken_from(case, clocks=live, parts=case.unfinished, waited=waited)

    def notifies(self, case: CaseState, _: Event) -> Addressees:
        return ("department", *departments_of(case.withdrawal.parts if case.withdrawal else ()), "owner")


def needs_call(actor: Actor, owner: str) -> bool:
    """Return True if this person may withdraw a case of that owner only by a call in which its caller said so."""
    return actor.role is Role.AGENT and actor.id != owner


ACTION = Action(
    name="withdraw",
    zh="撤销",
    description="The caller wants the case ended. An agent who does not own it names the call.",
    roles={Role.OWNER, Role.SUPERVISOR, Role.AGENT},
    sources=OPEN,
    targets=(State.WITHDRAWN,),
    example=Withdraw(reason="The caller found the stopcock shut.", call_id="1785729600.118"),
    problems=(CALL_NEEDED,),
    data=Withdrawn,
)
