"""What an event does to a case: clocks start, pause and stop, and the record follows. No rule is decided here."""

from collections.abc import Callable
from datetime import datetime

from domain.case.approvals import ask, take
from domain.case.automatic.catalogue_change import hold_to
from domain.case.automatic.credit import note_act, owe, take_word
from domain.case.automatic.notice import criticise, give_notice, keep, supervise
from domain.case.automatic.settle import linked, wait_for_it
from domain.case.clocks import DEPARTMENT
from domain.case.events import Event
from domain.case.findings import note_findings
from domain.case.ledger import Change, cancel, change, open_clocks, pause, reinstate, start, stop
from domain.case.lifecycle import (
    CATALOGUE_CHANGE,
    CREDIT,
    CRITICISE,
    ENDED,
    ESCALATE,
    NOTICE,
    RECOGNISE,
    UNDELIVERED,
    Action,
    State,
)
from domain.case.part_effects import act_on, involve, release
from domain.case.parts import PART_TABLE, UNFINISHED
from domain.case.state import Extension, Record


def evolve(record: Record, event: Event) -> None:
    """Bring the record from version `seq - 1` to `seq`. Raises ValueError for an event out of order."""
    if event.seq != record.version + 1:
        raise ValueError(f"event {event.seq} cannot follow version {record.version} of case {record.number}")
    record.version = event.seq
    effect = act_on if "part" in event.data and event.action in PART_TABLE else _EFFECTS.get(event.action, _nothing)
    effect(record, event)
    note_findings(record, event)
    note_act(record, event)
    record.settled = event.data.get("settled", record.settled)
    wait_for_it(record, event)
    if event.to_state in ENDED and record.state not in ENDED:
        _close(record, event)
    record.state = event.to_state
    keep(record, event)


def _nothing(_: Record, __: Event) -> None:
    """A fact for the timeline that changes nothing else."""


def _open_cycle(record: Record, at: datetime) -> None:
    record.follow_up_attempts = 0
    record.completed = False
    record.extensions = 0
    record.approval = record.extension = None
    open_clocks(record, [promise.name for promise in record.terms.promises])
    start(record, at, "registration")


def _register(record: Record, event: Event) -> None:
    at_intake = event.data.get("flags", ())
    record.flags = record.with_flags(*at_intake)
    record.incident = event.data.get("incident")
    _open_cycle(record, event.at)


def _dispatch(record: Record, event: Event) -> None:
    department = str(event.data["department"])
    same = department == record.department
    if record.department and not same:
        record.extension = None
        change(record, lambda clock: clock.cancel(event.at, record.calendar), DEPARTMENT)
        open_clocks(record, DEPARTMENT)
        start(record, event.at, "registration")  # what runs from there runs already, except of the new department
    # Neither a rejected return nor another assignee gives the department new time to return the case.
    if event.action != Action.REJECT_RETURN and not (same and event.from_state is State.DISPATCHED):
        record.dispatched_at = event.at
    if (part := record.part_of(department)) and part.state in UNFINISHED:
        release(record, part, event.at)
    record.department = department
    record.completed = False
    record.assignee = event.data.get("assignee")
    start(record, event.at, "dispatch")
    change(record, lambda clock: clock.resume(event.at), DEPARTMENT)


def _sign_for(record: Record, event: Event) -> None:
    record.assignee = event.data["assignee"]
    stop(record, event.at, "acknowledge")


def _return(record: Record, event: Event) -> None:
    record.assignee = None
    record.extension = None
    pause(record, event.at, DEPARTMENT)


def _arrive(record: Record, event: Event) -> None:
    stop(record, event.at, "arrive")


def _suspend(record: Record, event: Event) -> None:
    wake_at = event.data.get("wake_at")
    record.wake_at = datetime.fromisoformat(wake_at) if wake_at else None
    change(record, lambda clock: clock.pause(event.at, record.calendar), part=None)


def _resume(record: Record, event: Event) -> None:
    record.wake_at = None
    change(record, lambda clock: clock.resume(event.at), part=None)


def _request_approval(record: Record, event: Event) -> None:
    ask(record, event)
    _departments(record, lambda clock: clock.pause(event.at, record.calendar))


def _decide_approval(record: Record, event: Event) -> None:
    if not take(record, event):
        return
    record.flags = tuple(flag for flag in record.flags if flag not in ("approved", "approval_rejected"))
    record.flags = record.with_flags("approved" if event.data["approved"] else "approval_rejected")
    _departments(record, lambda clock: clock.resume(event.at))
    start(record, event.at, "decision")


def _departments(record: Record, then: Change) -> None:
    """Change the clocks of every department that works on the case."""
    change(record, lambda clock: then(clock) if clock.part or clock.name in DEPARTMENT else clock, part=None)


