"""What a case is made of: the data alone, without the rules."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.calendar.work_calendar import WorkCalendar
from domain.case.clocks import Clock, ClockStatus
from domain.case.intake import Intake
from domain.case.lifecycle import ENDED, State
from domain.case.parts import UNFINISHED, Part
from domain.catalogue.terms import (
    USUAL_CLASS,
    USUAL_CURRENCY,
    Approver,
    CustomerClass,
    Edition,
    Terms,
    unsaid,
    usual,
    usual_class,
)
from domain.shared.money import Money

AT_RISK = 75
"""Percent of a budget from which a case counts as at risk: where large desks usually warn the lead."""


class Approval(BaseModel):
    """What management was asked for (报批). `approvers` decide in turn; `approved_by` have."""

    subject: str
    amount: Money | None = None
    kind: str | None = None
    grounds: str | None = None
    requested_by: str
    requested_at: datetime
    approvers: tuple[Approver, ...] = ()
    approved_by: tuple[str, ...] = ()

    @property
    def turn(self) -> Approver | None:
        """Whose turn it is to decide; None where any manager may."""
        return self.approvers[len(self.approved_by)] if self.approvers else None


CREDIT_KIND = "credit"
"""The kind of what was decided on a credit, in records and reports."""


class Decided(BaseModel):
    """What came of an approval: the amount that the company pays or waives, or what it did not agree to."""

    model_config = ConfigDict(frozen=True)

    subject: str
    amount: Money | None = None
    kind: str | None = None
    grounds: str | None = None
    currency: str = Field(default=USUAL_CURRENCY, exclude_if=usual)
    approved: bool
    reason: str | None = Field(default=None, description="Why, in the words of whoever had the last one.")
    requested_by: str
    decided_by: tuple[str, ...] = Field(description="All who had their turn; the last one's word was final.")
    decided_at: datetime
    cycle: int = 1

    @property
    def of_credit(self) -> bool:
        """Whether it was owed by itself, and not asked for by anybody."""
        return self.kind == CREDIT_KIND


CREDIT_WAITS = "credit_waits"
"""The flag of a case in which a credit waits for its approval."""


class Owed(BaseModel):
    """A credit (自动补偿) for a missed promise; `approvers` decide in turn, `approved_by` have had their turn."""

    model_config = ConfigDict(frozen=True)

    serial: int
    name: str
    name_zh: str
    amount: Money
    clock: str | None = Field(default=None, description="Of the promise; null where it was found.")
    clock_serial: int | None = None
    finding: str | None = Field(default=None, exclude_if=unsaid, description="What was found (查实).")
    found: int | None = Field(default=None, exclude_if=unsaid, description="By which event.")
    period: int = Field(description="0 for the miss itself, 1, 2 ... for each further period.")
    fell_at: datetime
    asked_at: datetime = Field(description="Since when it waits for whose turn it is.")
    approvers: tuple[Approver, ...] = ()
    approved_by: tuple[str, ...] = ()
    approved: bool | None = Field(default=None, description="Null while it waits.")
    ground: str | None = Field(
        default=None, exclude_if=unsaid, description="Why it was rejected, where not for it being not owed."
    )
    paid_by: str | None = Field(default=None, exclude_if=unsaid, description="The department that pays it.")

    @property
    def turn(self) -> Approver | None:
        """Approver who decides next; None if any manager may, or if it is decided."""
        return self.approvers[len(self.approved_by)] if self.approvers and self.approved is None else None


class Finding(BaseModel):
    """What was found (查实) that the catalogue owes something for: by which event, and when."""

    model_config = ConfigDict(frozen=True)

    code: str
    cycle: int
    serial: int = Field(description="The seq of the event.")
    found_at: datetime


class CatalogueChange(BaseModel):
    """The last catalogue that the case was moved to: by which event, when, and which one."""

    model_config = ConfigDict(frozen=True)

    seq: int
    at: datetime
    catalogue: Edition


class Extension(BaseModel):
    """How many more working days the department asked for (申请延期)."""

    working_days: int
    requested_by: str
    requested_at: datetime


class Urging(BaseModel):
    """What a late case has before it in its cycle: the written notice (催办通知书), then the criticism (通报批评).

    `countdown` counts towards the next of the two and stands still with the promise that was missed.
    """

    model_config = ConfigDict(frozen=True)

    clock_serial: int = Field(description="Of the promise that was missed.")
    countdown: Clock | None = Field(description="None once nothing more comes.")
    notice_seq: int | None = Field(default=None, description="The seq of the notice, once it went out.")
    noticed_at: datetime | None = None


class Supervision(BaseModel):
    """Since when a case has been under a supervisor's eyes (督办), and in which cycle that was said."""

    model_config = ConfigDict(frozen=True)

    cycle: int
    supervised_at: datetime


