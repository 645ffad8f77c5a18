"""Progress of a complaint: the part of its state that changes, as SQL keeps it in one document."""

from datetime import datetime

from pydantic import BaseModel, Field

from domain.case.approvers import Approval, Approvers, Decided
from domain.case.clocks import Clock, ClockStatus, Standstill
from domain.case.intake import IntakeFacts
from domain.case.lifecycle import ENDED, OPEN, STATES, UNFINISHED, Part, State
from domain.catalogue.terms import USUAL_CLASS, Approver, CustomerClass, Edition
from domain.shared.value import Immutable, Money, NamedCode, exhaustive, omit_default


class Satisfaction(NamedCode):
    """Step of the scale of five, from the best to the worst: that of the evaluation of public services (好差评)."""

    VERY_SATISFIED = "very_satisfied", "非常满意"
    SATISFIED = "satisfied", "满意"
    FAIRLY_SATISFIED = "fairly_satisfied", "基本满意"
    DISSATISFIED = "dissatisfied", "不满意"
    VERY_DISSATISFIED = "very_dissatisfied", "非常不满意"


SATISFIED = (Satisfaction.VERY_SATISFIED, Satisfaction.SATISFIED, Satisfaction.FAIRLY_SATISFIED)
exhaustive(
    "SATISFIED, or dissatisfied",
    Satisfaction,
    (*SATISFIED, Satisfaction.DISSATISFIED, Satisfaction.VERY_DISSATISFIED),
)


AT_RISK = 75
"""Percent of a budget from which a case counts as at risk: where large desks usually warn the lead."""


LIMIT_REACHED = "limit_reached"
"""Ground of the rejection of a credit that is owed: its account has had the most of its time."""


class Owed(Approvers):
    """Credit (自动补偿) that the company owes for a missed promise, or for a finding."""

    serial: int
    name: str
    name_zh: str
    amount: Money
    clock: str | None = Field(None, description="Of the promise; null where it was found.")
    clock_serial: int | None = None
    finding: str | None = omit_default(None, "What was found (查实).")
    found: int | None = omit_default(None, "By which event.")
    period: int = Field(description="0 for the miss itself, 1, 2 ... for each further period.")
    fell_at: datetime
    asked_at: datetime = Field(description="Since when it waits for whose turn it is.")
    approved: bool | None = Field(None, description="Null while it waits.")
    ground: str | None = omit_default(None, "Why it was rejected: `limit_reached`, or the code of an exemption.")
    paid_by: str | None = omit_default(None, "The department that pays it.")
    note: str | None = omit_default(None, "What the approver has to check, because no case knows it.")

    @property
    def next_approver(self) -> Approver | None:
        """Approver who decides next; None if any manager may, or if it is decided."""
        return super().next_approver if self.approved is None else None


class Finding(Immutable):
    """Finding (查实事项) of completed work: by which event, and when."""

    code: str
    cycle: int
    serial: int = Field(description="The seq of the event.")
    found_at: datetime


class LaterTerms(Immutable):
    """Terms in place of those of the registration: in the data of which event they are, and when it happened."""

    seq: int
    at: datetime


class CatalogueChange(LaterTerms):
    """Last catalogue that the case was moved to: by which event, when, and which one."""

    catalogue: Edition


class Extension(BaseModel):
    """Working days that the department asked for (申请延期)."""

    working_days: int
    requested_by: str
    requested_at: datetime


class Urging(Immutable):
    """Written notice (催办通知书) and criticism (通报批评) that a late case has ahead in its cycle.

    `countdown` counts towards the next of the two and stands still with the promise that was missed.
    """

    clock_serial: int = Field(description="Of the promise that was missed.")
    countdown: Clock | None = Field(description="None once nothing more comes.")
    notice_seq: int | None = Field(None, description="The seq of the notice, once it went out.")
    noticed_at: datetime | None = None


