"""credit 自动补偿: what the company owes for a missed promise, or for a finding; approved as money is.

A credit does not change the state of its case: the work goes on while management decides on it.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from domain.case.approvers import approvers_for
from domain.case.clocks import Clock
from domain.case.progress import LIMIT_REACHED, Finding, Owed
from domain.case.state import CaseState, Due, Event, EventData, EventKind
from domain.catalogue.terms import Approver, Credit
from domain.shared.errors import Refused
from domain.shared.value import Money, omit_default


class Credited(EventData):
    """Credit that is owed, and those who decide on it, in turn, so that the event tells by itself who was asked."""

    credit: int
    name: str
    name_zh: str
    amount: Money
    currency: str
    clock: str | None = None
    serial: int | None = None
    finding: str | None = None
    found: int | None = None
    period: int
    fell_at: datetime
    approvers: tuple[Approver, ...]
    paid_by: str | None = omit_default(None)
    note: str | None = omit_default(None)

    def evolve(self, case: CaseState, _: Event) -> None:
        owed = Owed.taken_from(
            self,
            serial=self.credit,
            clock_serial=self.serial,
            # Trap: since it is owed, not since this event. A worker that is late must make the same case. All that was
            # owed before the last act was raised before it; what fell due before it, and is raised after it, is owed
            # since then.
            asked_at=max(self.fell_at, case.acted_at or self.fell_at),
        )
        case.put_credit(owed)

    def text(self, number: str, _: Event) -> tuple[str, str]:
        owed = f"{self.amount} {self.currency}"
        return f"工单{number}：应补偿{owed}，待审批", f"Case {number}: a credit of {owed} waits for approval"


class _Owed(NamedTuple):
    """Credit to be raised: since when, the serial of the clock or finding that it is owed for, and its data."""

    at: datetime
    serial: int
    data: Callable[[], Credited]


def next_due(case: CaseState) -> Due | None:
    """Next credit that is still to be raised; None if none will be, if nothing changes."""
    owed: list[_Owed | None] = []
    for credit in case.terms.credits:
        if credit.finding:
            owed += [_for_finding(case, credit, finding) for finding in case.findings]
        else:
            owed += [_for_clock(case, credit, clock) for clock in case.clocks]
    first = min(filter(None, owed), key=lambda each: (each.at, each.serial), default=None)
    return Due(first.at, KIND, first.data) if first else None


def _credited(
    case: CaseState, credit: Credit, amount: Decimal, at: datetime, period: int, cause: dict[str, Any]
) -> Credited:
    try:
        approvers = approvers_for(case.terms, amount)
    except Refused:
        # The company owes it, whatever its limits are: the last of them decides last.
        approvers = case.terms.approvers
    return Credited(
        credit=len(case.credits) + 1,
        name=credit.name,
        name_zh=credit.name_zh,
        amount=amount,
        currency=case.terms.currency,
        period=period,
        fell_at=at,
        approvers=approvers,
        paid_by=credit.paid_by or None,
        note=credit.note or None,
        **cause,
    )


def _for_finding(case: CaseState, credit: Credit, finding: Finding) -> _Owed | None:
    raised = any(owed.name == credit.name and owed.found == finding.serial for owed in case.credits)
    # What was found before the terms owed anything for it is not made up for either.
    before = case.later_terms is not None and finding.serial < case.later_terms.seq
    amount = credit.amount_for(case.customer_class)
    if finding.code != credit.finding or raised or before or amount is None or _exceeds(case, credit, amount):
        return None
    cause = {"finding": finding.code, "found": finding.serial}
    return _Owed(finding.found_at, finding.serial, partial(_credited, case, credit, amount, finding.found_at, 0, cause))


def _for_clock(case: CaseState, credit: Credit, clock: Clock) -> _Owed | None:
    late = clock.missed_at
    if late is None or clock.name != credit.clock or clock.part or not clock.live or not clock.running_since:
        return None
    # The department is done with it, whatever others still do: unless it is sent back.
    if case.completed and clock.name == "resolve":
        return None
    raised = [owed for owed in case.credits if owed.name == credit.name]
    period = sum(owed.clock_serial == clock.serial for owed in raised)
    # What was missed before the terms promised anything for it is not made up for.
    if not period and case.later_terms and late < case.later_terms.at:
        return None
    amount = credit.each_further if period else credit.amount_for(case.customer_class)
    if amount is None or _exceeds(case, credit, amount):
        return None
    late_by = period * (credit.every_seconds or 0)
    at = clock.instant_at(clock.budget_seconds + late_by, case.calendar) if period else late
    if at is None:
        return None
    cause = {"clock": clock.name, "serial": clock.serial}
    return _Owed(at, clock.serial, partial(_credited, case, credit, amount, at, period, cause))


def _exceeds(case: CaseState, credit: Credit, amount: Decimal) -> bool:
    """Return True if it exceeds the most of one case. What was rejected as not owed does not count."""
    counted = (
        owed.amount
        for owed in case.credits
        if owed.name == credit.name and (owed.approved is not False or owed.ground == LIMIT_REACHED)
    )
    return credit.at_most is not None and sum(counted, amount) > credit.at_most


KIND = EventKind(
    name="credit",
    zh="自动补偿",
    description="The company owes an amount of the catalogue for a missed promise or a finding.",
    data=Credited,
    by_time=True,
    notifies=("manager", "owner"),
)
