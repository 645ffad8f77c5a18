"""What the company owes by itself (自动补偿), for a promise that it missed or for what it found: approved as money is.

A credit does not change the state of its case: the work goes on while management decides on it.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from domain.case import commands as c
from domain.case.approvals import against, approvers_for, check_reason, reason_of
from domain.case.clocks import Clock
from domain.case.events import Event
from domain.case.intake import SYSTEM, Actor
from domain.case.lifecycle import CANCELLATION, CREDIT, CRITICISE, ESCALATE, NOTICE, Role
from domain.case.state import CREDIT_KIND, CREDIT_WAITS, Decided, Finding, Owed, Record
from domain.catalogue.terms import Approver, Credit
from domain.shared.errors import Refused

_OF_TIME = frozenset({ESCALATE, NOTICE, CRITICISE, CREDIT, CANCELLATION})
"""The events that nothing but time brings, at the instant at which they are noticed; and one that changes nothing."""


class Due(NamedTuple):
    """A credit that is to be raised: when, by which promise, how much, and for which clock or what was found.

    `period` counts from 0.
    """

    at: datetime
    credit: Credit
    why: Clock | Finding
    amount: Decimal
    period: int = 0

    @property
    def reason(self) -> dict[str, Any]:
        """What it is raised for, as the event says it."""
        if isinstance(self.why, Clock):
            return {"clock": self.why.name, "serial": self.why.serial}
        return {"finding": self.why.code, "found": self.why.serial}


def next_credit(record: Record) -> Due | None:
    """The next one that is still to be raised; None where none will be, if nothing changes."""
    owed = (due for credit in record.terms.credits for due in _due_for(record, credit))
    return min(owed, key=lambda due: (due.at, due.why.serial), default=None)


def facts(record: Record, due: Due) -> dict[str, Any]:
    """What the event says. Whose turn it is to approve travels in it, so that it tells by itself who was asked."""
    return {
        "credit": len(record.credits) + 1,
        "name": due.credit.name,
        "name_zh": due.credit.name_zh,
        "amount": str(due.amount),
        "currency": record.terms.currency,
        **due.reason,
        "period": due.period,
        "fell_at": due.at.isoformat(),
        "approvers": [who.model_dump(mode="json") for who in _approvers(record, due.amount)],
        **({"paid_by": due.credit.paid_by} if due.credit.paid_by else {}),
    }


def owe(record: Record, event: Event) -> None:
    """The effect: the credit waits for its approval."""
    data = event.data
    fell_at = datetime.fromisoformat(data["fell_at"])
    owed = Owed(
        serial=data["credit"],
        name=data["name"],
        name_zh=data["name_zh"],
        amount=data["amount"],
        clock=data.get("clock"),
        clock_serial=data.get("serial"),
        finding=data.get("finding"),
        found=data.get("found"),
        period=data["period"],
        fell_at=fell_at,
        # Since it is owed, not since this event: a worker that is late must make the same case. All that was owed
        # before the last act was raised before it; what fell due before it, and is raised after it, is owed since then.
        asked_at=max(fell_at, record.acted_at or fell_at),
        approvers=data["approvers"],
        paid_by=data.get("paid_by"),
    )
    record.credits = (*record.credits, owed)
    _flag(record)


def note_act(record: Record, event: Event) -> None:
    """Note when anything but the passing of time has changed a case that may come to owe a credit."""
    if record.terms.credits and event.action not in _OF_TIME:
        record.acted_at = event.at


def decidable(record: Record, actor: Actor, at: datetime) -> bool:
    """Whether there is one that this person may decide on now."""
    return any(_objection(record, owed, actor, at) is None for owed in record.credits_waiting)


def decision_on(record: Record, body: c.DecideCredit, actor: Actor, at: datetime) -> dict[str, Any]:
    """What the event of the decision says.

    Raises Refused: no such credit waits, it is not for this person, or it is rejected without a reason. Why it is owed
    is known: that is reason enough to approve it.
    """
    owed = next((owed for owed in record.credits_waiting if owed.serial == body.credit), None)
    if owed is None:
        waiting = tuple(str(owed.serial) for owed in record.credits_waiting)
        message = f"No credit {body.credit} of the case {record.number} waits for a decision."
        raise Refused("invalid", "no_such_credit", message, waiting)
    if refused := _objection(record, owed, actor, at):
        raise refused
    check_reason(body, needed=not body.approved)
    final = not body.approved or len(owed.approved_by) + 1 >= len(owed.approvers)
    return {
        "subject": owed.name,
        "amount": str(owed.amount),
        "currency": record.terms.currency,
        "kind": CREDIT_KIND,
        "requested_by": SYSTEM.name,
        "turn": len(owed.approved_by) + 1,
        "final": final,
        **(_to_be_paid(owed) if final and body.approved else {}),
    }


def take_word(record: Record, event: Event) -> None:
    """The effect of a decision: the next one's turn, or the last word, which is kept with what was decided."""
    owed = record.credits[event.data["credit"] - 1]
    approved_by = (*owed.approved_by, event.actor)
    if not event.data["final"]:
        _put(record, owed.model_copy(update={"approved_by": approved_by, "asked_at": event.at}))
        return
    word = {"approved": event.data["approved"], "ground": event.data.get("ground")}
    _put(record, owed.model_copy(update={"approved_by": approved_by, **word}))
    decided = Decided(
        subject=owed.name,
        amount=owed.amount,
        kind=CREDIT_KIND,
        currency=record.terms.currency,
        approved=event.data["approved"],
        reason=reason_of(event),
        requested_by=SYSTEM.name,
        decided_by=approved_by,
        decided_at=event.at,
        cycle=record.cycle,
    )
    record.decisions = (*record.decisions, decided)
    _flag(record)


