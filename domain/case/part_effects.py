"""What an event does to the parts of a case (协办) and to their clocks."""

from datetime import datetime
from typing import Any

from domain.case.events import Event
from domain.case.ledger import cancel, change, open_clocks, reinstate, stop
from domain.case.lifecycle import Action, State
from domain.case.parts import PART_TABLE, Part, PartState
from domain.case.state import Record
from domain.case.together import taken_over
from domain.catalogue.terms import ClockName

OF_A_PART: tuple[ClockName, ...] = ("acknowledge", "resolve")
"""What a further department promises (协办): the times that the service promises, from the moment it is involved."""


def _put(record: Record, part: Part, **changes: Any) -> None:  # noqa: ANN401 - values of its fields
    """Change one part."""
    changed = part.model_copy(update={**changes, "version": record.version})
    record.parts = tuple(changed if each.serial == part.serial else each for each in record.parts)


def release(record: Record, part: Part, at: datetime) -> None:
    """The part is not needed any more, and promises nothing."""
    _put(record, part, state=PartState.RELEASED)
    cancel(record, at, part.serial)


def involve(record: Record, event: Event) -> None:
    """A further department gets a part, whose clocks begin at once."""
    data = event.data
    # What the department itself has returned is taken up with it: the reply would wait for that for ever.
    for whose in (data.get("takes_over"), None):
        if before := taken_over(record, data["department"], whose):
            release(record, before, event.at)
    serial = int(data["part"])
    part = Part(
        serial=serial, cycle=record.cycle, department=data["department"], task=data["task"], involved_at=event.at
    )
    record.parts = (*record.parts, part.model_copy(update={"version": record.version}))
    open_clocks(record, OF_A_PART, serial)
    change(record, lambda clock: clock.start(event.at), part=serial)


def act_on(record: Record, event: Event) -> None:
    """What an action does to the part that it is about."""
    action = Action(event.action)
    part = record.parts[int(event.data["part"]) - 1]
    state = PART_TABLE[action].target
    match action:
        case Action.SIGN_FOR:
            _put(record, part, state=state, assignee=event.data.get("assignee") or event.actor)
            stop(record, event.at, "acknowledge", part=part.serial)
        case Action.COMPLETE:
            _put(record, part, state=state, result=event.data["result"])
            stop(record, event.at, *OF_A_PART, part=part.serial)
        case Action.RETURN:
            _put(record, part, state=state, assignee=None)
            cancel(record, event.at, part.serial)
        case Action.SEND_BACK:
            _put(record, part, state=state, result=None)
            reinstate(record, 0, part.serial)
        case Action.RELEASE:
            release(record, part, event.at)
    if event.to_state is State.PENDING_REPLY:
        stop(record, event.at, "resolve")
