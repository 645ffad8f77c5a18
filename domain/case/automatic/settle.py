"""What an incident brings to a case that is linked to it (并案): it waits with the others, and is settled with them."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.case.batch import ProjectionBatch
from domain.case.clocks import DEPARTMENT
from domain.case.events import Event
from domain.case.intake import SYSTEM
from domain.case.ledger import change, pause
from domain.case.lifecycle import Action, Role, State
from domain.case.state import Record

SETTLE = "settle"
"""The update of a settlement; its id is this and the incident's number."""
SETTLED, KEPT, OVER = "settled", "kept", "over"
"""What becomes of a case: completed and replied to; kept open for what it has of its own; replied to long before."""
OWN_CAUSE = "own_cause"
"""The flag of a case that somebody took out of an incident (另有原因): it is not gathered again."""
BEFORE_REPLY = frozenset(
    {State.REGISTERED, State.DISPATCHED, State.PENDING_REDISPATCH, State.IN_PROGRESS, State.SUSPENDED}
    | {State.AWAITING_APPROVAL, State.PENDING_REPLY}
)
"""The states in which a case can wait for an incident."""


class Settlement(BaseModel):
    """What an incident leaves to a case: what was done, what the caller is told, whether he is asked how it went."""

    model_config = ConfigDict(frozen=True)

    incident: str
    result: str
    message: str
    follow_up: bool = True


class Settled(BaseModel):
    """Answer of a case: the outcome, and what the case publishes if it is settled, for the incident to write.

    The answer is in the case's history before anybody has it, as the input of an activity is: it may be written again,
    or late. The case writes it once more with what it publishes next, so nothing is lost with the asker.
    """

    model_config = ConfigDict(frozen=True)

    outcome: str
    batch: ProjectionBatch | None = None


def linked(record: Record, event: Event) -> None:
    """Effect of `link_incident`; out of it again, the department's clocks run on."""
    record.incident = event.data["incident"]
    record.settled = None
    if record.incident:
        return
    if event.role is not Role.SYSTEM:
        record.flags = record.with_flags(OWN_CAUSE)
    _run_on(record, event.at)


def wait_for_it(record: Record, event: Event) -> None:
    """While a case waits for its incident, the incident's dispatch stands for its own, whose clocks stand still.

    One that is kept waits no longer. Neither does one that is replied to or ends by itself; it goes its own way if it
    is reopened.
    """
    if event.data.get("settled") == KEPT:
        _run_on(record, event.at)
    elif record.incident and not record.settled:
        if event.to_state in BEFORE_REPLY:
            pause(record, event.at, DEPARTMENT)
        else:
            record.settled = OVER


def _run_on(record: Record, at: datetime) -> None:
    """Resume the department's clocks if the case is at work; in any other state they resume when that ends."""
    if record.state in (State.DISPATCHED, State.IN_PROGRESS):
        change(record, lambda clock: clock.resume(at), DEPARTMENT)


def outcome(record: Record, incident: str) -> str:
    """What the settlement of this incident comes to for the case. Asked again, it answers the same."""
    if record.incident != incident:
        return OVER
    if record.settled:
        return record.settled
    if record.state not in BEFORE_REPLY:
        return OVER
    own = record.unfinished or record.undecided or record.state is State.AWAITING_APPROVAL
    return KEPT if own else SETTLED


def next_of_settlement(record: Record, settlement: Settlement, at: datetime) -> Event | None:
    """The next event that brings the case to its reply; None where nothing is left to do.

    A case that has something of its own, a further department at work or an approval that is waited for, goes on with
    it, and its owner is told why the others are done.
    """
    if record.settled or record.incident != settlement.incident or record.state not in BEFORE_REPLY:
        return None
    of_it = {"incident": settlement.incident}
    if outcome(record, settlement.incident) == KEPT:
        return _event(record, at, Action.COMMENT, record.state, {**of_it, "note": settlement.result, "settled": KEPT})
    if record.state is State.SUSPENDED:
        return _event(record, at, Action.RESUME, State.IN_PROGRESS, of_it)
    if record.state is not State.PENDING_REPLY:
        return _event(record, at, Action.COMPLETE, State.PENDING_REPLY, {**of_it, "result": settlement.result})
    data = {**of_it, "message": settlement.message, "settled": SETTLED}
    if settlement.follow_up:
        return _event(record, at, Action.REPLY, State.PENDING_FOLLOW_UP, data)
    until = at + timedelta(seconds=record.terms.process.reopen_seconds)
    return _event(record, at, Action.REPLY, State.CLOSED, {**data, "reopen_ends_at": until.isoformat()})


def _event(record: Record, at: datetime, action: Action, target: State, data: dict[str, Any]) -> Event:
    return Event(
        seq=record.version + 1,
        at=at,
        actor=SYSTEM.name,
        role=Role.SYSTEM,
        action=action,
        from_state=record.state,
        to_state=target,
        cycle=record.cycle,
        data=data,
    )
