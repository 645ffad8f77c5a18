"""Who decides on money (报批): by amount, in turn, never on one's own request."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.case import commands as c
from domain.case.clocks import APPROVE, Clock
from domain.case.events import Event
from domain.case.intake import Actor
from domain.case.ledger import change
from domain.case.lifecycle import Role
from domain.case.state import Approval, Decided, Record
from domain.catalogue.terms import Approver, usual
from domain.shared.errors import Refused
from domain.shared.money import ZERO


def check_request(body: c.RequestApproval) -> None:
    """Raise Refused where money of a kind is asked for, and not how much or why."""
    asked = {
        "amount": (body.amount, 'amount: a decimal text, as "860.00"'),
        "grounds": (body.grounds, "grounds: why it should be so"),
    }
    missing = {name: accepted for name, (value, accepted) in asked.items() if value is None}
    if body.kind and missing:
        message = f"A request of the kind {body.kind} says how much and why; it lacks {' and '.join(missing)}."
        raise Refused("invalid", "request_incomplete", message, tuple(missing.values()))


def check_reason(body: c.DecideApproval | c.DecideCredit, *, needed: bool) -> None:
    """Raise Refused where a decision needs a reason and has none; a note will do for one."""
    if needed and not (body.reason or body.note):
        message = "The decision is one in writing: it says why the money is, or is not, paid or waived."
        raise Refused("invalid", "reason_needed", message, ("reason: why it is decided so",))


def approved_before(record: Record) -> Decimal:
    """What was approved on this case before, in its currency: parts of a sum are decided on as the sum.

    A credit is owed in any case, and uses up nobody's limit.
    """
    counted = (
        decided.amount or ZERO
        for decided in record.decisions
        if decided.approved and not decided.of_credit and decided.currency == record.terms.currency
    )
    return sum(counted, ZERO)


def approvers_for(record: Record, amount: Decimal | None, before: Decimal = ZERO) -> tuple[Approver, ...]:
    """Who decides on this amount on top of what was approved before, in turn; nobody in particular without a list.

    Raises Refused: together they are above what the last of them may decide on.
    """
    approvers, currency = record.terms.approvers, record.terms.currency
    if not approvers:
        return ()
    last = next((place for place, who in enumerate(approvers) if (amount or 0) + before <= who.up_to), None)
    if last is None:
        most = approvers[-1].up_to
        on_top = f", on top of {before} {currency} approved before," if before else ""
        message = (
            f"{amount} {currency}{on_top} is more than anybody may approve here; the last limit is {most} {currency}."
        )
        raise Refused("invalid", "amount_too_high", message, (f"an amount up to {max(most - before, ZERO)}",))
    return approvers[: last + 1]


def objection(record: Record, actor: Actor) -> Refused | None:
    """Why this person may not decide on the approval that is asked for; None where nothing is against it.

    The administrator may act in every role, for emergencies; the record says that it was the administrator.
    """
    approval = record.approval
    if approval is None or actor.role is Role.ADMIN:
        return None
    if actor.name == approval.requested_by:
        return own_request(actor, "manager")
    return against(actor, approval.approved_by, _turn(record), _names(record))


def objection_to_extension(record: Record, actor: Actor) -> Refused | None:
    """The same for the extension (延期) that is asked for."""
    asked = record.extension
    mine = asked and asked.requested_by == actor.name and actor.role is not Role.ADMIN
    return own_request(actor, "supervisor") if mine else None


def own_request(actor: Actor, another: str) -> Refused:
    """What whoever asked is told when he decides as well."""
    message = f"{actor.name} has asked for it; whoever decides on it is another person."
    return Refused("forbidden", "own_request", message, (f"another {another}",))


def against(actor: Actor, approved_by: tuple[str, ...], who: Approver | None, named: tuple[str, ...]) -> Refused | None:
    """Why it is not this person's turn, where these have approved and those, if any, are named for it."""
    if actor.name in approved_by:
        message = f"{actor.name} has approved it already; the next turn is another person's."
        return Refused("forbidden", "decided_already", message, named or ("another manager",))
    if named and actor.name not in named:
        message = f"It is for {who.post if who else 'another'} to decide: {' or '.join(named)}."
        return Refused("forbidden", "not_the_approver", message, named)
    return None


def _turn(record: Record) -> Approver | None:
    return record.approval.turn if record.approval else None


def _names(record: Record) -> tuple[str, ...]:
    """Those who may decide now, where they are named: the holder of the post, and the deputy after a lapse."""
    who = _turn(record)
    if who is None or who.holder is None:
        return ()
    return (who.holder, who.deputy) if who.deputy and _lapsed(record) else (who.holder,)


def _lapsed(record: Record) -> bool:
    return any(clock.name == APPROVE and clock.live and clock.missed_at for clock in record.clocks)


def final(approval: Approval, *, approved: bool) -> bool:
    """Whether this word ends the matter: a rejection does, and the last approval."""
    return not approved or len(approval.approved_by) + 1 >= len(approval.approvers)


def noted(approval: Approval, currency: str) -> dict[str, Any]:
    """What the event of a decision says of its request, so that it can be counted by itself."""
    facts = approval.model_dump(mode="json", include={"subject", "amount", "kind", "requested_by"}, exclude_none=True)
    # The usual currency goes without saying.
    money = {} if usual(currency) else {"currency": currency}
    return {**facts, **money, "turn": len(approval.approved_by) + 1}


def ask(record: Record, event: Event) -> None:
    """The request is on record, and the first approver's clock runs."""
    record.approval = Approval(
        subject=event.data["subject"],
        amount=event.data.get("amount"),
        kind=event.data.get("kind"),
        grounds=event.data.get("grounds"),
        requested_by=event.actor,
        requested_at=event.at,
        approvers=event.data.get("approvers", ()),
    )
    _open_turn(record, event.at)


def take(record: Record, event: Event) -> bool:
    """One approver's word is on record; answer whether it was the last one needed."""
    approval = record.approval
    if approval is None:
        return True
    change(record, lambda clock: clock.stop(event.at, record.calendar), [APPROVE])
    approved = bool(event.data["approved"])
    if not final(approval, approved=approved):
        record.approval = approval.model_copy(update={"approved_by": (*approval.approved_by, event.actor)})
        _open_turn(record, event.at)
        return False
    record.approval = None
    decided = Decided(
        subject=approval.subject,
        amount=approval.amount,
        kind=approval.kind,
        grounds=approval.grounds,
        currency=record.terms.currency,
        approved=approved,
        reason=reason_of(event),
        requested_by=approval.requested_by,
        decided_by=(*approval.approved_by, event.actor),
        decided_at=event.at,
        cycle=record.cycle,
    )
    record.decisions = (*record.decisions, decided)
    return True


def reason_of(event: Event) -> str | None:
    """Why it was decided so; a note says it where no reason is given."""
    return event.data.get("reason") or event.data.get("note")


def _open_turn(record: Record, at: datetime) -> None:
    who = _turn(record)
    if who is None:
        return
    clock = Clock(
        serial=len(record.clocks) + 1,
        name=APPROVE,
        cycle=record.cycle,
        calendar=who.calendar,
        budget_seconds=who.budget_seconds,
        version=record.version,
    )
    record.clocks = (*record.clocks, clock.start(at))