def recipient_of(key: str) -> str:
    """Last part of a key: number, seq and recipient."""
    return key.split("-", 2)[-1]


class FollowUpAnswer(Immutable):
    """Result of a follow-up (回访): `satisfied`, `dissatisfied` or `unreachable`, the answers, and what was noted."""

    outcome: str
    contacted: bool = Field(description="False if the caller was not reached (是否联系).")
    solved: bool | None = omit_default(None, "Null if the caller was not asked, or not reached (是否解决).")
    satisfaction: Satisfaction | None = omit_default(None, "Null if not asked, or not reached (满意度).")
    note: str | None
    answered_at: datetime


class FailedDelivery(Immutable):
    """Notification (通知) that a channel did not take: its key, the channel, the last error, and the time."""

    key: str
    channel: str
    error: str
    failed_at: datetime

    @property
    def recipient(self) -> str:
        return recipient_of(self.key)


class ContactChange(Immutable):
    """Change of the caller's telephone: by whom, when, and if that person owned the case then or later."""

    by: str
    at: datetime
    by_owner: bool


class Supervision(Immutable):
    """Supervision (督办) of a case: since when, and in which cycle it began."""

    cycle: int
    supervised_at: datetime


class Withdrawal(Immutable):
    """Fields of a case before its withdrawal (撤销) ended them; the reinstatement (撤回撤销) brings them back.

    `clocks` and `parts` are those that were not over. `waited` is set if the case waited for its incident.
    """

    state: State
    clocks: tuple[Clock, ...]
    parts: tuple[Part, ...]
    approval: Approval | None
    extension: Extension | None
    wake_at: datetime | None
    follow_up_since: datetime | None
    urging: Urging | None
    waited: bool = omit_default(default=False)


