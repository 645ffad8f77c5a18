"""States of a complaint, with the facts of each. A new one is a member of `State` and a row of `STATES`."""

from collections.abc import Mapping
from enum import Enum
from typing import Literal, NamedTuple

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


class Phase(Enum):
    """Phase of a case: what it has still to come to, in this order."""

    TO_DISPATCH = 1
    TO_SIGN_FOR = 2
    TO_WORK = 3
    TO_REPLY = 4
    TO_FOLLOW_UP = 5
    ENDED = 6


StandstillScope = Literal["case", "departments", "department"]
"""Clocks that stand still: all, those of every department, or those of the department that has the case."""


class StateFacts(NamedTuple):
    """Facts of a state.

    `work`: who is to work on it: the departments of the case and of its parts, those of its parts alone, or none.
    `stands_still`: the clocks that it pauses; None for none.
    """

    phase: Phase
    work: Literal["case", "parts"] | None
    stands_still: StandstillScope | None


STATES: Mapping[State, StateFacts] = complete(
    "STATES",
    State,
    {
        State.REGISTERED: StateFacts(Phase.TO_DISPATCH, work=None, stands_still=None),
        State.DISPATCHED: StateFacts(Phase.TO_SIGN_FOR, work="case", stands_still=None),
        State.PENDING_REDISPATCH: StateFacts(Phase.TO_DISPATCH, work="parts", stands_still="department"),
        State.IN_PROGRESS: StateFacts(Phase.TO_WORK, work="case", stands_still=None),
        State.SUSPENDED: StateFacts(Phase.TO_WORK, work="parts", stands_still="case"),
        State.AWAITING_APPROVAL: StateFacts(Phase.TO_WORK, work="parts", stands_still="departments"),
        State.PENDING_REPLY: StateFacts(Phase.TO_REPLY, work=None, stands_still=None),
        State.PENDING_FOLLOW_UP: StateFacts(Phase.TO_FOLLOW_UP, work=None, stands_still=None),
        State.CLOSED: StateFacts(Phase.ENDED, work=None, stands_still=None),
        State.REFUSED: StateFacts(Phase.ENDED, work=None, stands_still=None),
        State.WITHDRAWN: StateFacts(Phase.ENDED, work=None, stands_still="case"),
    },
)


def _before(phase: Phase) -> frozenset[State]:
    return frozenset(state for state, facts in STATES.items() if facts.phase.value < phase.value)


TO_DISPATCH = _before(Phase.TO_SIGN_FOR)
"""No department has the case, and one can be given it."""
UNSIGNED = _before(Phase.TO_WORK)
"""No department has signed for the case."""
BEFORE_WORK_ENDS = _before(Phase.TO_REPLY)
"""The work is still to be done."""
BEFORE_REPLY = _before(Phase.TO_FOLLOW_UP)
"""The caller has not been replied to, so the case can wait for an incident."""
OPEN = _before(Phase.ENDED)
ENDED = frozenset(STATES) - OPEN
AT_WORK = frozenset(state for state, facts in STATES.items() if facts.work == "case")
"""The department that has the case is to work on it."""
WORKABLE = frozenset(state for state, facts in STATES.items() if facts.work)
"""Parts are worked on: one department does not wait for what holds up another."""
