"""States of an incident (突发事件)."""

from domain.shared.actors import Role
from domain.shared.value import NamedCode


class IncidentState(NamedCode):
    """State of an incident."""

    SUSPECTED = "suspected", "疑似"
    CONFIRMED = "confirmed", "已确认"
    DISPATCHED = "dispatched", "待签收"
    IN_PROGRESS = "in_progress", "处理中"
    SETTLING = "settling", "批量办结中"
    RESOLVED = "resolved", "已解决"
    MERGING = "merging", "并入中"
    MERGED = "merged", "已并入"
    DISMISSING = "dismissing", "排除中"
    DISMISSED = "dismissed", "已排除"


S = IncidentState
ENDS = {S.SETTLING: S.RESOLVED, S.MERGING: S.MERGED, S.DISMISSING: S.DISMISSED}
"""States in which an incident acts on its cases, one after the other, each with the state that follows."""
LINKS_NEW_CASES = frozenset({S.CONFIRMED, S.DISPATCHED, S.IN_PROGRESS})
"""New cases of its scope are linked to it as they are registered."""
LINKABLE = LINKS_NEW_CASES | {S.SUSPECTED}
"""A case can be linked to it by hand."""
CONTROL_ROOM = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
"""Roles that decide on incidents."""
