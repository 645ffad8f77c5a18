"""Another catalogue is put in force (改用新服务目录): what becomes of the promises of a case that is running.

What was consumed is kept. Seconds of one calendar are no seconds of another: where a clock changes from round the clock
to working time, or back, the share of its budget that was used up is kept instead. Promises that were kept, missed or
cancelled stay as they are, and so does an approval that is under way.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from domain.case.clocks import APPROVE, DEPARTMENT, Clock
from domain.case.events import Event
from domain.case.lifecycle import OPEN, State
from domain.case.state import CatalogueChange, Record
from domain.catalogue.terms import ClockName, Edition, Promise, Terms, Value

_TO_SIGN = frozenset({State.REGISTERED, State.DISPATCHED, State.PENDING_REDISPATCH})
_AHEAD: dict[ClockName, AbstractSet[State]] = {
    # Whether the crew has arrived is not known where nobody had promised it: no clock for what may lie behind.
    "acknowledge": _TO_SIGN,
    "arrive": _TO_SIGN,
    "resolve": OPEN - {State.PENDING_REPLY, State.PENDING_FOLLOW_UP},
    "reply": OPEN - {State.PENDING_FOLLOW_UP},
    "follow_up": OPEN,
}
"""The states in which what a clock promises is still to be done, so that it may be promised anew."""

SAME_TERMS = "same_terms"
"""The answer of a case that nothing changes for."""


class NewTerms(Value):
    """What a case is told: the terms that it would have under the catalogue, and which catalogue that is."""

    terms: Terms
    edition: Edition


def held_to(old: Terms, new: Terms) -> Terms:
    """The new terms as this case takes them: a priority that was given by hand at intake stays."""
    return new.model_copy(update={"priority": old.priority, "priority_by_hand": True}) if old.priority_by_hand else new


def facts(record: Record, new: NewTerms, at: datetime) -> dict[str, Any]:
    """What the event says: the terms, whose they are, what differs in them, and each due time that moved, with why."""
    old, terms = record.terms, held_to(record.terms, new.terms)
    return {
        "catalogue": new.edition.model_dump(mode="json"),
        "terms": terms.model_dump(mode="json"),
        "changed": [name for name in Terms.model_fields if getattr(old, name) != getattr(terms, name)],
        "moved": _moved(record, terms, at),
    }


def hold_to(record: Record, event: Event) -> None:
    """The effect: from now on the case is held to the terms of the event."""
    terms = Terms.model_validate(event.data["terms"])
    before = {clock.serial: clock for clock in record.clocks}
    record.clocks = tuple(
        clock if clock == before.get(clock.serial) else clock.model_copy(update={"version": record.version})
        for clock in _clocks(record, terms, event.at)
    )
    record.terms = terms
    record.catalogue_change = CatalogueChange(
        seq=event.seq, at=event.at, catalogue=Edition.model_validate(event.data["catalogue"])
    )


def _clocks(record: Record, terms: Terms, at: datetime) -> tuple[Clock, ...]:
    """The clocks as they are under these terms, the new ones last."""
    kept = tuple(_kept(record, clock, terms, at) for clock in record.clocks)
    return kept + _opened(record, terms, at, len(kept))


def _kept(record: Record, clock: Clock, terms: Terms, at: datetime) -> Clock:
    if not clock.live or clock.missed_at or clock.name == APPROVE:
        return clock
    old, new = _promise(record.terms, clock.name), _promise(terms, clock.name)
    if new is None or old is None:
        return clock.cancel(at, record.calendar)
    budget = new.budget_seconds + _extra(record, clock, old, new, terms)
    if clock.started_at is None:
        # What it starts with may have been already, if that is another moment now.
        since = _since(record, new, at) if new.starts != old.starts and not clock.part else None
        waiting = clock.model_copy(update={"calendar": new.calendar, "budget_seconds": budget})
        return _begun(record, waiting, since, terms, at) if since else waiting
    measured_alike = new.calendar == "always" or terms.calendar == record.calendar
    if clock.calendar == new.calendar and measured_alike and budget == clock.budget_seconds:
        return clock
    consumed = clock.elapsed(at, record.calendar)
    if clock.calendar != new.calendar:
        consumed *= budget / clock.budget_seconds
    changes = {"calendar": new.calendar, "budget_seconds": budget, "consumed_seconds": consumed}
    return clock.model_copy(update={**changes, "running_since": clock.running_since and at})


def _extra(record: Record, clock: Clock, old: Promise, new: Promise, terms: Terms) -> float:
    """What extensions have added, in seconds of the new calendar: a day is worth there what a day is worth."""
    granted = clock.budget_seconds - old.budget_seconds
    return granted and granted * _day(terms, new) / _day(record.terms, old)


def _day(terms: Terms, promise: Promise) -> int:
    return terms.process.day_seconds if promise.calendar == "always" else terms.calendar.day_seconds


def _opened(record: Record, terms: Terms, at: datetime, serial: int) -> tuple[Clock, ...]:
    """Clocks for what was not promised before and is still to be done, counted from when they would have begun."""
    now = [clock for clock in record.clocks if clock.cycle == record.cycle and not clock.part and not clock.cancelled]
    there = {clock.name for clock in now} | {promise.name for promise in record.terms.promises}
    new = [each for each in terms.promises if each.name not in there and record.state in _AHEAD[each.name]]
    return tuple(
        _begun(
            record,
            Clock(
                serial=serial + place,
                name=promise.name,
                cycle=record.cycle,
                calendar=promise.calendar,
                budget_seconds=promise.budget_seconds,
            ),
            _since(record, promise, at),
            terms,
            at,
        )
        for place, promise in enumerate(new, start=1)
    )


def _begun(record: Record, clock: Clock, since: datetime | None, terms: Terms, at: datetime) -> Clock:
    """The clock as if it had started at `since`; it waits where that is None.

    How long the case has stood still is known from a clock that started at that very moment, where there is one.
    """
    if since is None:
        return clock
    started = clock.start(since)
    alike = (
        other
        for other in record.clocks
        if other.live and other.started_at == since and other.calendar == clock.calendar
    )
    twin = next((other for other in alike if not other.part), None)
    consumed = twin.elapsed(at, record.calendar) if twin else started.elapsed(at, terms.calendar)
    still = record.state is State.SUSPENDED or (record.state is State.AWAITING_APPROVAL and clock.name in DEPARTMENT)
    return started.model_copy(update={"consumed_seconds": consumed, "running_since": None if still else at})


def _since(record: Record, promise: Promise, at: datetime) -> datetime | None:
    """The moment from which the promise counts in this cycle; None where it is still to come."""
    began = min(
        (clock.started_at for clock in record.clocks if clock.cycle == record.cycle and clock.started_at), default=None
    )
    match promise.starts:
        case "registration":
            return record.registered_at if record.cycle == 1 else began or record.dispatched_at
        case "dispatch":
            return None if record.state is State.PENDING_REDISPATCH else record.dispatched_at
        case "reply":
            replied = (clock.stopped_at for clock in reversed(record.clocks) if clock.name == "reply")
            return (next(replied, None) or at) if record.state is State.PENDING_FOLLOW_UP else None
        case "decision":
            decided = record.decisions[-1].decided_at if record.decisions else None
            return decided if decided and began and decided >= began else None


def _moved(record: Record, terms: Terms, at: datetime) -> list[dict[str, Any]]:
    """Each promise that is due at another time, or is not measured as before."""
    before = {clock.serial: clock for clock in record.clocks}
    return [
        told
        for after in _clocks(record, terms, at)
        if (told := _told(before.get(after.serial), after, record, terms)) is not None
    ]


def _told(before: Clock | None, after: Clock, record: Record, terms: Terms) -> dict[str, Any] | None:
    if before == after:
        return None
    dues = (before and before.due_at(record.calendar), after.due_at(terms.calendar))
    why = _why(before, after, moved=dues[0] != dues[1])
    if not why:
        return None
    told = {
        "clock": after.name,
        "serial": after.serial,
        "due_before": dues[0] and dues[0].isoformat(),
        "due_after": dues[1] and dues[1].isoformat(),
        "why": why,
        "budget_before": before and before.budget_seconds,
        "budget_after": None if after.cancelled else after.budget_seconds,
    }
    return {**told, "part": after.part} if after.part else told


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
