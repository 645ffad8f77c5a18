"""Approvers of money (报批, 补偿审批): by amount, in turn, never on one's own request."""

from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import Field

from domain.case.lifecycle import Event
from domain.catalogue.terms import USUAL_CURRENCY, Approver, Terms
from domain.kit.event import EventData
from domain.shared.actors import Actor
from domain.shared.errors import ANOTHER_MANAGER, ProblemType, Refused
from domain.shared.value import ZERO, Immutable, Money, Phrase, Text, omit_default

CREDIT_KIND = "credit"
"""The kind of a decision on a credit, in the state of cases and in reports."""
OWN_REQUEST = ProblemType("forbidden", "own_request", "Decision on one's own request", "本人的申请须由其他人审批")
DECIDED_ALREADY = ProblemType(
    "forbidden", "decided_already", "Second decision by the same approver", "同一审批人不能重复审批"
)
NOT_THE_APPROVER = ProblemType("forbidden", "not_the_approver", "Turn of another approver", "现不由您审批")
AMOUNT_TOO_HIGH = ProblemType(
    "invalid", "amount_too_high", "Amount above every approver's limit", "金额超过所有审批人的权限"
)
REASON_NEEDED = ProblemType("invalid", "reason_needed", "Decision without a reason", "涉及金额的审批须说明理由")
APPROVER_REFUSALS = (DECIDED_ALREADY, NOT_THE_APPROVER, REASON_NEEDED)
"""Refusals of every decision that several approvers take in turn."""


class Approvers(Immutable):
    """Approvers who decide in turn, and those who have approved; without approvers, any manager decides alone."""

    approvers: tuple[Approver, ...] = ()
    approved_by: tuple[str, ...] = ()

    @property
    def next_approver(self) -> Approver | None:
        """None if any manager may decide."""
        return self.approvers[len(self.approved_by)] if self.approvers else None

    def is_final(self, *, approved: bool) -> bool:
        """Return True for a rejection, and for the last approval."""
        return not approved or len(self.approved_by) + 1 >= len(self.approvers)

    def forbidden(self, actor: Actor, *, lapsed: bool) -> Refused | None:
        """Refuse all but the holder of the post, and the deputy once the time has lapsed; None if any manager may."""
        who = self.next_approver
        names: tuple[str, ...] = ()
        if who and who.holder:
            names = (who.holder, who.deputy) if who.deputy and lapsed else (who.holder,)
        if actor.id in self.approved_by:
            message = f"{actor.id} has approved it already; the next turn is another person's."
            return Refused(DECIDED_ALREADY, message, names or (ANOTHER_MANAGER,))
        if who and names and actor.id not in names:
            return Refused(NOT_THE_APPROVER, f"It is for {who.post} to decide: {' or '.join(names)}.", names)
        return None

    def approve(self, person: str) -> Self:
        return self.model_copy(update={"approved_by": (*self.approved_by, person)})


class Approval(Approvers):
    """Request to management (报批) that waits for its decision."""

    subject: str
    amount: Money | None = None
    kind: str | None = None
    grounds: str | None = None
    requested_by: str
    requested_at: datetime


class TurnDecided(EventData):
    """Decision of one approver, with what was asked for, so that it can be counted by itself."""

    approved: bool
    reason: Text | None = None
    note: Text | None = None
    subject: str
    amount: Money | None = None
    kind: str | None = None
    currency: str = USUAL_CURRENCY
    requested_by: str
    turn: int = Field(description="1 for the first approver, 2 for the next ...")


class Decided(Immutable):
    """Result of an approval or credit: the amount that the company pays or waives, or did not agree to."""

    subject: str
    amount: Money | None = None
    kind: str | None = None
    grounds: str | None = None
    currency: str = omit_default(USUAL_CURRENCY)
    approved: bool
    reason: str | None = Field(None, description="Reason that the last approver gave.")
    requested_by: str
    decided_by: tuple[str, ...] = Field(description="All approvers who decided; the last decision was final.")
    decided_at: datetime
    cycle: int = 1

    @property
    def of_credit(self) -> bool:
        """True if the company owed it without being asked."""
        return self.kind == CREDIT_KIND


def result(data: TurnDecided, event: Event, approved_by: tuple[str, ...], grounds: str | None = None) -> Decided:
    """Note a final decision; the people of `approved_by` had their turn before."""
    return Decided.taken_from(
        data,
        grounds=grounds,
        reason=data.reason or data.note,
        decided_by=(*approved_by, event.actor),
        decided_at=event.at,
        cycle=event.cycle,
    )


def approvers_for(terms: Terms, amount: Decimal | None, before: Decimal = ZERO) -> tuple[Approver, ...]:
    """List who decides, in turn, on this amount on top of what was approved before; empty without a list.

    Raises Refused if together they are above what the last of them may decide on.
    """
    approvers, currency = terms.approvers, terms.currency
    if not approvers:
        return ()
    last = next((place for place, who in enumerate(approvers) if (amount or 0) + before <= who.up_to), None)
    if last is None:
        most = approvers[-1].up_to
        asked = f"{amount} {currency}" + (f", on top of {before} {currency} approved before," if before else "")
        message = f"{asked} is more than anybody may approve here; the last limit is {most} {currency}."
        raise Refused(AMOUNT_TOO_HIGH, message, (f"0-{max(most - before, ZERO)}",))
    return approvers[: last + 1]


def own_request(actor: Actor, another: Phrase) -> Refused:
    return Refused(OWN_REQUEST, f"{actor.id} made this request and cannot decide on it.", (another,))


def check_reason(reason: str | None, note: str | None) -> None:
    """Raise Refused if a decision has neither a reason nor a note."""
    if not (reason or note):
        raise Refused(REASON_NEEDED, "A decision about money needs a reason or a note.", ("reason", "note"))