def _to_be_paid(owed: Owed) -> dict[str, Any]:
    """Who hears of it: the customer it is owed to, and the department that pays, where the catalogue names one."""
    payer = {"department": owed.paid_by} if owed.paid_by else {}
    return {"notify": ["caller", *payer], **payer}


def _restored(record: Record, clock: Clock) -> bool:
    """Whether the department that has the case is done with it, whatever others still do: unless it is sent back."""
    return record.completed and clock.name == "resolve"


def _due_for(record: Record, credit: Credit) -> list[Due]:
    if credit.finding:
        return [due for found in record.findings if (due := _found(record, credit, found))]
    return [due for clock in record.clocks if (due := _due(record, credit, clock))]


def _found(record: Record, credit: Credit, found: Finding) -> Due | None:
    """What is owed for a finding, once, and at once."""
    raised = any(owed.name == credit.name and owed.found == found.serial for owed in record.credits)
    # What was found before the catalogue owed anything for it is not made up for either.
    before = record.catalogue_change is not None and found.serial < record.catalogue_change.seq
    amount = credit.amount_for(record.customer_class)
    if found.code != credit.finding or raised or before or _too_much(record, credit, amount):
        return None
    return Due(found.found_at, credit, found, amount)


def _due(record: Record, credit: Credit, clock: Clock) -> Due | None:
    """The next credit of this promise for this clock, which runs on, late."""
    late = clock.missed_at
    if late is None or clock.name != credit.clock or clock.part or not clock.live or not clock.running_since:
        return None
    if _restored(record, clock):
        return None
    raised = [owed for owed in record.credits if owed.name == credit.name]
    period = sum(owed.clock_serial == clock.serial for owed in raised)
    # What was missed before the catalogue promised anything for it is not made up for.
    if not period and record.catalogue_change and late < record.catalogue_change.at:
        return None
    amount = credit.each_further if period else credit.amount_for(record.customer_class)
    if amount is None or _too_much(record, credit, amount):
        return None
    late_by = period * (credit.every_seconds or 0)
    at = clock.instant_at(clock.budget_seconds + late_by, record.calendar) if period else late
    return Due(at, credit, clock, amount, period) if at else None


def _too_much(record: Record, credit: Credit, amount: Decimal) -> bool:
    """Return True if it exceeds the most of one case. What was rejected as not owed does not count."""
    counted = (owed.amount for owed in record.credits if owed.name == credit.name and _counts(owed))
    return credit.at_most is not None and sum(counted, amount) > credit.at_most


def _counts(owed: Owed) -> bool:
    return owed.approved is not False or owed.ground is not None


def _approvers(record: Record, amount: Decimal) -> tuple[Approver, ...]:
    try:
        return approvers_for(record, amount)
    except Refused:
        # The company owes it, whatever its limits are: the last of them has the last word.
        return record.terms.approvers


def _objection(record: Record, owed: Owed, actor: Actor, at: datetime) -> Refused | None:
    if actor.role is Role.ADMIN:
        return None
    who = owed.turn
    if who is None or who.holder is None:
        return against(actor, owed.approved_by, who, ())
    names = (who.holder, who.deputy) if who.deputy and at >= _lapses(record, owed, who) else (who.holder,)
    return against(actor, owed.approved_by, who, names)


def _lapses(record: Record, owed: Owed, who: Approver) -> datetime:
    """When the deputy may decide as well."""
    clock = Clock(serial=1, name="approve", cycle=1, calendar=who.calendar, budget_seconds=who.budget_seconds)
    lapses = clock.start(owed.asked_at).due_at(record.calendar)
    return lapses or owed.asked_at


def _put(record: Record, owed: Owed) -> None:
    record.credits = tuple(owed if each.serial == owed.serial else each for each in record.credits)


def _flag(record: Record) -> None:
    """Staff find by it the cases in which a credit waits."""
    others = {flag for flag in record.flags if flag != CREDIT_WAITS}
    record.flags = tuple(sorted(others | ({CREDIT_WAITS} if record.credits_waiting else set())))
