"""States of an incident (突发事件)."""

from enum import StrEnum

from domain.shared.actors import Role


class IncidentState(StrEnum):
    """State of an incident."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    DISPATCHED = "dispatched"
    IN_PROGRESS = "in_progress"
    SETTLING = "settling"
    RESOLVED = "resolved"
    MERGING = "merging"
    MERGED = "merged"
    DISMISSING = "dismissing"
    DISMISSED = "dismissed"


S = IncidentState

INCIDENT_STATE_ZH = {
    S.SUSPECTED: "疑似",
    S.CONFIRMED: "已确认",
    S.DISPATCHED: "待签收",
    S.IN_PROGRESS: "处理中",
    S.SETTLING: "批量办结中",
    S.RESOLVED: "已解决",
    S.MERGING: "并入中",
    S.MERGED: "已并入",
    S.DISMISSING: "排除中",
    S.DISMISSED: "已排除",
}
ENDS = {S.SETTLING: S.RESOLVED, S.MERGING: S.MERGED, S.DISMISSING: S.DISMISSED}
"""States in which an incident acts on its cases, one after the other, each with the state that follows."""
TAKING = frozenset({S.CONFIRMED, S.DISPATCHED, S.IN_PROGRESS})
"""New cases of its scope are linked to it as they are registered."""
LINKABLE = TAKING | {S.SUSPECTED}
"""A case can be linked to it by hand."""
CONTROL_ROOM = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
"""Roles that decide on incidents."""
