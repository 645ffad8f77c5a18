"""States of a complaint and of its parts, with the facts of each, and the events that lead from one to the next.

A new state is a member of `State` and a row of `STATES`. A part (协办) is what a further department does, with its own
small lifecycle (部门联动). The department that the case was dispatched to keeps the case; each part is signed for, done
and completed on its own. The case goes to its owner for the reply when all are done.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Literal, NamedTuple

from pydantic import Field

from domain.kit.event import ActionBody, BaseEvent, EventData
from domain.shared.actors import Role
from domain.shared.codes import DepartmentCode
from domain.shared.errors import ProblemType
from domain.shared.value import Immutable, NamedCode, english, exhaustive, omit_default


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


STATES: Mapping[State, StateFacts] = exhaustive(
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
BEFORE_WORK_ENDS = _before(Phase.TO_REPLY)
BEFORE_REPLY = _before(Phase.TO_FOLLOW_UP)
"""The caller has not been replied to, so the case can wait for an incident."""
OPEN = _before(Phase.ENDED)
ENDED = frozenset(STATES) - OPEN
AT_WORK = frozenset(state for state, facts in STATES.items() if facts.work == "case")
"""The department that has the case is to work on it."""
WORKABLE = frozenset(state for state, facts in STATES.items() if facts.work)
"""Parts are worked on: one department does not wait for what holds up another."""


class OfDepartment(EventData):
    """Facts about the work of one department, by its code; None: of the one that has the case."""

    department: str | None = omit_default(None)


class OfIncident(EventData):
    """Facts of an event that an incident may bring: its number, and the result for the case, if this ends it."""

    incident: str | None = None
    settled: str | None = None


class MayEnd(EventData):
    """Facts of an event that may end the case: when it can be reopened or reinstated no more; None if it does not."""

    reopen_ends_at: datetime | None = omit_default(None)


class Names(EventData):
    """Names of a department, of a service, or of the hotline."""

    name: str
    name_zh: str


class Event(BaseEvent[State]):
    """One fact about one case, in the order of `seq`."""

    cycle: int = Field(ge=1, description="1 for the first handling, one more for each rework (重办).")
    recipients: tuple[str, ...] = omit_default(
        (), "Recipients that are notified of it, as addressed when it happened; in SQL, the rows of notifications."
    )


BY: Mapping[Role, str] = exhaustive(
    "BY",
    Role,
    {
        Role.AGENT: "an agent",
        Role.OWNER: "the owner",
        Role.DISPATCHER: "a dispatcher",
        Role.CREW: "the crew",
        Role.SUPERVISOR: "a supervisor",
        Role.MANAGER: "a manager",
        Role.FOLLOW_UP: "follow-up staff",
        Role.TELEPHONY: "the telephone system",
        Role.CALLER: "the caller",
        Role.SYSTEM: "the system",
        Role.ADMIN: "an administrator",
    },
)
"""English words for who acts in a role, within a sentence."""


def text_of(number: str, event: Event, done_zh: str, done_en: str) -> tuple[str, str]:
    return (
        f"工单{number}：{done_zh}，现为{event.to_state.zh}",
        f"Case {number}: {done_en}, by {BY[event.role]}; now {english(event.to_state)}",
    )


NO_SUCH_PART = ProblemType(
    "invalid", "no_such_part", "Department without a part in the case", "该部门没有此工单的协办任务"
)


class PartState(NamedCode):
    """State of a part."""

    DISPATCHED = "dispatched", "待签收"
    IN_PROGRESS = "in_progress", "处理中"
    COMPLETED = "completed", "已完成"
    RETURNED = "returned", "已退回"
    RELEASED = "released", "已撤回"


PART_AT_WORK = frozenset({PartState.DISPATCHED, PartState.IN_PROGRESS})
UNFINISHED = PART_AT_WORK | {PartState.RETURNED}
"""The reply waits for these: a part that was returned is given to another department, or released."""
exhaustive("UNFINISHED, or finished", PartState, UNFINISHED | {PartState.COMPLETED, PartState.RELEASED})


class Part(Immutable):
    """Work of one further department."""

    serial: int = Field(ge=1, description="1, 2, 3 ... within the case; the clocks of the part carry it.")
    cycle: int = Field(ge=1)
    department: str
    task: str
    state: PartState = PartState.DISPATCHED
    assignee: str | None = None
    involved_at: datetime
    result: str | None = Field(None, description="What was done, once it is completed.")
    version: int = Field(0, ge=0, description="The case's version that changed the part last.")


def departments_of(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(f"department:{part.department}" for part in parts)


class PartBody(ActionBody):
    """Body of an action on the case, or on the part in it that a further department has."""

    department: DepartmentCode | None = Field(
        None, description="Whose part it is (协办), where it is not your own department's."
    )

    def facts_of_part(self, part: Part, /) -> dict[str, Any]:  # noqa: ARG002 - for bodies that need it
        """Add facts to the event on a part. Raises Refused if the body is wrong for it."""
        return {}


class PartData(OfDepartment):
    """Facts about the case, or about one part of it: the serial of the part; None for the case itself."""

    part: int | None = None

    def evolve_part(self, case: Any, part: Part, event: Any, /) -> None:  # noqa: ANN401 - a case, and the event with these facts
        """Change the part; without one, `evolve` changes the case."""
