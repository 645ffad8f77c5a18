"""New terms of a case, of another catalogue or of another service: what becomes of its clocks.

What was consumed is kept. Seconds of one calendar are no seconds of another: where a clock changes from round the clock
to working time, or back, the share of its budget that was used up is kept instead. A promise that the case had not
before counts as if the case had been registered so: from its own moment, without the time in which it would have stood
still. Promises that were kept, missed or cancelled stay as they are, and so does an approval that is under way. Work
that is sent back is held to the present terms.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from domain.calendar.work_calendar import WorkCalendar
from domain.case.clocks import APPROVE, DEPARTMENT_CLOCKS, EXTENDED_CLOCKS, Clock, ClockRun, counted_times
from domain.case.events import Event
from domain.case.lifecycle import BEFORE_REPLY, BEFORE_WORK_ENDS, OPEN, UNSIGNED, State
from domain.case.parts import PART_AT_WORK, PartState
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
    """Return the terms with a priority that was given by hand, which stays whatever terms follow."""
    return terms.model_copy(update={"priority": priority, "priority_by_hand": True})


def held_to(old: Terms, new: Terms) -> Terms:
    """Return the new terms as a case takes them: a priority that was given by hand stays."""
    return with_priority(new, old.priority) if old.priority_by_hand else new


def changed_terms(old: Terms, new: Terms) -> tuple[str, ...]:
    return tuple(name for name in Terms.model_fields if getattr(old, name) != getattr(new, name))


def moved_promises(case: CaseState, terms: Terms, at: datetime) -> tuple[Moved, ...]:
    before = {clock.serial: clock for clock in case.clocks}
    moved = (_difference(before.get(after.serial), after, case, terms) for after in _clocks(case, terms, at))
    return tuple(filter(None, moved))


def hold_to(case: CaseState, terms: Terms, event: Event) -> None:
    """Hold the case to the terms that are in the data of this event, from now on."""
    _put(case, _clocks(case, terms, event.at))
    case.terms = terms
    case.later_terms = LaterTerms(seq=event.seq, at=event.at)


def hold_to_present(case: CaseState, since: datetime) -> None:
    """Hold the clocks of a case to its terms if these came after an instant, while the clocks were set aside."""
    if case.later_terms and case.later_terms.at >= since:
        _put(case, _clocks(case, case.terms, case.later_terms.at))


def reinstate_resolve(case: CaseState, *parts: int) -> None:
    """Let `resolve` of these parts count on as if the work had never been completed, under the present terms."""
    clocks = {clock.serial: clock for clock in case.clocks}
    for part in parts:
        mine = (clock for clock in reversed(case.clocks) if (clock.name, clock.part) == ("resolve", part))
        last = next((clock for clock in mine if clock.cycle == case.cycle and not clock.cancelled), None)
        if last:
            clocks[last.serial] = _reinstated(case, last)
        if not (last and clocks[last.serial].live):
            since = case.later_terms.at if case.later_terms else None
            clocks |= {clock.serial: clock for clock in _new(case, [("resolve", part)], case.terms, since, len(clocks))}
    _put(case, tuple(clocks.values()))


def _put(case: CaseState, clocks: tuple[Clock, ...]) -> None:
    """Take these clocks, and note the version on those that changed."""
    before = {clock.serial: clock for clock in case.clocks}
    case.clocks = tuple(
        clock if clock == before.get(clock.serial) else clock.model_copy(update={"version": case.version})
        for clock in clocks
    )


def _clocks(case: CaseState, terms: Terms, at: datetime) -> tuple[Clock, ...]:
    kept = tuple(_kept(case, clock, terms, at) for clock in case.clocks)
    live = {(clock.name, clock.part) for clock in kept if clock.live}
    return kept + _new(case, [each for each in _ahead(case) if each not in live], terms, at, len(kept))


def _kept(case: CaseState, clock: Clock, terms: Terms, at: datetime) -> Clock:
    if not clock.live:
        return clock
    if clock.missed_at or clock.name == APPROVE:
        return clock if terms.calendar == case.calendar else clock.interrupt(at, at, case.calendar)
    promise = _promise(terms, clock.name)
    if promise is None:
        return clock.cancel(at, case.calendar)
    if clock.started_at is None:
        return _counted(case, clock, promise, terms, at)
    measured_alike = clock.calendar == "always" or terms.calendar == case.calendar
    budget = _budget(case, clock.part, promise, terms)
    if measured_alike and (clock.calendar, clock.budget_seconds) == (promise.calendar, budget):
        return clock
    now = _measured(clock.pause(at, case.calendar), promise, budget)
    return now.resume(max(at, clock.running_since)) if clock.running_since else now


def _measured(clock: Clock, promise: Promise, budget: float) -> Clock:
    """Return a clock of another budget: it keeps what was consumed, or the share of it on another calendar."""
    same = clock.calendar == promise.calendar
    consumed = clock.consumed_seconds * (1 if same else budget / clock.budget_seconds)
    changes = {"calendar": promise.calendar, "budget_seconds": budget, "consumed_seconds": consumed}
    return clock.model_copy(update=changes)


def _reinstated(case: CaseState, clock: Clock) -> Clock:
    """Return a promise that was kept as if it had not been; one that the present terms lack stays kept.

    It is not missed before the terms are in force.
    """
    promise, stopped_at = _promise(case.terms, clock.name), clock.stopped_at
    if stopped_at is None or not (promise or clock.missed_at):
        return clock
    terms_since = case.later_terms.at if case.later_terms else None
    going_on = clock.model_copy(update={"stopped_at": None})
    if promise and not clock.missed_at:
        going_on = _measured(going_on, promise, _budget(case, clock.part, promise, case.terms))
    return _run(case, going_on, stopped_at, terms_since, case.calendar)


def _new(
    case: CaseState,
    promised: Iterable[tuple[ClockName, int]],
    terms: Terms,
    terms_since: datetime | None,
    serial: int,
) -> tuple[Clock, ...]:
    """Return clocks for those of the promises, by name and part, that these terms make; their serials follow."""
    made = [(promise, part) for name, part in promised if (promise := _promise(terms, name))]
    return tuple(
        _counted(case, case.new_clock(promise.name, promise, serial + place, part), promise, terms, terms_since)
        for place, (promise, part) in enumerate(made, start=1)
    )


def _counted(case: CaseState, clock: Clock, promise: Promise, terms: Terms, terms_since: datetime | None) -> Clock:
    """Return the clock as if the case had always had these terms; it waits if its moment is still to come.

    It is not missed before the terms are in force: what was used up by then falls due at `terms_since`.
    """
    since = _since(case, clock.part, promise)
    changes = {
        "calendar": promise.calendar,
        "budget_seconds": _budget(case, clock.part, promise, terms),
        "consumed_seconds": 0.0,
        "started_at": since,
        "running_since": None,
    }
    anew = clock.model_copy(update=changes)
    return _run(case, anew, since, terms_since, terms.calendar) if since else anew


def _run(case: CaseState, clock: Clock, since: datetime, terms_since: datetime | None, calendar: WorkCalendar) -> Clock:
    """Return a paused clock after it has run since an instant; it is due in the time that used up its budget.

    Times before `terms_since` do not count for that.
    """
    runs: tuple[ClockRun, ...] = ()
    for start, end in counted_times(case.standstills, clock.name, clock.part, since, terms_since):
        clock = clock.resume(start)
        if end is None:
            break
        if terms_since is None or start >= terms_since:
            runs += (ClockRun(start, clock.consumed_seconds),)
        clock = clock.pause(end, calendar)
    # A missed clock has noted its runs itself.
    used_up = clock.missed_at is None and clock.consumed_seconds >= clock.budget_seconds
    return clock.model_copy(update={"runs": runs}) if used_up else clock


def _budget(case: CaseState, part: int, promise: Promise, terms: Terms) -> float:
    """Return the seconds of a promise with what extensions have added: as many days as its calendar has for them."""
    days = case.extended_days if promise.name in EXTENDED_CLOCKS and not part else 0
    return promise.budget_seconds + days * terms.day_seconds(promise.calendar)


def _ahead(case: CaseState) -> Iterator[tuple[ClockName, int]]:
    """Return what is still to be done: the names of the promises, each with the part, 0 for the case itself."""
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
    """Return the instant from which the promise counts in this cycle; None if it is still to come."""
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


def _promise(terms: Terms, name: str) -> Promise | None:
    return next((promise for promise in terms.promises if promise.name == name), None)