class Progress(BaseModel):
    """The part of a case that changes. Every value in it is immutable: a shallow copy is a true one.

    `completed` says that the department which has the case has done its work; others may still be at theirs (`parts`).
    `incident` is the one cause that the case shares with others (并案), `settled` what its end came to for this case.
    `answered_cycles` are those in which the caller was asked how it went, and said it.
    """

    state: State = State.REGISTERED
    version: int = 0
    cycle: int = 1
    owner: str
    department: str | None = None
    assignee: str | None = None
    flags: tuple[str, ...] = ()
    clocks: tuple[Clock, ...] = ()
    dispatched_at: datetime | None = None
    closed_at: datetime | None = None
    reopen_ends_at: datetime | None = None
    wake_at: datetime | None = None
    follow_up_attempts: int = 0
    dissatisfactions: int = 0
    answered_cycles: tuple[int, ...] = Field(default=(), exclude_if=unsaid)
    extensions: int = 0
    approval: Approval | None = None
    extension: Extension | None = None
    decisions: tuple[Decided, ...] = ()
    parts: tuple[Part, ...] = ()
    completed: bool = False
    incident: str | None = None
    settled: str | None = None
    urging: Urging | None = None
    supervision: Supervision | None = None
    catalogue_change: CatalogueChange | None = Field(default=None, exclude_if=unsaid)
    credits: tuple[Owed, ...] = Field(default=(), exclude_if=unsaid)
    findings: tuple[Finding, ...] = Field(default=(), exclude_if=unsaid)
    acted_at: datetime | None = Field(
        default=None, exclude_if=unsaid, description="When more than time changed a case that may come to owe a credit."
    )

    @property
    def credits_waiting(self) -> tuple[Owed, ...]:
        """Those on which nobody has had the last word."""
        return tuple(owed for owed in self.credits if owed.approved is None)

    @property
    def unfinished(self) -> tuple[Part, ...]:
        """The parts of further departments that the reply has to wait for."""
        return tuple(part for part in self.parts if part.state in UNFINISHED)

    def part_of(self, department: str | None) -> Part | None:
        """The latest part that this department has in the current cycle."""
        mine = (part for part in reversed(self.parts) if part.department == department and part.cycle == self.cycle)
        return next(mine, None)

    @property
    def sla(self) -> str:
        """`missed`, `paused`, `at_risk` or `on_time`, for the current cycle."""
        now = [clock for clock in self.clocks if clock.cycle == self.cycle]
        if any(clock.status is ClockStatus.MISSED for clock in now):
            return "missed"
        if self.state is State.SUSPENDED:
            return "paused"
        if any(clock.live and clock.rung >= AT_RISK for clock in now):
            return "at_risk"
        return "on_time"

    @property
    def overdue(self) -> bool:
        """A promise of an open case has been missed and is still not kept."""
        return self.state not in ENDED and any(clock.live and clock.missed_at for clock in self.clocks)


class Record(Progress):
    """The whole of a case."""

    number: str
    registered_at: datetime
    intake: Intake
    terms: Terms
    possible_duplicates: tuple[str, ...] = ()
    customer_class: CustomerClass = Field(default=USUAL_CLASS, exclude_if=usual_class)

    @property
    def calendar(self) -> WorkCalendar:
        """The working calendar that this case is held to."""
        return self.terms.calendar

    @property
    def undecided(self) -> bool:
        """Management has still to decide in this cycle before the work is done (先批后办); a rejection decides too."""
        decided = (each for each in self.decisions if each.cycle == self.cycle and not each.of_credit)
        return self.terms.needs_approval and not any(decided)

    def finished(self, at: datetime) -> bool:
        """Nothing can happen to it any more: refused, withdrawn, or closed and the reopen window has passed."""
        if self.state is State.CLOSED:
            return self.reopen_ends_at is None or at >= self.reopen_ends_at
        return self.state in ENDED

    def next_due(self) -> datetime | None:
        """The earliest instant at which a running promise falls due; missed ones are past."""
        due = [
            instant
            for clock in self.clocks
            if clock.running_since and clock.missed_at is None and (instant := clock.due_at(self.calendar))
        ]
        return min(due, default=None)

    def with_flags(self, *flags: str) -> tuple[str, ...]:
        """The flags and these, sorted, each once."""
        return tuple(sorted({*self.flags, *flags}))


def start_of(registration: dict[str, Any]) -> tuple[Intake, Terms]:
    """Return intake and terms of a `register` event; later terms are in the event that `catalogue_change` names."""
    return Intake.model_validate(registration["intake"]), Terms.model_validate(registration["terms"])
