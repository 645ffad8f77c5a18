"""State of a complaint, its clocks as one ledger, the batch in which SQL is given it, and the kinds of what changes it.

Each action and every other kind of event is one module in `actions` or `automatic`.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from domain.calendar.work_calendar import WorkCalendar
from domain.case.clocks import DEPARTMENT_CLOCKS, Clock, extended, includes, scope_in
from domain.case.intake import Intake
from domain.case.lifecycle import (
    ENDED,
    STATES,
    UNFINISHED,
    WORKABLE,
    Event,
    MayEnd,
    OfDepartment,
    OfIncident,
    Part,
    PartState,
    State,
)
from domain.case.progress import Owed, Progress, Supervision
from domain.catalogue.terms import CLOCKS, MISS, URGED, Act, Approver, ClockName, Priority, Promise, Starts, Terms
from domain.kit.event import ActionBody, Addressees, BaseAction, BaseKind, Decision, EventData, NotPossible, Reasoned
from domain.shared.actors import Actor, Role
from domain.shared.errors import OUT_OF_TURN, Refused
from domain.shared.value import Immutable, omit_default

__all__ = [
    "ActionBody",
    "Actor",
    "Addressees",
    "Decision",
    "Event",
    "EventData",
    "NotPossible",
    "Reasoned",
    "Role",
    "State",
]
"""Names of other modules that an action, or another kind of event, is written with."""
CREDIT_WAITS = "credit_waits"
"""The flag of a case in which a credit waits for its approval."""
EXTENSION_WAITS = "extension_waits"
"""The flag of a case in which a request for more working days waits for its decision."""


class CaseState(Progress):
    """All fields of a case."""

    number: str
    registered_at: datetime
    intake: Intake
    terms: Terms

    @property
    def calendar(self) -> WorkCalendar:
        return self.terms.calendar

    @property
    def needs_decision(self) -> bool:
        """True if management has still to decide in this cycle before the work is done (先批后办)."""
        decided = (each for each in self.decisions if each.cycle == self.cycle and not each.of_credit)
        return self.terms.needs_approval and not any(decided)

    def next_due(self) -> datetime | None:
        """Earliest due time of a promise that is not kept, missed or not; None if none runs or is missed."""
        due = [instant for clock in self.clocks if clock.live and (instant := clock.due_at(self.calendar))]
        return min(due, default=None)

    def live_clock(self, name: ClockName) -> Clock | None:
        """Own promise of the case in the current cycle, while it is not kept."""
        mine = (clock for clock in reversed(self.clocks) if clock.name == name and not clock.part)
        return next((clock for clock in mine if clock.cycle == self.cycle and clock.live), None)

    def urged_clock(self) -> Clock | None:
        """Promise that somebody is urged to keep: to settle the matter; if done or not promised, to reply.

        Once it is one of them, it is that one until it is kept.
        """
        urged = self.urging and self.urging.clock_serial
        same = next((clock for clock in self.clocks if clock.serial == urged and clock.live), None)
        return same or next(filter(None, map(self.live_clock, URGED)), None)

    def countdown_ends_at(self) -> datetime | None:
        """Due time of the notice or the criticism; None if neither comes, or the countdown stands still."""
        urging, clock = self.urging, self.urged_clock()
        if not (urging and urging.countdown and clock and clock.missed_at):
            return None
        return urging.countdown.instant_of(MISS, self.calendar)

    def add_flags(self, *flags: str) -> None:
        self.flags = tuple(sorted({*self.flags, *flags}))

    def remove_flags(self, *flags: str) -> None:
        self.flags = tuple(flag for flag in self.flags if flag not in flags)

    def set_flag(self, flag: str, *, raised: bool) -> None:
        (self.add_flags if raised else self.remove_flags)(flag)

    def put_part(self, part: Part, **changes: Any) -> None:  # noqa: ANN401 - values of its fields
        changed = part.model_copy(update={**changes, "version": self.version})
        self.parts = tuple(changed if each.serial == part.serial else each for each in self.parts)

    def release(self, part: Part, at: datetime) -> None:
        self.put_part(part, state=PartState.RELEASED)
        self.cancel_clocks(at, part=part.serial)

    def supervise(self, event: Event) -> None:
        self.add_flags("supervised")
        self.supervision = Supervision(cycle=event.cycle, supervised_at=event.at)

    def window_ends_at(self, at: datetime) -> datetime:
        """Until when the case can be reopened or reinstated, if it is closed or withdrawn at `at`."""
        return at + timedelta(seconds=self.terms.process.reopen_seconds)

    def close(self, event: Event) -> None:
        """Release open parts, cancel every clock, and drop what waited for somebody."""
        for part in self.unfinished:
            self.release(part, event.at)
        self.cancel_clocks(event.at, part=None)
        self.closed_at = event.at
        self.wake_at = self.approval = self.extension = self.follow_up_since = None
        self.reopen_ends_at = event.data.reopen_ends_at if isinstance(event.data, MayEnd) else None

    def put_credit(self, credit: Owed) -> None:
        """Add a credit, or take it in the place of the one of its serial; flag the case while one is undecided."""
        before = {each.serial: each for each in self.credits}
        self.credits = tuple((before | {credit.serial: credit}).values())
        self.set_flag(CREDIT_WAITS, raised=bool(self.undecided_credits))

    def change_clocks(
        self, change: Callable[[Clock], Clock], names: Iterable[str] | None = None, part: int | None = 0
    ) -> None:
        """Apply a change to live clocks, and note the version on those that it does not return as they are.

        `names` None: clocks of every name. `part` 0: of the case itself; None: of it and of all parts.
        """

        def changed(clock: Clock) -> Clock:
            if not clock.live or (names is not None and clock.name not in names) or part not in (None, clock.part):
                return clock
            after = change(clock)
            return clock if after is clock else after.model_copy(update={"version": self.version})

        self.clocks = tuple(changed(clock) for clock in self.clocks)

    def start_clocks(self, at: datetime, starts: Starts) -> None:
        names = [promise.name for promise in self.terms.promises if promise.starts == starts]
        self.change_clocks(lambda clock: clock.start(at), names)

    def stop_clocks(self, at: datetime, *acts: Act, part: int = 0) -> None:
        """Stop those of the promises that these acts keep."""
        names = [name for name, row in CLOCKS.items() if row.kept_by in acts]
        self.change_clocks(lambda clock: clock.stop(at, self.calendar), names, part)

    def cancel_clocks(self, at: datetime, names: Iterable[str] | None = None, part: int | None = 0) -> None:
        """Choose them as in `change_clocks`: the promises no longer apply."""
        self.change_clocks(lambda clock: clock.cancel(at, self.calendar), names, part)

    def resume_department(self, at: datetime) -> None:
        """Resume the clocks of the department, unless the state of the case pauses them as well."""
        if scope_in(self.state, waits=False) is None:
            self.change_clocks(lambda clock: clock.resume(at), DEPARTMENT_CLOCKS)

    def open_clocks(self, names: Iterable[ClockName], part: int = 0) -> None:
        """Add new clocks, waiting, for these promises to the caller, or of a part's department."""
        serial = len(self.clocks)
        promises = [promise for promise in self.terms.promises if promise.name in names]
        self.clocks += tuple(
            self.new_clock(promise.name, promise, serial + place, part)
            for place, promise in enumerate(promises, start=1)
        )

    def new_clock(
        self, name: ClockName | Literal["approve"], budget: Promise | Approver, serial: int, part: int = 0
    ) -> Clock:
        return Clock(
            serial=serial,
            name=name,
            cycle=self.cycle,
            calendar=budget.calendar,
            budget_seconds=budget.budget_seconds,
            part=part,
            version=self.version,
        )

    def enter(self, state: State, at: datetime) -> None:
        """Pause what the new state makes stand still, and resume what only the old one did; an end cancels clocks."""
        before, now = STATES[self.state].stands_still, STATES[state].stands_still
        if before == now or state in ENDED:
            return

        def changed(clock: Clock) -> Clock:
            if includes(now, clock.name, clock.part):
                return clock.pause(at, self.calendar)
            return clock.resume(at) if includes(before, clock.name, clock.part) else clock

        self.change_clocks(changed, part=None)

    def note_standstill(self, at: datetime) -> None:
        self.standstills = extended(self.standstills, scope_in(self.state, waits=self.waits_for_incident), at)


