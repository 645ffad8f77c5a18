"""Is it the moment for an action: requests to decide on, terms that have not run out, parts that are still open."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from domain.case.automatic.notice import next_step, own, promise
from domain.case.lifecycle import TABLE, Action, State
from domain.case.parts import PART_TABLE, WORKABLE, Part
from domain.case.state import Record
from domain.case.together import ends_the_wait


class Untimely(NamedTuple):
    """Why it is not the moment: a stable slug, and words."""

    code: str
    message: str


def _out_of_turn(action: Action, record: Record) -> Untimely:
    return Untimely("out_of_turn", f"it is {record.state}, and {action} is not possible now")


def untimely(action: Action, record: Record, at: datetime) -> Untimely | None:
    """Why it is not the moment for this action; None where it is."""
    # A credit that is owed is decided on, however long the case has been closed.
    over = record.finished(at) and action is not Action.DECIDE_CREDIT
    if record.state not in TABLE[action].sources or over:
        return _out_of_turn(action, record)
    moment = _MOMENTS.get(action)
    return moment(record, at) if moment else None


def untimely_for(part: Part, action: Action, record: Record, at: datetime) -> Untimely | None:
    """The same for an action on a part of the case."""
    states = TABLE[action].sources if action in (Action.SEND_BACK, Action.RELEASE) else WORKABLE
    if record.state not in states or record.finished(at):
        return _out_of_turn(action, record)
    if part.state not in PART_TABLE[action].sources:
        what = f"the part of {part.department} is {part.state}, and {action} is not possible now"
        return Untimely("out_of_turn", what)
    if ends_the_wait(part, action, record) and record.state is not State.IN_PROGRESS:
        return Untimely("out_of_turn", f"it is {record.state}; the last part ends when the case is in_progress again")
    return _too_late_to_return(part.involved_at, record, at) if action is Action.RETURN else None


def too_late_to_urge(record: Record, at: datetime) -> Untimely | None:
    """Why the staff cannot urge any more (催办): the promise has expired, and a notice takes the urging's place."""
    clock, urging = promise(record), record.urging
    due = clock.due_at(record.calendar) if clock else None
    if due is None or at < due:
        return None
    step = next_step(record)
    if urging and urging.noticed_at:
        notice = f"went out at {urging.noticed_at.isoformat()}"
    else:
        notice = f"comes at {step.falls_at.isoformat()}" if step else "comes once the case is taken up again"
    what = f"urging is for the time before the expiry, which was at {due.isoformat()}"
    instead = "comment, or have a supervisor supervise (督办)"
    return Untimely("urge_too_late", f"{what}; the written notice (催办通知书) {notice}; {instead}")


def _when_returning(record: Record, at: datetime) -> Untimely | None:
    return _when_working(Action.RETURN)(record, at) or _too_late_to_return(record.dispatched_at, record, at)


def _too_late_to_return(since: datetime | None, record: Record, at: datetime) -> Untimely | None:
    days = record.terms.process.return_within_days
    if since is None or at <= (limit := record.calendar.add(since, days * record.calendar.day_seconds)):
        return None
    return Untimely("return_too_late", f"a return within {days} working days was possible until {limit.isoformat()}")


def _when_asking_for_more(record: Record, at: datetime) -> Untimely | None:
    rules = record.terms.process
    if record.extension is not None:
        return _out_of_turn(Action.REQUEST_EXTENSION, record)
    if record.extensions >= rules.extensions_allowed or rules.extension_max_days == 0:
        return Untimely(
            "extension_used", f"an extension is granted {rules.extensions_allowed} time(s) in a cycle at most"
        )
    clock, days = own(record, "resolve"), rules.extension_notice_days
    due = clock.due_at(record.calendar) if clock else None
    if due is None or record.calendar.add(at, days * record.calendar.day_seconds) > due:
        until = f"it is due at {due.isoformat()}" if due else "no clock for it is running"
        ahead = f"an extension is asked for {days} working day(s) ahead of the expiry of resolve"
        return Untimely("extension_too_late", f"{ahead}, of one that runs round the clock as well; {until}")
    return None


def _when_working(action: Action) -> Callable[[Record, datetime], Untimely | None]:
    """Not once the department has completed the case and only the parts of others are waited for."""

    def moment(record: Record, _: datetime) -> Untimely | None:
        if not record.completed:
            return None
        waited_for = ", ".join(part.department for part in record.unfinished)
        what = f"{record.department} has completed it, it waits for {waited_for}, and {action} is not possible now"
        return Untimely("out_of_turn", what)

    return moment


def _when_completing(record: Record, at: datetime) -> Untimely | None:
    if record.undecided:
        what = f"{record.terms.name} is completed once management has decided on it in cycle {record.cycle}"
        return Untimely("not_approved", f"{what}; ask with request_approval (报批)")
    return _when_working(Action.COMPLETE)(record, at)


def _when_granting_more(record: Record, _: datetime) -> Untimely | None:
    return None if record.extension else _out_of_turn(Action.DECIDE_EXTENSION, record)


def too_late_to_grant(record: Record) -> Untimely | None:
    """Why the extension that was asked for cannot be granted any more: what it would move has passed."""
    clock = own(record, "resolve")
    if clock is None or clock.missed_at is None:
        return None
    expired = f"resolve expired at {clock.missed_at.isoformat()}, and an extension moves nothing any more"
    return Untimely("extension_expired", f"{expired}; it can be rejected (approved: false)")


def _when_supervising(record: Record, _: datetime) -> Untimely | None:
    since = record.supervision
    if since is None or since.cycle != record.cycle:
        return None
    told = f"in cycle {since.cycle} since {since.supervised_at.isoformat()}, and that is said once a cycle"
    return Untimely("already_supervised", f"it is supervised (督办) {told}")


def _when_owing(record: Record, _: datetime) -> Untimely | None:
    return None if record.credits_waiting else Untimely("out_of_turn", "no credit of it waits for a decision")


def _when_releasing(record: Record, at: datetime) -> Untimely | None:
    if any(untimely_for(part, Action.RELEASE, record, at) is None for part in record.unfinished):
        return None
    return Untimely("out_of_turn", "no further department has an open part in it that could be released now")


_MOMENTS: dict[Action, Callable[[Record, datetime], Untimely | None]] = {
    Action.RETURN: _when_returning,
    Action.ARRIVE: _when_working(Action.ARRIVE),
    Action.COMPLETE: _when_completing,
    Action.RELEASE: _when_releasing,
    Action.SUPERVISE: _when_supervising,
    Action.REQUEST_EXTENSION: _when_asking_for_more,
    Action.DECIDE_EXTENSION: _when_granting_more,
    Action.DECIDE_CREDIT: _when_owing,
}
"""The actions that have their time within a state: a request to decide on, a term that has not run out."""
