"""Parts of a case (协办): what a further department does, with its own small lifecycle (部门联动).

The department that the case was dispatched to keeps the case; each part is signed for, done and completed on its own.
The case goes to its owner for the reply when all are done.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import Field

from domain.case.events import OfDepartment
from domain.kit.event import ActionBody
from domain.shared.errors import ProblemType
from domain.shared.value import DepartmentCode, Immutable, NamedCode, complete

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
complete("UNFINISHED, or finished", PartState, UNFINISHED | {PartState.COMPLETED, PartState.RELEASED})


class Part(Immutable):
    """Work of one further department."""

    serial: int = Field(ge=1, description="1, 2, 3 ... within the case; the clocks of the part carry it.")
    cycle: int = Field(ge=1)
    department: str
    task: str
    state: PartState = PartState.DISPATCHED
    assignee: str | None = None
    involved_at: datetime
    result: str | None = Field(default=None, description="What was done, once it is completed.")
    version: int = Field(default=0, ge=0, description="The case's version that changed the part last.")


def departments_of(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(f"department:{part.department}" for part in parts)


class PartBody(ActionBody):
    """Body of an action on the case, or on the part in it that a further department has."""

    department: DepartmentCode | None = Field(
        default=None, description="Whose part it is (协办), where it is not your own department's."
    )

    def facts_of_part(self, part: Part, /) -> dict[str, Any]:  # noqa: ARG002 - for bodies that need it
        """Return further facts of the event on a part. Raises Refused if the body is wrong for it."""
        return {}


class PartData(OfDepartment):
    """Facts about the case, or about one part of it: the serial of the part; None for the case itself."""

    part: int | None = None

    def evolve_part(self, case: Any, part: Part, event: Any, /) -> None:  # noqa: ANN401 - a case, and the event with these facts
        """Change the part; without one, `evolve` changes the case."""