def _complete(record: Record, event: Event) -> None:
    record.extension = None
    record.completed = True
    stop(record, event.at, *DEPARTMENT)
    if event.to_state is State.PENDING_REPLY:
        stop(record, event.at, "resolve")


def _send_back(record: Record, _: Event) -> None:
    record.completed = False
    reinstate(record, 0)


def _reply(record: Record, event: Event) -> None:
    stop(record, event.at, "reply")
    start(record, event.at, "reply")


def _answer(record: Record, event: Event) -> None:
    stop(record, event.at, "resolve", "reply")
    if event.to_state is State.PENDING_FOLLOW_UP:
        start(record, event.at, "reply")
        change(record, lambda clock: clock.cancel(event.at, record.calendar), DEPARTMENT)


def _follow_up(record: Record, event: Event) -> None:
    record.follow_up_attempts = int(event.data["attempt"])
    stop(record, event.at, "follow_up")
    if event.data["outcome"] != "unreachable":
        record.answered_cycles += (record.cycle,)
    if event.to_state is State.PENDING_FOLLOW_UP:
        open_clocks(record, ["follow_up"])
        start(record, event.at, "reply")
    elif event.to_state is State.DISPATCHED:
        record.dissatisfactions += 1
        record.flags = record.with_flags("reworked")
        if record.dissatisfactions >= record.terms.process.supervise_after:
            supervise(record, event)
        _next_cycle(record, event)
    elif event.data["outcome"] == "unreachable":
        record.flags = record.with_flags("unreachable")


def _reopen(record: Record, event: Event) -> None:
    record.flags = record.with_flags("reopened")
    record.closed_at = record.reopen_ends_at = None
    _next_cycle(record, event)


def _next_cycle(record: Record, event: Event) -> None:
    cancel(record, event.at, None)
    record.cycle = event.cycle
    _open_cycle(record, event.at)
    _dispatch(record, event)


def _close(record: Record, event: Event) -> None:
    for part in record.unfinished:
        release(record, part, event.at)
    cancel(record, event.at, None)
    record.closed_at = event.at
    record.wake_at = record.approval = record.extension = None
    until = event.data.get("reopen_ends_at")
    record.reopen_ends_at = datetime.fromisoformat(until) if until else None


def _urge(record: Record, _: Event) -> None:
    record.flags = record.with_flags("urged")


def _request_extension(record: Record, event: Event) -> None:
    record.extension = Extension(
        working_days=event.data["working_days"], requested_by=event.actor, requested_at=event.at
    )


def _decide_extension(record: Record, event: Event) -> None:
    record.extension = None
    if not event.data["approved"]:
        return
    record.extensions += 1
    record.flags = record.with_flags("extended")
    days = int(event.data["working_days"])
    worth = {"always": days * record.terms.process.day_seconds, "working": days * record.calendar.day_seconds}
    change(record, lambda clock: clock.extend(worth[clock.calendar]), ["resolve", "reply"])


def _hand_over(record: Record, event: Event) -> None:
    record.owner = event.data["owner"]


def _escalate(record: Record, event: Event) -> None:
    fell_at = datetime.fromisoformat(event.data["fell_at"])
    serial, percent = event.data["serial"], int(event.data["percent"])
    change(record, lambda clock: clock.ring(percent, fell_at) if clock.serial == serial else clock, part=None)


def _undelivered(record: Record, _: Event) -> None:
    record.flags = record.with_flags("undelivered")


def _recognise(record: Record, event: Event) -> None:
    known = event.data["flags"]
    record.flags = record.with_flags(*known)


_EFFECTS: dict[str, Callable[[Record, Event], None]] = {
    Action.REGISTER: _register,
    Action.ANSWER: _answer,
    Action.DISPATCH: _dispatch,
    Action.SIGN_FOR: _sign_for,
    Action.RETURN: _return,
    Action.REJECT_RETURN: _dispatch,
    Action.ARRIVE: _arrive,
    Action.SUSPEND: _suspend,
    Action.RESUME: _resume,
    Action.REQUEST_APPROVAL: _request_approval,
    Action.DECIDE_APPROVAL: _decide_approval,
    Action.COMPLETE: _complete,
    Action.SEND_BACK: _send_back,
    Action.REPLY: _reply,
    Action.FOLLOW_UP: _follow_up,
    Action.REOPEN: _reopen,
    Action.URGE: _urge,
    Action.SUPERVISE: supervise,
    Action.REQUEST_EXTENSION: _request_extension,
    Action.DECIDE_EXTENSION: _decide_extension,
    Action.HAND_OVER: _hand_over,
    Action.INVOLVE: involve,
    Action.LINK_INCIDENT: linked,
    ESCALATE: _escalate,
    NOTICE: give_notice,
    CRITICISE: criticise,
    UNDELIVERED: _undelivered,
    RECOGNISE: _recognise,
    CATALOGUE_CHANGE: hold_to,
    CREDIT: owe,
    Action.DECIDE_CREDIT: take_word,
}