class Progress(BaseModel):
    """Part of a case that changes.

    Trap: a copy of a case is a shallow one. Every value here must be immutable, and is replaced as a whole.

    `completed` says that the department which has the case has done its work; others may still be at theirs (`parts`).
    `incident` is the one cause that the case shares with others (并案), `settled` the result of its end for this case.
    `answered_cycles` are those in which the caller was asked how it went, and said it.
    Links to the caller's page that were made until `links_revoked_at` open nothing.
    """

    state: State = State.REGISTERED
    version: int = 0
    cycle: int = 1
    owner: str
    department: str | None = None
    assignee: str | None = None
    people: dict[str, str] = omit_default({}, "Names of the people of the case, by id, where they differ.")
    flags: tuple[str, ...] = ()
    clocks: tuple[Clock, ...] = ()
    cycle_began_at: datetime | None = omit_default(None, "When the present cycle began; null in the first one.")
    dispatched_at: datetime | None = None
    handed: tuple[datetime, ...] = omit_default(
        (), "When each department of the cycle got the case, if `dispatched_at` alone does not say it."
    )
    signed_before: bool = omit_default(False, "The department that has the case had signed for it, and returned it.")
    signed_for: bool = omit_default(False, "A department has signed for it in the present cycle.")
    arrived_at: datetime | None = omit_default(None, "When the department's crew arrived, or had done its work.")
    standstills: tuple[Standstill, ...] = omit_default((), "When clocks stood still in the present cycle.")
    away: tuple[tuple[datetime, datetime], ...] = omit_default(
        (), "When it was withdrawn (撤销) in the present cycle, until it was reinstated."
    )
    closed_at: datetime | None = None
    reopen_ends_at: datetime | None = None
    wake_at: datetime | None = None
    suspended_for: str | None = omit_default(None, "Reason of the last suspension (挂起), as it was written.")
    follow_up_since: datetime | None = omit_default(None, "The reply or the last try, while a follow-up is due.")
    follow_up_attempts: int = 0
    dissatisfactions: int = 0
    answered_cycles: tuple[int, ...] = omit_default(())
    answer: FollowUpAnswer | None = omit_default(None, "What the caller said last, when asked how it went.")
    result: str | None = omit_default(None, "What the department that has the case did, as it said last.")
    reply: str | None = omit_default(None, "What the caller was told last, by a reply or during the call.")
    links_revoked_at: datetime | None = omit_default(None)
    extensions: int = 0
    extended_days: int = omit_default(0, "Working days that extensions have granted in the present cycle.")
    approval: Approval | None = None
    extension: Extension | None = None
    decisions: tuple[Decided, ...] = ()
    parts: tuple[Part, ...] = ()
    completed: bool = False
    caller_version: int = omit_default(1, "Version in which the present caller and place were taken down.")
    possible_duplicates: tuple[str, ...] = omit_default((), "Cases that may be the same matter, newest first.")
    customer_class: CustomerClass = omit_default(USUAL_CLASS)
    filled: tuple[str, ...] = omit_default((), "Facts of the intake that are the registry's, as nobody gave them.")
    incident: str | None = None
    settled: str | None = None
    urging: Urging | None = None
    supervision: Supervision | None = None
    later_terms: LaterTerms | None = omit_default(None)
    catalogue_change: CatalogueChange | None = omit_default(None)
    corrected: IntakeFacts | None = omit_default(None, "Facts of the intake, once they were corrected (更正).")
    contact_changed: ContactChange | None = omit_default(None, "The last change of the caller's telephone.")
    credits: tuple[Owed, ...] = omit_default(())
    findings: tuple[Finding, ...] = omit_default(())
    left_out: tuple[str, ...] = omit_default((), "Kinds of automatic events that wait for the next action.")
    failed_deliveries: tuple[FailedDelivery, ...] = omit_default((), "The first of each channel and recipient.")
    withdrawal: Withdrawal | None = omit_default(None, "Set while the case is withdrawn.")
    acted_at: datetime | None = omit_default(None, "When more than time changed a case that may come to owe a credit.")

    def name_of(self, person: str | None) -> str:
        """Give the id itself if no name is known, nothing for None."""
        return self.people.get(person, person) if person else ""

    @property
    def waits_for_incident(self) -> bool:
        return self.incident is not None and not self.settled

    @property
    def hands(self) -> tuple[datetime, ...]:
        """Instants at which departments of the present cycle got the case, the one that has it last."""
        return self.handed or ((self.dispatched_at,) if self.dispatched_at else ())

    @property
    def undecided_credits(self) -> tuple[Owed, ...]:
        return tuple(owed for owed in self.credits if owed.approved is None)

    @property
    def unfinished(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.state in UNFINISHED)

    def part_of(self, department: str | None) -> Part | None:
        """Latest part in the current cycle; None without one."""
        mine = (part for part in reversed(self.parts) if part.department == department and part.cycle == self.cycle)
        return next(mine, None)

    @property
    def sla(self) -> str:
        """`missed`, `paused`, `at_risk` or `on_time`, for the current cycle."""
        now = [clock for clock in self.clocks if clock.cycle == self.cycle]
        if any(clock.status is ClockStatus.MISSED for clock in now):
            return "missed"
        if self.state in OPEN and STATES[self.state].stands_still == "case":
            return "paused"
        if any(clock.live and clock.rung >= AT_RISK for clock in now):
            return "at_risk"
        return "on_time"

    @property
    def overdue(self) -> bool:
        """True if a promise of an open case has been missed and is still not kept."""
        return self.state not in ENDED and any(clock.live and clock.missed_at for clock in self.clocks)

    def is_active(self, at: datetime) -> bool:
        """Return True while people can act on the case: it is open, or can be reopened or reinstated."""
        return self.state in OPEN or (self.reopen_ends_at is not None and at < self.reopen_ends_at)

    def is_over(self, at: datetime) -> bool:
        """Return True once nothing can happen to the case any more: it is not active, and no credit is undecided."""
        return not self.is_active(at) and not self.undecided_credits
