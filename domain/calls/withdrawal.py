"""Comparison of a withdrawal (撤销) with the call by which an agent withdrew the case of somebody else."""

from datetime import timedelta

from domain.calls.call import Call
from domain.shared.value import NamedCode

ARRIVES_WITHIN = timedelta(days=1)
"""Time after the withdrawal within which its call, with agent and telephone, is reported."""


class CallMismatch(NamedCode):
    """Reason why a call does not confirm a withdrawal."""

    AGENT = "agent", "非本人接听"
    TELEPHONE = "telephone", "来电号码不符"
    UNKNOWN = "unknown", "无此来电"


def mismatch_of(call: Call | None, agent: str, number: str, *, same_telephone: bool) -> CallMismatch | None:
    """Return what is against the call; None if it confirms the withdrawal by this agent of the case of this number.

    `same_telephone`: the call came from the telephone of the case. A call that names the case is of it anyway.
    `UNKNOWN` is a call that is not reported yet, or not completely: by whom it was taken, or from which telephone.
    """
    if call is None:
        return CallMismatch.UNKNOWN
    if call.agent not in (None, agent):
        return CallMismatch.AGENT
    is_of_case = same_telephone or call.complaint == number
    if call.caller_phone and not is_of_case:
        return CallMismatch.TELEPHONE
    return None if call.agent and is_of_case else CallMismatch.UNKNOWN
