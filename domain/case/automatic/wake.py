"""wake: the wake date of a suspended case comes, and the system resumes it (恢复)."""

from domain.case.actions.resume import ACTION, Resumed
from domain.case.kind import Due
from domain.case.lifecycle import State
from domain.case.state import CaseState


def next_due(case: CaseState) -> Due | None:
    if case.wake_at is None:
        return None
    return Due(case.wake_at, ACTION.name, lambda: Resumed(woke=True), State.IN_PROGRESS)