def while_incomplete(case: CaseState, *_: object) -> str | None:
    """Refuse once the department has completed the case and only the parts of others are unfinished."""
    if not case.completed:
        return None
    others = ", ".join(part.department for part in case.unfinished)
    return f"{case.department} has completed it, it waits for {others}"


def while_active(case: CaseState, _: object, at: datetime) -> str | None:
    """Refuse once the case has ended and can neither be reopened nor reinstated any more."""
    return None if case.is_active(at) else f"it is {case.state}"


class ProjectionBatch(Immutable):
    """Events of one case that SQL is not known to have, and its state. Projected again, it writes the same rows.

    The first batch starts with the registration, whose data hold intake and terms; later ones need neither.
    """

    number: str
    since_version: int = Field(
        ge=0, description="The version that SQL is known to have: clocks with a higher version have changed."
    )
    since_changed_at: datetime | None = omit_default(
        None, "ChangedAt of `since_version`: SQL has another one if the workflow was reset or replaced."
    )
    changed_at: datetime = Field(description="As the search attribute `ChangedAt`: later in every batch of a case.")
    next_due_at: datetime | None = Field(None, description="Told here, as the calendar is not in the case.")
    priority: Priority | None = omit_default(None, "Told if a later catalogue or a correction may have changed it.")
    case: Progress
    events: tuple[Event, ...] = Field(min_length=1)

    @classmethod
    def of(
        cls, case: CaseState, events: Sequence[Event], changed_at: datetime, since_changed_at: datetime | None = None
    ) -> Self:
        return cls(
            number=case.number,
            since_version=events[0].seq - 1,
            since_changed_at=since_changed_at,
            changed_at=changed_at,
            next_due_at=case.next_due(),
            priority=case.terms.priority if case.later_terms or case.corrected else None,
            case=case.model_copy(),
            events=tuple(events),
        )


