"""Urging of a late case: the countdown to the written notice (催办通知书), then to the criticism (通报批评).

Both are about a promise of the case's own: `resolve`, and once the work is done, or where it was not promised, `reply`.
The countdown runs only while that promise is missed and runs on: nobody is urged while a case waits for its caller.
"""

from datetime import datetime

from domain.calendar.work_calendar import WorkCalendar
from domain.case.clocks import Clock
from domain.case.progress import Urging
from domain.case.state import CaseState
from domain.catalogue.terms import MISS, URGED, CalendarKind


def urged_clock(case: CaseState) -> Clock | None:
    """Return the promise that somebody is urged to keep: to settle the matter; if done or not promised, to reply.

    Once it is one of them, it is that one until it is kept.
    """
    urged = case.urging and case.urging.clock_serial
    same = next((clock for clock in case.clocks if clock.serial == urged and clock.live), None)
    return same or next(filter(None, map(case.live_clock, URGED)), None)


def countdown_ends_at(case: CaseState) -> datetime | None:
    """Return when the notice or the criticism falls due; None if neither does, or the countdown stands still."""
    urging, clock = case.urging, urged_clock(case)
    if not (urging and urging.countdown and clock and clock.missed_at):
        return None
    return urging.countdown.instant_of(MISS, case.calendar)


def run_countdown(case: CaseState, at: datetime) -> None:
    rules, clock, urging = case.terms.process.urging, urged_clock(case), case.urging
    anew = urging is None or (clock and urging.clock_serial != clock.serial and not _noticed_now(case, urging))
    if clock and clock.missed_at and anew:
        # A promise that comes to be urged while it is paused was not urged before: its time counts from the resumption.
        since = at if clock.paused else _late_since(case, clock, clock.missed_at)
        started = start_countdown(clock.serial, rules.calendar, rules.notice_seconds, since)
        countdown = _alongside(started, clock, at, case.calendar)
        case.urging = Urging(clock_serial=clock.serial, countdown=countdown)
    elif urging and urging.countdown:
        mine = clock if clock and clock.serial == urging.clock_serial else None
        countdown = _alongside(urging.countdown, mine, at, case.calendar)
        case.urging = urging.model_copy(update={"countdown": countdown})


def start_countdown(serial: int, calendar: CalendarKind, seconds: float, since: datetime) -> Clock:
    return Clock(serial=serial, name="resolve", cycle=1, calendar=calendar, budget_seconds=seconds).start(since)


def criticism_seconds(case: CaseState) -> int:
    """Return the working seconds from the notice to the criticism; 0 if the rules have none."""
    return case.terms.process.urging.criticism_days * case.calendar.day_seconds


def _noticed_now(case: CaseState, urging: Urging) -> bool:
    """Return True if the notice of the current cycle has gone out, for whichever promise."""
    about = (clock for clock in case.clocks if clock.serial == urging.clock_serial)
    return urging.notice_seq is not None and any(clock.cycle == case.cycle for clock in about)


def _late_since(case: CaseState, clock: Clock, missed_at: datetime) -> datetime:
    """Return since when somebody is urged: to reply, since the work was done, if that was later than the miss."""
    settled = (each for each in case.clocks if each.name == "resolve" and not each.part and clock.name == "reply")
    done = (each.stopped_at for each in settled if each.cycle == case.cycle and each.stopped_at)
    return max((missed_at, *done))


def _alongside(countdown: Clock, clock: Clock | None, at: datetime, calendar: WorkCalendar) -> Clock:
    """Return the countdown as its promise goes: over, paused, or running as if it had never been stopped."""
    if clock is None:
        return countdown.stop(at, calendar)
    countdown = countdown.reinstate()
    return countdown.pause(at, calendar) if clock.paused else countdown.resume(at)
