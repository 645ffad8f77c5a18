"""Match of a case with the call in which it was registered, by telephone and time."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.calls.call import Call, CallOutcome

AFTERWARDS = timedelta(minutes=15)
"""Time after the end of a call in which its agent may still write the case down. An assumption."""
LONGEST_CALL = timedelta(hours=2)
"""Time after the start of a call in which its case is registered at the latest. An assumption."""
_CONVERSATIONS = frozenset({CallOutcome.ANSWERED, CallOutcome.UNDER_WAY, CallOutcome.UNTIMED})


def call_of(registered_at: datetime, calls: Iterable[Call]) -> Call | None:
    """Return the call in which a case was registered then, out of the calls of its telephone; None if there is none.

    It is the last conversation that had begun, unless that had ended long before.
    """
    begun = [
        call
        for call in calls
        if call.outcome in _CONVERSATIONS and registered_at - LONGEST_CALL <= call.started_at <= registered_at
    ]
    last = max(begun, key=lambda call: (call.started_at, call.call_id), default=None)
    if last is None or (last.ended_at and last.ended_at + AFTERWARDS < registered_at):
        return None
    return last
