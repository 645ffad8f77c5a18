"""Departments together (部门联动): the part that a further department has in a case, and its own small lifecycle.

The department that the case was dispatched to keeps the case; each part is signed for, done and completed on its own.
The case goes to its owner for the reply when all are done.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from domain.case.lifecycle import Action, State


class PartState(StrEnum):
    """Where a part stands."""

    DISPATCHED = "dispatched"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    RETURNED = "returned"
    RELEASED = "released"


PART_STATE_ZH = {
    PartState.DISPATCHED: "待签收",
    PartState.IN_PROGRESS: "处理中",
    PartState.COMPLETED: "已完成",
    PartState.RETURNED: "已退回",
    PartState.RELEASED: "已撤回",
}
AT_WORK = frozenset({PartState.DISPATCHED, PartState.IN_PROGRESS})
UNFINISHED = AT_WORK | {PartState.RETURNED}
"""What the reply has to wait for: a part that was returned is given to another department, or released."""


class Part(BaseModel):
    """What one further department is to do."""

    model_config = ConfigDict(frozen=True)

    serial: int = Field(ge=1, description="1, 2, 3 ... within the case; the clocks of the part carry it.")
    cycle: int = Field(ge=1)
    department: str
    task: str
    state: PartState = PartState.DISPATCHED
    assignee: str | None = None
    involved_at: datetime
    result: str | None = Field(default=None, description="What was done, once it is completed.")
    version: int = Field(default=0, ge=0, description="The case's version that changed the part last.")


@dataclass(frozen=True, slots=True)
class PartRow:
    """One line of a part's table: from where the action may be done, and where it leads."""

    sources: AbstractSet[PartState]
    target: PartState


PART_TABLE: dict[Action, PartRow] = {
    Action.SIGN_FOR: PartRow({PartState.DISPATCHED}, PartState.IN_PROGRESS),
    Action.RETURN: PartRow(AT_WORK, PartState.RETURNED),
    Action.ARRIVE: PartRow({PartState.IN_PROGRESS}, PartState.IN_PROGRESS),
    Action.COMPLETE: PartRow({PartState.IN_PROGRESS}, PartState.COMPLETED),
    Action.SEND_BACK: PartRow({PartState.COMPLETED}, PartState.IN_PROGRESS),
    Action.RELEASE: PartRow(UNFINISHED, PartState.RELEASED),
}
"""What is done to a part; the roles are those of the same action in `lifecycle.TABLE`."""

SHARED = frozenset({Action.COMMENT, Action.REQUEST_APPROVAL})
"""What a department that has a part may do to the whole case."""

WORKABLE = frozenset(
    {State.DISPATCHED, State.IN_PROGRESS, State.SUSPENDED, State.AWAITING_APPROVAL, State.PENDING_REDISPATCH}
)
"""States of the case in which parts are worked on: what one department waits for is no matter of the others."""
