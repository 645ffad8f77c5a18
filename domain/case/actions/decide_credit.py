"""decide_credit 补偿审批: management approves or rejects, in turn, a credit that the company owes."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from domain.case.approvers import APPROVER_REFUSALS, CREDIT_KIND, TurnDecided, check_reason, result
from domain.case.clocks import APPROVE
from domain.case.lifecycle import OfDepartment, State
from domain.case.progress import LIMIT_REACHED, Owed
from domain.case.state import Action, ActionBody, Actor, Addressees, CaseState, Decision, Event, NotPossible, Role
from domain.shared.actors import SYSTEM
from domain.shared.codes import Code
from domain.shared.errors import OUT_OF_TURN, ProblemType, Refused
from domain.shared.value import Text, omit_default

NO_SUCH_CREDIT = ProblemType("invalid", "no_such_credit", "Credit not waiting for a decision", "没有这笔待审批的补偿")
UNKNOWN_GROUND = ProblemType("invalid", "unknown_ground", "Unknown ground of a rejection", "没有这个不予补偿的理由")


class DecideCredit(ActionBody):
    """补偿审批: one of the credits that the company owes, by its serial; a rejection with its reason, or a note."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "properties": {"approved": {"const": True}, "ground": {"type": "string"}},
                "required": ["approved", "ground"],
            }
        }
    )

    credit: Annotated[int, Field(ge=1)]
    approved: bool
    reason: Text | None = None
    ground: Code | None = omit_default(
        None,
        f"Of a rejection: `{LIMIT_REACHED}` (it is owed, and the account has had the most of its time), or the code of"
        " an exemption (免责情形) of the catalogue; none: nothing is owed.",
    )

    @model_validator(mode="after")
    def _ground_of_a_rejection(self) -> Self:
        if self.approved and self.ground:
            raise PydanticCustomError("ground_of_approval", "A ground is of a rejection; leave it out of an approval")
        return self

    def check(self, case: CaseState) -> None:
        accepted = (LIMIT_REACHED, *(each.code for each in case.terms.exemptions))
        if self.ground and self.ground not in accepted:
            message = f"There is no ground {self.ground!r}; accepted: {', '.join(accepted)}."
            raise Refused(UNKNOWN_GROUND, message, accepted)

    def decide(self, case: CaseState, actor: Actor, at: datetime) -> Decision:
        waiting = {owed.serial: owed for owed in case.undecided_credits}
        owed = waiting.get(self.credit)
        if owed is None:
            message = f"No credit {self.credit} of the case {case.number} waits for a decision."
            raise Refused(NO_SUCH_CREDIT, message, tuple(map(str, waiting)))
        if refused := _objection(case, owed, actor, at):
            raise refused
        if not self.approved:  # why it is owed is known, which is reason enough to approve it
            check_reason(self.reason, self.note)
        final = owed.is_final(approved=self.approved)
        payer = owed.paid_by if final and self.approved else None
        notified = ("caller", "department") if payer else ("caller",)
        decided = CreditDecided.of(
            self,
            subject=owed.name,
            amount=owed.amount,
            currency=case.terms.currency,
            kind=CREDIT_KIND,
            requested_by=SYSTEM.id,
            turn=len(owed.approved_by) + 1,
            final=final,
            notify=notified if final and self.approved else (),
            department=payer,
        )
        return Decision(decided)


class CreditDecided(TurnDecided, DecideCredit, OfDepartment):
    """Decision of one approver, with the credit; a final approval names those who pay, and those who are notified."""

    final: bool
    notify: tuple[str, ...] = omit_default(())

    def evolve(self, case: CaseState, event: Event) -> None:
        before = case.credits[self.credit - 1]
        changes = {"approved": self.approved, "ground": self.ground} if self.final else {"asked_at": event.at}
        case.put_credit(before.approve(event.actor).model_copy(update=changes))
        if self.final:
            case.decisions += (result(self, event, before.approved_by),)

    def text(self, number: str, _: Event) -> tuple[str, str]:
        owed = f"{self.amount} {self.currency}"
        if not self.final:
            return f"工单{number}：应补偿{owed}，待审批", f"Case {number}: a credit of {owed} waits for approval"
        if self.approved:
            return (
                f"工单{number}：补偿{owed}已批准，将予支付",
                f"Case {number}: a credit of {owed} is approved, to be paid",
            )
        return f"工单{number}：补偿{owed}未获批准", f"Case {number}: a credit of {owed} is rejected"

    def notifies(self, _: CaseState, __: Event) -> Addressees:
        return ("owner", *self.notify) if self.final else ("manager",)


def guard(case: CaseState, *_: object) -> NotPossible | None:
    """Refuse if no credit waits. It is decided on however long the case has been closed."""
    return None if case.undecided_credits else NotPossible(OUT_OF_TURN, "no credit of it waits for a decision")


def offers(case: CaseState, actor: Actor, at: datetime) -> bool:
    return any(_objection(case, owed, actor, at) is None for owed in case.undecided_credits)


def _objection(case: CaseState, owed: Owed, actor: Actor, at: datetime) -> Refused | None:
    """None for who may decide: the approver, the deputy once the time has lapsed, and the administrator."""
    if actor.role is Role.ADMIN:
        return None
    lapses_at = None
    if who := owed.next_approver:
        lapses_at = case.new_clock(APPROVE, who, serial=1).start(owed.asked_at).due_at(case.calendar)
    return owed.forbidden(actor, lapsed=at >= (lapses_at or owed.asked_at))


ACTION = Action(
    name="decide_credit",
    zh="补偿审批",
    description="Management approves or rejects, in turn, a credit that the company owes.",
    roles={Role.MANAGER},
    sources=frozenset(State),
    example=DecideCredit(credit=1, approved=True, reason="The supply was late."),
    problems=(NO_SUCH_CREDIT, UNKNOWN_GROUND, *APPROVER_REFUSALS),
    data=CreditDecided,
    guard=guard,
    offers=offers,
)