class BatchAnswer(Immutable):
    """Answer of an update that has no other: the batch that its sender writes; None if SQL has everything."""

    batch: ProjectionBatch | None = omit_default(None)


GuardResult = NotPossible | str | None
"""Reason why an action is not possible now; a text if this is not its time, None if nothing is against it."""


class Due(NamedTuple):
    """Event that time brings: when it falls due, its kind, its data, and the state it leads to if that is another.

    The data are made when the event happens: a case looks ahead far more often.
    """

    falls_at: datetime
    kind: "EventKind"
    data: Callable[[], EventData]
    state: State | None = None


class Holder(NamedTuple):
    """Department that has a case or a part, and the person at work on it; None for none."""

    department: str | None = None
    assignee: str | None = None


def holders_of(case: CaseState, data: EventData) -> Sequence[Holder]:
    """Department that the event names, or else the one that has the case, and the person there."""
    named = data.department if isinstance(data, OfDepartment) else None
    return (Holder(named or case.department, case.assignee),)


@dataclass(frozen=True, kw_only=True)
class EventKind(BaseKind[CaseState, Event]):
    """Kind of event of a complaint.

    `flags` are those that the event raises. `by_time`: nobody has acted on the case. `notifies_by_incident` are
    notified in place of others if an incident brings the event.
    """

    EVENT = Event

    by_time: bool = False
    notifies_by_incident: Addressees | None = None
    flags: tuple[str, ...] = ()
    holders: Callable[[CaseState, Any], Sequence[Holder]] = holders_of

    def more_facts(self, case: CaseState, decision: Decision) -> dict[str, Any]:
        return {"cycle": decision.cycle or case.cycle}

    def change(self, entity: CaseState, event: Event) -> None:
        entity.add_flags(*self.flags)
        super().change(entity, event)
        entity.set_flag(EXTENSION_WAITS, raised=entity.extension is not None)

    def addressees(self, entity: CaseState, event: Event) -> Addressees:
        by_incident = isinstance(event.data, OfIncident) and event.data.incident is not None
        if by_incident and self.notifies_by_incident is not None:
            return self.notifies_by_incident
        return super().addressees(entity, event)


@dataclass(frozen=True, kw_only=True)
class PartAction:
    """Effect of an action on a part of a case: from which of its states, to which, and in which states of the case.

    Without `target` the state of the part stays. `always` is set if the action is never one on the case itself.
    """

    sources: AbstractSet[PartState]
    target: PartState | None = None
    states: AbstractSet[State] = WORKABLE
    leads_to: State | None = None
    guard: Callable[[CaseState, Part, datetime], GuardResult] = lambda *_: None
    always: bool = False

    def not_possible(self, case: CaseState, part: Part, at: datetime) -> GuardResult:
        if case.state not in self.states:
            return f"it is {case.state}"
        if part.state not in self.sources:
            return f"the part of {part.department} is {part.state}"
        if self.completes_the_work(case, part) and case.state is not State.IN_PROGRESS:
            why = f"it is {case.state}; the last part ends when the case is in_progress again"
            return NotPossible(OUT_OF_TURN, why)
        return self.guard(case, part, at)

    def completes_the_work(self, case: CaseState, part: Part) -> bool:
        """Return True if the reply is due after it: the case is completed, and no other part is unfinished."""
        ends = self.target not in {None, *UNFINISHED}
        return case.completed and ends and all(other.serial == part.serial for other in case.unfinished)


@dataclass(frozen=True, kw_only=True)
class Action(EventKind, BaseAction[CaseState, Event, State]):
    """Action of a person on a complaint.

    Beyond its row (roles, sources, targets), an action may have these rules; they are asked in this order:

    1. `guard`: is it possible now? A condition beyond the state.
    2. `forbidden`: may this person do it? A condition beyond the role.
    3. `check` of the body: is it right?
    4. `decide` of the body: what happens?

    `part` says how a department that has only a part does it; of the rules above, `forbidden` and `check` count there.
    `offers` is False if this person has nothing to do it to, so that the action is not offered.
    `shared_with_parts`: a department that has only a part may do it to the whole case.
    `changeable` are further states, in which somebody may still change what they did, as the `guard` says.
    """

    guard: Callable[[CaseState, Actor, datetime], GuardResult] = lambda *_: None
    forbidden: Callable[[CaseState, Actor], Refused | None] = lambda *_: None
    offers: Callable[[CaseState, Actor, datetime], bool] = lambda *_: True
    part: PartAction | None = None
    shared_with_parts: bool = False
    changeable: AbstractSet[State] = frozenset()
