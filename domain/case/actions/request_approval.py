"""request_approval 报批: management is asked before the company pays or waives."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from domain.case.approvers import AMOUNT_TOO_HIGH, Approval, approvers_for
from domain.case.clocks import APPROVE
from domain.case.state import Action, ActionBody, CaseState, Decision, Event, Role, State
from domain.catalogue.terms import Approver
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import ZERO, Money, Text, omit_default

REQUEST_INCOMPLETE = ProblemType("invalid", "request_incomplete", "Amount or grounds missing", "报批缺少金额或依据")


class RequestApproval(ActionBody):
    """报批: what for, how much, of which kind (公司出资维修, 减免, 结清欠费), and on which grounds.

    The amount is in the currency of the catalogue. With a kind, `amount` and `grounds` are needed.
    """

    subject: Text
    amount: Money | None = None
    kind: Literal["funded_repair", "waiver", "settlement"] | None = None
    grounds: Text | None = None

    def decide(self, case: CaseState, *_: object) -> Decision:
        """Find those who decide on the amount, on top of what was approved before: parts of a sum count as the sum."""
        missing = tuple(name for name in ("amount", "grounds") if getattr(self, name) is None)
        if self.kind and missing:
            message = f"A request of the kind {self.kind} says how much and why; it lacks {' and '.join(missing)}."
            raise Refused(REQUEST_INCOMPLETE, message, missing)
        before = _approved_before(case)
        approvers = approvers_for(case.terms, self.amount, before)
        requested = ApprovalRequested.of(self, approvers=approvers, approved_before=before)
        return Decision(requested, State.AWAITING_APPROVAL)


class ApprovalRequested(RequestApproval):
    """Request, with those who decide on it, and what was approved on the case before: it tells why so many."""

    approvers: tuple[Approver, ...] = omit_default(())
    approved_before: Money = omit_default(ZERO)

    def evolve(self, case: CaseState, event: Event) -> None:
        case.approval = Approval.taken_from(self, requested_by=event.actor, requested_at=event.at)
        open_turn(case, event.at)


def open_turn(case: CaseState, at: datetime) -> None:
    who = case.approval.next_approver if case.approval else None
    if who is None:
        return
    case.clocks = (*case.clocks, case.new_clock(APPROVE, who, len(case.clocks) + 1).start(at))


def _approved_before(case: CaseState) -> Decimal:
    """In the currency of the case. A credit is owed anyway, and does not count."""
    counted = (
        decided.amount or ZERO
        for decided in case.decisions
        if decided.approved and not decided.of_credit and decided.currency == case.terms.currency
    )
    return sum(counted, ZERO)


ACTION = Action(
    name="request_approval",
    zh="报批",
    description="Management is asked before the company pays or waives.",
    roles={Role.CREW, Role.AGENT},
    sources={State.IN_PROGRESS},
    targets=(State.AWAITING_APPROVAL,),
    example=RequestApproval(
        subject="Replace the indoor pipes at the company's cost",
        amount=Decimal("860.00"),
        kind="funded_repair",
        grounds="She lives on public relief. 低保户，独居。",
    ),
    problems=(AMOUNT_TOO_HIGH, REQUEST_INCOMPLETE),
    data=ApprovalRequested,
    notifies=("manager",),
    shared_with_parts=True,
)
