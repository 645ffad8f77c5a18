"""New terms of a case, of another catalogue or of another service: what becomes of its clocks.

What was consumed is kept. Seconds of one calendar are no seconds of another: where a clock changes from round the clock
to working time, or back, the share of its budget that was used up is kept instead. Promises that were kept, missed or
cancelled stay as they are, and so does an approval that is under way.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from domain.case.clocks import APPROVE, DEPARTMENT, Clock
from domain.case.events import Event
from domain.case.lifecycle import BEFORE_REPLY, OPEN, TO_DISPATCH, State
from domain.case.progress import LaterTerms
from domain.case.state import CaseState
from domain.catalogue.terms import ClockName, Priority, Promise, Terms
from domain.shared.event import EventData

_TO_SIGN = TO_DISPATCH | {State.DISPATCHED}
_AHEAD: dict[ClockName, AbstractSet[State]] = {
    "acknowledge": _TO_SIGN,
    "arrive": BEFORE_REPLY - {State.PENDING_REPLY},
    "resolve": BEFORE_REPLY - {State.PENDING_REPLY},
    "reply": BEFORE_REPLY,
    "follow_up": OPEN,
}
"""The states in which what a clock promises is still to be done, so that it may be promised anew."""


class Moved(EventData):
    """Promise that is due at another time, or is not measured as before; None: not promised, or not known."""

    clock: str
    serial: int
    due_before: datetime | None
    due_after: datetime | None
    why: tuple[str, ...]
    budget_before: float | None
    budget_after: float | None
    part: int | None = None


def with_priority(terms: Terms, priority: Priority) -> Terms:
    """Return the terms with a priority that was given by hand, which stays whatever terms follow."""
    return terms.model_copy(update={"priority": priority, "priority_by_hand": True})


def held_to(old: Terms, new: Terms) -> Terms:
    """Return the new terms as a case takes them: a priority that was given by hand stays."""
    return with_priority(new, old.priority) if old.priority_by_hand else new


def changed_terms(old: Terms, new: Terms) -> tuple[str, ...]:
    """Return the names of the terms that differ."""
    return tuple(name for name in Terms.model_fields if getattr(old, name) != getattr(new, name))


def moved_promises(case: CaseState, terms: Terms, at: datetime) -> tuple[Moved, ...]:
    """Return each promise that is due at another time, or is not measured as before."""
    before = {clock.serial: clock for clock in case.clocks}
    return tuple(
        moved
        for after in _clocks(case, terms, at)
        if (moved := _difference(before.get(after.serial), after, case, terms)) is not None
    )


def hold_to(case: CaseState, terms: Terms, event: Event) -> None:
    """Hold the case to the terms that are in the data of this event, from now on."""
    before = {clock.serial: clock for clock in case.clocks}
    case.clocks = tuple(
        clock if clock == before.get(clock.serial) else clock.model_copy(update={"version": case.version})
        for clock in _clocks(case, terms, event.at)
    )
    case.terms = terms
    case.later_terms = LaterTerms(seq=event.seq, at=event.at)


def _clocks(case: CaseState, terms: Terms, at: datetime) -> tuple[Clock, ...]:
    """Return the clocks as they are under these terms, the new ones last."""
    kept = tuple(_kept(case, clock, terms, at) for clock in case.clocks)
    return kept + _opened(case, terms, at, len(kept))


def _kept(case: CaseState, clock: Clock, terms: Terms, at: datetime) -> Clock:
    if not clock.live or clock.missed_at or clock.name == APPROVE:
        return clock
    old, new = _promise(case.terms, clock.name), _promise(terms, clock.name)
    if new is None or old is None:
        return clock.cancel(at, case.calendar)
    budget = new.budget_seconds + _extra(case, clock, old, new, terms)
    if clock.started_at is None:
        # What it starts with may have been already, if that is another moment now.
        since = _since(case, new, at) if new.starts != old.starts and not clock.part else None
        waiting = clock.model_copy(update={"calendar": new.calendar, "budget_seconds": budget})
        return _begun(case, waiting, since, terms, at) if since else waiting
    measured_alike = new.calendar == "always" or terms.calendar == case.calendar
    if clock.calendar == new.calendar and measured_alike and budget == clock.budget_seconds:
        return clock
    consumed = clock.elapsed(at, case.calendar)
    if clock.calendar != new.calendar:
        consumed *= budget / clock.budget_seconds
    changes = {"calendar": new.calendar, "budget_seconds": budget, "consumed_seconds": consumed}
    return clock.model_copy(update={**changes, "running_since": clock.running_since and at})


def _extra(case: CaseState, clock: Clock, old: Promise, new: Promise, terms: Terms) -> float:
    """Return what extensions have added, in seconds of the new calendar: a day is worth there what a day is worth."""
    granted = clock.budget_seconds - old.budget_seconds
    return granted and granted * _day(terms, new) / _day(case.terms, old)


def _day(terms: Terms, promise: Promise) -> int:
    return terms.process.day_seconds if promise.calendar == "always" else terms.calendar.day_seconds


def _opened(case: CaseState, terms: Terms, at: datetime, serial: int) -> tuple[Clock, ...]:
    """Return clocks for new promises that are still to be kept, counted from when they would have begun."""
    now = [clock for clock in case.clocks if clock.cycle == case.cycle and not clock.part and not clock.cancelled]
    there = {clock.name for clock in now} | {promise.name for promise in case.terms.promises}
    new = [each for each in terms.promises if each.name not in there and _is_ahead(case, each.name)]
    return tuple(
        _begun(
            case,
            case.new_clock(promise.name, promise, serial + place),
            _since(case, promise, at),
            terms,
            at,
        )
        for place, promise in enumerate(new, start=1)
    )


def _is_ahead(case: CaseState, name: ClockName) -> bool:
    """Return True if what is promised is still to be done, by the department that has the case."""
    there = case.arrived_at and case.dispatched_at and case.arrived_at >= case.dispatched_at
    return case.state in _AHEAD[name] and not (name == "arrive" and there)


def _begun(case: CaseState, clock: Clock, since: datetime | None, terms: Terms, at: datetime) -> Clock:
    """Return the clock as if it had started at `since`; it waits if that is None.

    How long the case has stood still is known from a clock that started at that very moment, if there is one.
    """
    if since is None:
        return clock
    started = clock.start(since)
    alike = (
        other for other in case.clocks if other.live and other.started_at == since and other.calendar == clock.calendar
    )
    twin = next((other for other in alike if not other.part), None)
    consumed = twin.elapsed(at, case.calendar) if twin else started.elapsed(at, terms.calendar)
    still = case.state is State.SUSPENDED or (case.state is State.AWAITING_APPROVAL and clock.name in DEPARTMENT)
    return started.model_copy(update={"consumed_seconds": consumed, "running_since": None if still else at})


def _since(case: CaseState, promise: Promise, at: datetime) -> datetime | None:
    """Return the instant from which the promise counts in this cycle; None if it is still to come."""
    began = min(
        (clock.started_at for clock in case.clocks if clock.cycle == case.cycle and clock.started_at), default=None
    )
    match promise.starts:
        case "registration":
            return case.registered_at if case.cycle == 1 else began or case.dispatched_at
        case "dispatch":
            return None if case.state is State.PENDING_REDISPATCH else case.dispatched_at
        case "reply":
            replied = (clock.stopped_at for clock in reversed(case.clocks) if clock.name == "reply")
            return (next(replied, None) or at) if case.state is State.PENDING_FOLLOW_UP else None
        case "decision":
            decided = case.decisions[-1].decided_at if case.decisions else None
            return decided if decided and began and decided >= began else None


def _difference(before: Clock | None, after: Clock, case: CaseState, terms: Terms) -> Moved | None:
    if before == after:
        return None
    due_before = before.due_at(case.calendar) if before else None
    due_after = after.due_at(terms.calendar)
    why = _why(before, after, moved=due_before != due_after)
    if not why:
        return None
    part: dict[str, Any] = {"part": after.part} if after.part else {}
    return Moved(
        clock=after.name,
        serial=after.serial,
        due_before=due_before,
        due_after=due_after,
        why=tuple(why),
        budget_before=before.budget_seconds if before else None,
        budget_after=None if after.cancelled else after.budget_seconds,
        **part,
    )


def _why(before: Clock | None, after: Clock, *, moved: bool) -> list[str]:
    if before is None:
        return ["promised"]
    if after.cancelled:
        return ["dropped"]
    why = ["budget"] if after.budget_seconds != before.budget_seconds else []
    if after.calendar != before.calendar or (moved and not why):
        why.append("started" if before.started_at is None and after.started_at else "calendar")
    return why


def _promise(terms: Terms, name: str) -> Promise | None:
    return next((promise for promise in terms.promises if promise.name == name), None)
