"""What lateness brings by itself: a written notice (催办通知书), then criticism (通报批评); each once in a cycle.

Both are about a promise of the case's own: `resolve`, and once the work is done, or where it was not promised, `reply`.
They count only while it is missed and runs on: a case that waits for its caller is not pressed. Urging (催办) by staff
has its time before that.
"""

from datetime import datetime
from typing import Any, NamedTuple

from domain.calendar.work_calendar import WorkCalendar, usual_zone
from domain.case.clocks import MISS, Clock
from domain.case.events import Event
from domain.case.lifecycle import CRITICISE, NOTICE, State
from domain.case.parts import AT_WORK
from domain.case.state import Record, Supervision, Urging
from domain.catalogue.terms import CalendarKind, ClockName

DOCUMENT_ZH = {NOTICE: "催办通知书", CRITICISE: "通报批评"}
DOCUMENT_EN = {NOTICE: "notice of urging", CRITICISE: "public criticism"}
"""What each of them is called, as the documents that they are."""
KEPT_EN = {"resolve": "settled", "reply": "replied to"}
"""What would keep the promise that they are about."""


class Step(NamedTuple):
    """What is next, when it falls due, and what the event of it says."""

    falls_at: datetime
    action: str
    data: dict[str, Any]


def own(record: Record, name: ClockName) -> Clock | None:
    """The case's own promise of this name, of the present cycle, while it is not kept."""
    mine = (clock for clock in reversed(record.clocks) if clock.name == name and not clock.part)
    return next((clock for clock in mine if clock.cycle == record.cycle and clock.live), None)


def promise(record: Record) -> Clock | None:
    """The one that is pressed: to settle the matter, and where that is done or was not promised, to reply.

    Once somebody is pressed for one, it is that one until it is kept.
    """
    pressed = record.urging and record.urging.clock_serial
    same = next((clock for clock in record.clocks if clock.serial == pressed and clock.live), None)
    return same or own(record, "resolve") or own(record, "reply")


def next_step(record: Record, at: datetime | None = None) -> Step | None:
    """The notice or the criticism that comes next; None where neither does, or the time towards it stands still.

    Args:
        record: the case.
        at: when it goes out, where that is known; what a notice demands is counted from then.
    """
    urging, clock = record.urging, promise(record)
    falls_at = urging.countdown.instant_of(MISS, record.calendar) if urging and urging.countdown else None
    if not (urging and urging.countdown and falls_at and clock and clock.missed_at):
        return None
    data = {
        "clock": clock.name,
        "serial": clock.serial,
        "due_at": clock.missed_at.isoformat(),
        "fell_at": falls_at.isoformat(),
        "service": {"name": record.terms.name, "name_zh": record.terms.name_zh},
        "registered_at": record.registered_at.isoformat(),
        "owner": record.owner,
        "addressees": _late(record),
        "general_manager": record.terms.persons(None).get("general_manager"),
        "issuer": _issuer(record),
        **({} if usual_zone(zone := record.calendar.timezone) else {"timezone": zone}),
    }
    if urging.notice_seq is None:
        return Step(falls_at, NOTICE, data | {"deadline_at": _deadline_at(record, at or falls_at)})
    return Step(falls_at, CRITICISE, data | {"notice": urging.notice_seq, "noticed_at": _text(urging.noticed_at)})


def keep(record: Record, event: Event) -> None:
    """Let the watch run, stand and stop with the promise that it belongs to, after the event's own effect."""
    rules, clock, urging = record.terms.process.urging, promise(record), record.urging
    anew = urging is None or (clock and urging.clock_serial != clock.serial and not _noticed_now(record, urging))
    if clock and clock.missed_at and anew:
        watch = _watch(clock.serial, rules.calendar, rules.notice_seconds, _late_since(record, clock, clock.missed_at))
        record.urging = Urging(clock_serial=clock.serial, countdown=watch)
    elif urging and urging.countdown:
        mine = clock if clock and clock.serial == urging.clock_serial else None
        record.urging = urging.model_copy(
            update={"countdown": _alongside(urging.countdown, mine, event.at, record.calendar)}
        )


def give_notice(record: Record, event: Event) -> None:
    """The notice goes out; the criticism is counted towards from now on, where the rules have one."""
    serial, seconds = int(event.data["serial"]), _criticism_seconds(record)
    watch = _watch(serial, "working", seconds, event.at) if seconds else None
    record.flags = record.with_flags("noticed")
    record.urging = Urging(clock_serial=serial, countdown=watch, notice_seq=event.seq, noticed_at=event.at)


def criticise(record: Record, _: Event) -> None:
    """The criticism goes out: the last thing that the cycle brings by itself."""
    record.flags = record.with_flags("criticised")
    if record.urging:
        record.urging = record.urging.model_copy(update={"countdown": None})


def supervise(record: Record, event: Event) -> None:
    """The case is under a supervisor's eyes, for the cycle that the event belongs to."""
    record.flags = record.with_flags("supervised")
    record.supervision = Supervision(cycle=event.cycle, supervised_at=event.at)


def _noticed_now(record: Record, urging: Urging) -> bool:
    """Whether the notice of the present cycle has gone out, whichever promise it was about."""
    about = (clock for clock in record.clocks if clock.serial == urging.clock_serial)
    return urging.notice_seq is not None and any(clock.cycle == record.cycle for clock in about)


def _late_since(record: Record, clock: Clock, missed_at: datetime) -> datetime:
    """Since when somebody is pressed for it: to reply, since the work was done, where that was later than the miss."""
    settled = (each for each in record.clocks if each.name == "resolve" and not each.part and clock.name == "reply")
    done = (each.stopped_at for each in settled if each.cycle == record.cycle and each.stopped_at)
    return max((missed_at, *done))


def _watch(serial: int, calendar: CalendarKind, seconds: float, since: datetime) -> Clock:
    watch = Clock(serial=serial, name="resolve", cycle=1, calendar=calendar, budget_seconds=seconds)
    return watch.start(since)


def _alongside(watch: Clock, clock: Clock | None, at: datetime, calendar: WorkCalendar) -> Clock:
    """The watch as its promise goes: over, paused, or running, which it may do as if it had never been stopped."""
    if clock is None:
        return watch.stop(at, calendar)
    watch = watch.reinstate()
    return watch.pause(at, calendar) if clock.paused else watch.resume(at)


def _criticism_seconds(record: Record) -> int:
    return record.terms.process.urging.criticism_days * record.calendar.day_seconds


def _deadline_at(record: Record, noticed_at: datetime) -> str | None:
    seconds = _criticism_seconds(record)
    return _text(record.calendar.add(noticed_at, seconds)) if seconds else None


def _late(record: Record) -> list[dict[str, str | None]]:
    """Whose work is waited for: nobody's while the case is with no department."""
    if record.department is None or record.state is State.PENDING_REDISPATCH:
        return []
    if not record.completed:
        return [_addressee(record, record.department, record.assignee)]
    return [_addressee(record, part.department, part.assignee) for part in record.parts if part.state in AT_WORK]


def _addressee(record: Record, department: str, assignee: str | None) -> dict[str, str | None]:
    unit = record.terms.unit(department).model_dump(exclude={"code"})
    return {"department": department, "assignee": assignee, **unit}


def _issuer(record: Record) -> dict[str, str] | None:
    house = record.terms.organisation
    return {"name": house.name, "name_zh": house.name_zh} if house else None


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
