"""Clock of a promise: a ledger of its budget, of what is consumed, and of the time since which it runs.

A clock is no date. `due_at` follows from budget, consumption and calendar, so it can always be explained. Seconds are
seconds of the clock's calendar: round the clock (`always`) or working time (`working`). The standstills of a case are
the time in which its clocks, or those of its departments, do not count.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Literal, NamedTuple

from pydantic import Field

from domain.calendar.work_calendar import WorkCalendar
from domain.case.lifecycle import BEFORE_REPLY, STATES, StandstillScope, State
from domain.catalogue.terms import CLOCKS, MISS, ClockName, EscalationStep
from domain.shared.value import Immutable, NamedCode, omit_default

DEPARTMENT_CLOCKS: frozenset[ClockName] = frozenset(name for name, row in CLOCKS.items() if row.of_department)
"""The promises of a department to the owner of the case; a part has a `resolve` of its own."""

EXTENDED_CLOCKS: frozenset[ClockName] = frozenset(name for name, row in CLOCKS.items() if row.is_extended)
"""The case's own promises that an extension (延期) gives more days."""


class ClockStatus(NamedCode):
    """Status of a clock."""

    WAITING = "waiting", "未开始"
    RUNNING = "running", "计时中"
    PAUSED = "paused", "暂停"
    MET = "met", "按时"
    MISSED = "missed", "超时"
    CANCELLED = "cancelled", "取消"


APPROVE: Literal["approve"] = "approve"
"""Clock of an approver's decision, opened with each turn of an approval."""

CLOCK_ZH: dict[str, str] = {name: row.zh for name, row in CLOCKS.items()} | {APPROVE: "审批"}
"""Chinese name of each clock (时限)."""


class ClockRun(NamedTuple):
    """Time in which a clock ran: its start, and the seconds consumed before."""

    since: datetime
    consumed_seconds: float


class Clock(Immutable):
    """Clock of one promise of one case. Every change gives a new value.

    A missed clock runs on until it is stopped: further escalations may come, and the record shows how late it was.
    """

    serial: int = Field(ge=1, description="Unique within the case, in order of opening.")
    name: ClockName | Literal["approve"]
    cycle: int = Field(ge=1)
    calendar: Literal["always", "working"]
    budget_seconds: float = Field(gt=0)
    extended_seconds: float = omit_default(0, "Of the budget, what extensions (延期) have added.")
    extended_days: int = omit_default(0, "Working days of these extensions.")
    consumed_seconds: float = Field(0, ge=0)
    started_at: datetime | None = None
    running_since: datetime | None = None
    runs: tuple[ClockRun, ...] = omit_default((), "Of a missed clock: when it ran before `running_since`.")
    stopped_at: datetime | None = None
    missed_at: datetime | None = Field(None, description="The instant at which the promise was due and not kept.")
    cancelled: bool = False
    part: int = Field(0, ge=0, description="The part that it belongs to; 0 for the case itself.")
    rung: int = Field(0, ge=0, description="The highest percentage of the ladder that was escalated.")
    version: int = Field(0, ge=0, description="The case's version that changed the clock last.")

    @property
    def status(self) -> ClockStatus:
        """Status in one word; a miss stays a miss."""
        if self.missed_at is not None:
            return ClockStatus.MISSED
        if self.cancelled:
            return ClockStatus.CANCELLED
        if self.stopped_at is not None:
            return ClockStatus.MET
        if self.started_at is None:
            return ClockStatus.WAITING
        return ClockStatus.PAUSED if self.running_since is None else ClockStatus.RUNNING

    @property
    def live(self) -> bool:
        """True until the clock is stopped or cancelled."""
        return self.stopped_at is None and not self.cancelled

    @property
    def paused(self) -> bool:
        return self.live and self.started_at is not None and self.running_since is None

    def elapsed(self, at: datetime, calendar: WorkCalendar) -> float:
        """Seconds consumed until `at`."""
        since = self.running_since
        if since is None or at <= since:
            return self.consumed_seconds
        ran = (at - since).total_seconds() if self.calendar == "always" else calendar.between(since, at)
        return self.consumed_seconds + ran

    def instant_of(self, percent: float, calendar: WorkCalendar) -> datetime | None:
        """Instant at which the clock has consumed `percent` of its budget, or None if it is not running."""
        return self.instant_at(self.budget_seconds * percent / 100, calendar)

    def instant_at(self, seconds: float, calendar: WorkCalendar) -> datetime | None:
        """Instant at which the clock has consumed `seconds`, or None if it is not running."""
        if self.running_since is None:
            return None
        runs = (*self.runs, ClockRun(self.running_since, self.consumed_seconds))
        # A budget that was shortened below what was consumed is used up where the clock runs on.
        since, consumed = next((run for run in reversed(runs) if run.consumed_seconds < seconds), runs[0])
        left = max(seconds - consumed, 0)
        return since + timedelta(seconds=left) if self.calendar == "always" else calendar.add(since, left)

    def due_at(self, calendar: WorkCalendar) -> datetime | None:
        """Instant at which the promise falls due; if missed, at which it did; if met, at which it would have.

        None if nobody can know: waiting, paused, cancelled.
        """
        if self.missed_at or self.cancelled:
            return self.missed_at
        return self.reinstate().instant_of(MISS, calendar)

    def next_escalation(
        self, ladder: tuple[EscalationStep, ...], calendar: WorkCalendar
    ) -> tuple[datetime, int] | None:
        """Instant and percentage; None without a further step, and while the clock does not run."""
        if self.running_since is None:  # as most clocks of an old case, which looks ahead often
            return None
        steps = (*(step.percent for step in ladder), MISS)
        percent = min((step for step in steps if step > self.rung), default=None)
        instant = self.instant_of(percent, calendar) if percent else None
        return (instant, percent) if instant and percent else None

    def start(self, at: datetime) -> "Clock":
        """Run from `at`; a clock that has started is left alone."""
        return self if self.started_at else self.model_copy(update={"started_at": at, "running_since": at})

    def pause(self, at: datetime, calendar: WorkCalendar) -> "Clock":
        if not self.live or self.running_since is None:
            return self
        runs = (*self.runs, ClockRun(self.running_since, self.consumed_seconds)) if self.missed_at else ()
        changes = {"consumed_seconds": self.elapsed(at, calendar), "running_since": None, "runs": runs}
        return self.model_copy(update=changes)

    def resume(self, at: datetime) -> "Clock":
        return self.model_copy(update={"running_since": at}) if self.paused else self

    def interrupt(self, at: datetime, until: datetime, calendar: WorkCalendar) -> "Clock":
        """Stand still from `at` until an instant: what was consumed before is not counted again on another calendar."""
        return self.pause(at, calendar).resume(until) if self.running_since else self

    def stop(self, at: datetime, calendar: WorkCalendar) -> "Clock":
        """Stop: the promise is met, or missed for good. A clock that never started is cancelled."""
        if not self.live:
            return self
        if self.started_at is None:
            return self.cancel(at, calendar)
        return self.pause(at, calendar).model_copy(update={"stopped_at": at})

    def cancel(self, at: datetime, calendar: WorkCalendar) -> "Clock":
        """Cancel: the promise no longer applies. A miss stays a miss."""
        if not self.live:
            return self
        return self.pause(at, calendar).model_copy(update={"stopped_at": at, "cancelled": True})

    def reinstate(self) -> "Clock":
        """Undo the last stop; the time since then counts as well."""
        if self.stopped_at is None or self.cancelled:
            return self
        return self.model_copy(update={"running_since": self.stopped_at, "stopped_at": None})

    def extend(self, working_days: int, at: datetime, calendar: WorkCalendar) -> "Clock":
        """Let it fall due so many working days later, whatever its calendar; a missed clock gets nothing.

        A budget that was shortened below what was consumed is due where the clock runs on.
        """
        if not self.live or self.missed_at is not None:
            return self
        return self.with_days(working_days, at, calendar, max(round(self.consumed_seconds - self.budget_seconds), 0))

    def with_days(self, working_days: int, at: datetime, calendar: WorkCalendar, seconds: float = 0) -> "Clock":
        """Add seconds to the budget, then working days, counted from when it is used up, or was.

        If the clock does not run, that is so as if it ran from `at` on.
        """
        worth = working_days * calendar.day_seconds
        if self.calendar == "always":
            left = self.budget_seconds + seconds - self.consumed_seconds
            used_up = (self.running_since or at) + timedelta(seconds=left)
            # Whole seconds: they are added up and compared.
            worth = round((calendar.add(used_up, worth) - used_up).total_seconds())
        changes = {
            "budget_seconds": self.budget_seconds + seconds + worth,
            "extended_seconds": self.extended_seconds + seconds + worth,
            "extended_days": self.extended_days + working_days,
        }
        return self.model_copy(update=changes)

    def escalate(self, percent: int, fell_at: datetime) -> "Clock":
        """Note the escalation; at 100 % the promise is missed, at the instant it fell due."""
        missed_at = fell_at if percent >= MISS and self.missed_at is None else self.missed_at
        return self.model_copy(update={"rung": percent, "missed_at": missed_at})


