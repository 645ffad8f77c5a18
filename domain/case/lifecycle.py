"""States of a complaint."""

from domain.shared.value import NamedCode, complete


class State(NamedCode):
    """State of a complaint."""

    REGISTERED = "registered", "已受理"
    DISPATCHED = "dispatched", "待签收"
    PENDING_REDISPATCH = "pending_redispatch", "待改派"
    IN_PROGRESS = "in_progress", "处理中"
    SUSPENDED = "suspended", "挂起"
    AWAITING_APPROVAL = "awaiting_approval", "待审批"
    PENDING_REPLY = "pending_reply", "待回复"
    PENDING_FOLLOW_UP = "pending_follow_up", "待回访"
    CLOSED = "closed", "办结"
    REFUSED = "refused", "不予受理"
    WITHDRAWN = "withdrawn", "已撤销"


ENDED = frozenset({State.CLOSED, State.REFUSED, State.WITHDRAWN})
TO_DISPATCH = frozenset({State.REGISTERED, State.PENDING_REDISPATCH})
"""No department has the case, and one can be given it."""
UNSIGNED = TO_DISPATCH | {State.DISPATCHED}
"""No department has signed for the case."""
AT_WORK = frozenset({State.DISPATCHED, State.IN_PROGRESS})
"""The department that has the case is to work on it."""
BEFORE_WORK_ENDS = UNSIGNED | {State.IN_PROGRESS, State.SUSPENDED, State.AWAITING_APPROVAL}
"""The work is still to be done."""
BEFORE_REPLY = BEFORE_WORK_ENDS | {State.PENDING_REPLY}
"""The caller has not been replied to, so the case can wait for an incident."""
OPEN = BEFORE_REPLY | {State.PENDING_FOLLOW_UP}
complete("OPEN or ENDED", State, OPEN | ENDED)
