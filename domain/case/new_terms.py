"""New terms of a case, of another catalogue or of another service: what becomes of its clocks.

What was consumed is kept. Seconds of one calendar are no seconds of another: where a clock changes from round the clock
to working time, or back, the share of its budget that was used up is kept instead. A promise that the case had not
before counts as if the case had been registered so: from its own moment, without the time in which it would have stood
still. Promises that were kept, missed or cancelled stay as they are, and so does an approval that is under way. Work
that is sent back is held to the present terms.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from domain.case.clocks import APPROVE, DEPARTMENT_CLOCKS, EXTENDED_CLOCKS, Clock, ClockRun, counted_times
from domain.case.lifecycle import BEFORE_REPLY, BEFORE_WORK_ENDS, OPEN, PART_AT_WORK, UNSIGNED, Event, PartState, State
from domain.case.progress import LaterTerms
from domain.case.state import CaseState
from domain.catalogue.terms import CLOCKS, Act, ClockName, Priority, Promise, Terms
from domain.kit.event import EventData
from domain.shared.value import omit_default


class Moved(EventData):
    """Promise that is due at another time, or is not measured as before; None: not promised, or not known."""

    clock: str
    serial: int
    due_before: datetime | None
    due_after: datetime | None
    why: tuple[str, ...]
    budget_before: float | None
    budget_after: float | None
    part: int | None = omit_default(None)


def with_priority(terms: Terms, priority: Priority) -> Terms:
    """Mark the priority as given by hand: it stays whatever terms follow."""
    return terms.model_copy(update={"priority": priority, "priority_by_hand": True})


def with_old_priority(old: Terms, new: Terms) -> Terms:
    """Keep the old priority if it was given by hand."""
    return with_priority(new, old.priority) if old.priority_by_hand else new


def changed_terms(old: Terms, new: Terms) -> tuple[str, ...]:
    return tuple(name for name in Terms.model_fields if getattr(old, name) != getattr(new, name))


def moved_promises(case: CaseState, terms: Terms, at: datetime) -> tuple[Moved, ...]:
    before = {clock.serial: clock for clock in case.clocks}
    clocks = _Recount(case, terms, at).clocks(at)
    moved = (_difference(before.get(after.serial), after, case, terms) for after in clocks)
    return tuple(filter(None, moved))


def apply_terms(case: CaseState, terms: Terms, event: Event) -> None:
    """Put the terms that are in the data of this event in force for the case."""
    _put(case, _Recount(case, terms, event.at).clocks(event.at))
    case.terms = terms
    case.later_terms = LaterTerms(seq=event.seq, at=event.at)


def apply_present_terms(case: CaseState, since: datetime) -> None:
    """Apply its terms to the clocks of a case if these came after an instant, while the clocks were set aside."""
    if case.later_terms and case.later_terms.at >= since:
        at = case.later_terms.at
        _put(case, _Recount(case, case.terms, at).clocks(at))


def reinstate_resolve(case: CaseState, *parts: int) -> None:
    """Let `resolve` of these parts count on as if the work had never been completed, under the present terms."""
    recount = _Recount(case, case.terms, case.later_terms.at if case.later_terms else case.registered_at)
    clocks = {clock.serial: clock for clock in case.clocks}
    for part in parts:
        mine = (clock for clock in reversed(case.clocks) if (clock.name, clock.part) == ("resolve", part))
        last = next((clock for clock in mine if clock.cycle == case.cycle and not clock.cancelled), None)
        if last:
            clocks[last.serial] = recount.reinstated(last)
        if not (last and clocks[last.serial].live):
            clocks |= {clock.serial: clock for clock in recount.new([("resolve", part)], len(clocks))}
    _put(case, tuple(clocks.values()))


def _put(case: CaseState, clocks: tuple[Clock, ...]) -> None:
    before = {clock.serial: clock for clock in case.clocks}
    case.clocks = tuple(
        clock if clock == before.get(clock.serial) else clock.model_copy(update={"version": case.version})
        for clock in clocks
    )


class _Recount(NamedTuple):
    """Clocks of a case as these terms have them, in force since an instant."""

    case: CaseState
    terms: Terms
    since: datetime

    def clocks(self, at: datetime) -> tuple[Clock, ...]:
        old = tuple(self._under_terms(clock, at) for clock in self.case.clocks)
        live = {(clock.name, clock.part) for clock in old if clock.live}
        return old + self.new([each for each in _ahead(self.case) if each not in live], len(old))

    def new(self, promised: Iterable[tuple[ClockName, int]], serial: int) -> tuple[Clock, ...]:
        """Clocks for those of the promises, by name and part, that the terms make; their serials follow `serial`."""
        made = [(promise, part) for name, part in promised if (promise := self._promise(name))]
        return tuple(
            self._counted(self.case.new_clock(promise.name, promise, serial + place, part), promise)
            for place, (promise, part) in enumerate(made, start=1)
        )

    def reinstated(self, clock: Clock) -> Clock:
        """Take a promise that was kept as if it had not been; one that the terms lack stays kept.

        It is not missed before the terms are in force.
        """
        promise, stopped_at = self._promise(clock.name), clock.stopped_at
        if stopped_at is None or not (promise or clock.missed_at):
            return clock
        going_on = clock.model_copy(update={"stopped_at": None})
        if promise and not clock.missed_at and (self.since >= stopped_at or not self._is_kept_to(clock, promise)):
            going_on = self._measured(going_on, promise, stopped_at)
        return self._run(going_on, stopped_at)

    def _under_terms(self, clock: Clock, at: datetime) -> Clock:
        calendar = self.case.calendar
        same_calendar = self.terms.calendar == calendar
        if not clock.live:
            return clock
        if clock.missed_at or clock.name == APPROVE:
            return clock if same_calendar else clock.interrupt(at, at, calendar)
        promise = self._promise(clock.name)
        if promise is None:
            return clock.cancel(at, calendar)
        if clock.started_at is None:
            return self._counted(clock, promise)
        # Of clocks that were set aside, the former calendar is not known.
        same_calendar = same_calendar and self.terms is not self.case.terms
        by_calendar = clock.calendar == "working" or clock.extended_days
        if self._is_kept_to(clock, promise) and (same_calendar or not by_calendar):
            return clock
        now = self._measured(clock.pause(at, calendar), promise, at)
        return now.resume(max(at, clock.running_since)) if clock.running_since else now

    def _measured(self, clock: Clock, promise: Promise, at: datetime) -> Clock:
        """Keep what was consumed, or the share of it on another calendar: that of the budget without extensions."""
        before = clock.budget_seconds - clock.extended_seconds
        share = 1 if clock.calendar == promise.calendar else promise.budget_seconds / before
        now = {**self._budget(promise), "consumed_seconds": clock.consumed_seconds * share}
        return self._extended(clock.model_copy(update=now), at)

    def _counted(self, clock: Clock, promise: Promise) -> Clock:
        """As if the case had always had the terms; the clock waits if its moment is still to come.

        It is not missed before the terms are in force: what was used up by then falls due when they are.
        """
        began = _since(self.case, clock.part, promise)
        changes = {
            **self._budget(promise),
            "consumed_seconds": 0.0,
            "started_at": began,
            "running_since": None,
        }
        anew = clock.model_copy(update=changes)
        return self._run(anew, began) if began else self._extended(anew, self.since)

    def _run(self, clock: Clock, began: datetime) -> Clock:
        """Let a paused clock have run since an instant; it is due in the time that used up its budget.

        Times before the terms are in force do not count for that.
        """
        runs: tuple[ClockRun, ...] = ()
        for start, end in counted_times(self.case.standstills, clock.name, clock.part, began, self.since):
            clock = clock.resume(start)
            if end is None:
                break
            if start >= self.since:
                runs += (ClockRun(start, clock.consumed_seconds),)
            clock = clock.pause(end, self.terms.calendar)
        if self._days(clock) != clock.extended_days and clock.missed_at is None:
            clock = self._extended(clock, self.since)
        # A missed clock has noted its runs itself.
        used_up = clock.missed_at is None and clock.consumed_seconds >= clock.budget_seconds
        return clock.model_copy(update={"runs": runs}) if used_up else clock

    def _extended(self, clock: Clock, at: datetime) -> Clock:
        return clock.with_days(self._days(clock), at, self.terms.calendar)

    def _days(self, clock: Clock) -> int:
        """Working days that extensions have given the promise in this cycle."""
        return self.case.extended_days if clock.name in EXTENDED_CLOCKS and not clock.part else 0

    def _is_kept_to(self, clock: Clock, promise: Promise) -> bool:
        """Return True if the clock has the budget and the extensions of the promise."""
        has = (clock.calendar, clock.budget_seconds - clock.extended_seconds, clock.extended_days)
        return has == (promise.calendar, promise.budget_seconds, self._days(clock))

    @staticmethod
    def _budget(promise: Promise) -> dict[str, Any]:
        """Calendar and budget, without extensions, as fields of a clock."""
        budget = promise.model_dump(include={"calendar", "budget_seconds"})
        return {**budget, "extended_seconds": 0, "extended_days": 0}

    def _promise(self, name: str) -> Promise | None:
        return next((promise for promise in self.terms.promises if promise.name == name), None)


def _ahead(case: CaseState) -> Iterator[tuple[ClockName, int]]:
    """Names of the promises that are still to be kept, each with the part, 0 for the case itself."""
    yield from ((name, 0) for name, row in CLOCKS.items() if _is_ahead(case, row.kept_by))
    for part in case.parts:
        if part.cycle == case.cycle and part.state in PART_AT_WORK:
            yield "resolve", part.serial
            if part.state is PartState.DISPATCHED:
                yield "acknowledge", part.serial


def _is_ahead(case: CaseState, act: Act) -> bool:
    match act:
        case "signature":
            return case.state in UNSIGNED and not case.signed_before
        case "arrival":
            return case.state in BEFORE_WORK_ENDS and case.arrived_at is None
        case "work":
            return case.state in BEFORE_WORK_ENDS
        case "reply":
            return case.state in BEFORE_REPLY
        case "follow_up":
            return case.state in OPEN


def _since(case: CaseState, part: int, promise: Promise) -> datetime | None:
    """Instant from which the promise counts in this cycle; None if it is still to come."""
    if part:
        return case.parts[part - 1].involved_at
    if promise.name == "follow_up" and case.follow_up_attempts:
        return case.follow_up_since
    began, hands = case.cycle_began_at or case.registered_at, case.hands
    if promise.name in DEPARTMENT_CLOCKS and len(hands) > 1:
        began, hands = hands[-1], hands[-1:]
    match promise.starts:
        case "registration":
            return began
        case "dispatch":
            waits = promise.name in DEPARTMENT_CLOCKS and case.state is State.PENDING_REDISPATCH
            return hands[0] if hands and not waits else None
        case "reply":
            return case.follow_up_since
        case "decision":
            mine = (each for each in case.decisions if each.cycle == case.cycle and not each.of_credit)
            return next((each.decided_at for each in mine if each.decided_at >= began), None)


def _difference(before: Clock | None, after: Clock, case: CaseState, terms: Terms) -> Moved | None:
    if before == after:
        return None
    due_before = before.due_at(case.calendar) if before else None
    due_after = after.due_at(terms.calendar)
    why = _why(before, after, moved=due_before != due_after)
    if not why:
        return None
    return Moved(
        clock=after.name,
        serial=after.serial,
        due_before=due_before,
        due_after=due_after,
        why=tuple(why),
        budget_before=before.budget_seconds if before else None,
        budget_after=None if after.cancelled else after.budget_seconds,
        part=after.part or None,
    )


def _why(before: Clock | None, after: Clock, *, moved: bool) -> list[str]:
    if before is None:
        return ["promised"]
    if after.cancelled:
        return ["dropped"]
    why = ["budget"] if after.budget_seconds != before.budget_seconds else []
    if after.started_at != before.started_at:
        why.append("started")
    if after.calendar != before.calendar or (moved and not why):
        why.append("calendar")
    return why