class Standstill(NamedTuple):
    """Time in which clocks stood still; `until` is None while they do."""

    since: datetime
    until: datetime | None
    scope: StandstillScope


def scope_in(state: State, *, waits: bool) -> StandstillScope | None:
    """Clocks that stand still; `waits` is set if the case waits for its incident."""
    return STATES[state].stands_still or ("department" if waits and state in BEFORE_REPLY else None)


def extended(ledger: tuple[Standstill, ...], scope: StandstillScope | None, at: datetime) -> tuple[Standstill, ...]:
    """From now on these clocks stand still, and no others."""
    now = ledger[-1] if ledger and ledger[-1].until is None else None
    if (now.scope if now else None) == scope:
        return ledger
    past = ledger[:-1] if now else ledger
    if now and now.since < at:
        past += (now._replace(until=at),)
    return (*past, Standstill(at, None, scope)) if scope else past


def counted_times(
    ledger: tuple[Standstill, ...], name: str, part: int, since: datetime, cut: datetime | None = None
) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield the times in which a clock counts from `since` on, in order, each with its end; None if it lasts.

    `part` is 0 for a clock of the case itself. A time in which the instant `cut` lies is cut in two there.
    """
    # A standstill without length cuts a time in two.
    cuts = (Standstill(cut, cut, "case"),) if cut else ()
    for still in sorted((*ledger, *cuts), key=attrgetter("since")):
        if not includes(still.scope, name, part) or (still.until and still.until <= since):
            continue
        if since < still.since:
            yield since, still.since
        if still.until is None:
            return
        since = still.until
    yield since, None


def includes(scope: StandstillScope | None, name: str, part: int) -> bool:
    """`part` is 0 for a clock of the case itself. The scope None includes no clock."""
    if part or name not in DEPARTMENT_CLOCKS:
        return scope == "case" or (scope == "departments" and part > 0)
    return scope is not None
