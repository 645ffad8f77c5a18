"""Match of a call with the case that was registered in it, and with a withdrawal (撤销) that names it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.calls.call import CLOCKS_DIFFER, OUTCOMES, Call
from domain.shared.value import NamedCode

AFTERWARDS = timedelta(minutes=15)
"""Time after the end of a call in which its agent may still write the case down. An assumption."""
LONGEST_CALL = timedelta(hours=2)
"""Time after the start of a call in which its case is registered at the latest. An assumption."""


def call_of(registered_at: datetime, calls: Iterable[Call]) -> Call | None:
    """Return the call in which a case was registered then, out of the calls of its telephone; None if there is none.

    It is the last conversation that had begun, unless that had ended long before.
    """
    begun = [
        call
        for call in calls
        if OUTCOMES[call.outcome].is_conversation and registered_at - LONGEST_CALL <= call.started_at <= registered_at
    ]
    last = max(begun, key=lambda call: (call.started_at, call.call_id), default=None)
    if last is None or (last.ended_at and last.ended_at + AFTERWARDS < registered_at):
        return None
    return last


ARRIVES_WITHIN = timedelta(days=1)
"""Time after the withdrawal within which its call, with agent and telephone, is reported."""


class CallMismatch(NamedCode):
    """Reason why a call does not confirm a withdrawal."""

    AGENT = "agent", "非本人接听"
    TELEPHONE = "telephone", "来电号码不符"
    EARLIER = "earlier", "早于受理"
    UNKNOWN = "unknown", "无此来电"


def mismatch_of(
    call: Call | None, agent: str, number: str, registered_at: datetime, *, same_telephone: bool
) -> CallMismatch | None:
    """Return what is against the call; None if it confirms the withdrawal by this agent of the case of this number.

    `same_telephone`: the call came from the telephone of the case. A call that names the case is of it anyway.
    A call that was over before the registration is not about the case. `UNKNOWN` is one that is not reported yet, or
    not completely: by whom it was taken, also if only the telephone system knows the name, or from which telephone.
    """
    if call is None:
        return CallMismatch.UNKNOWN
    taken_by = call.agent if call.agent_known else None
    if taken_by not in (None, agent):
        return CallMismatch.AGENT
    is_of_case = same_telephone or call.complaint == number
    if call.caller_phone and not is_of_case:
        return CallMismatch.TELEPHONE
    if (call.ended_at or call.started_at + LONGEST_CALL) + CLOCKS_DIFFER < registered_at:
        return CallMismatch.EARLIER
    return None if taken_by and is_of_case else CallMismatch.UNKNOWN
