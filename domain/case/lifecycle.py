"""States of a complaint."""

from enum import StrEnum


class State(StrEnum):
    """State of a complaint."""

    REGISTERED = "registered"
    DISPATCHED = "dispatched"
    PENDING_REDISPATCH = "pending_redispatch"
    IN_PROGRESS = "in_progress"
    SUSPENDED = "suspended"
    AWAITING_APPROVAL = "awaiting_approval"
    PENDING_REPLY = "pending_reply"
    PENDING_FOLLOW_UP = "pending_follow_up"
    CLOSED = "closed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


STATE_ZH = {
    State.REGISTERED: "已受理",
    State.DISPATCHED: "待签收",
    State.PENDING_REDISPATCH: "待改派",
    State.IN_PROGRESS: "处理中",
    State.SUSPENDED: "挂起",
    State.AWAITING_APPROVAL: "待审批",
    State.PENDING_REPLY: "待回复",
    State.PENDING_FOLLOW_UP: "待回访",
    State.CLOSED: "办结",
    State.REFUSED: "不予受理",
    State.WITHDRAWN: "已撤销",
}

ENDED = frozenset({State.CLOSED, State.REFUSED, State.WITHDRAWN})
OPEN = frozenset(State) - ENDED
TO_DISPATCH = frozenset({State.REGISTERED, State.PENDING_REDISPATCH})
"""No department has the case, and one can be given it."""
AT_WORK = frozenset({State.DISPATCHED, State.IN_PROGRESS})
"""The department that has the case is to work on it."""
BEFORE_REPLY = OPEN - {State.PENDING_FOLLOW_UP}
"""The caller has not been replied to, so the case can wait for an incident."""
