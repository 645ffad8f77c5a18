"""The life of an incident (突发事件) as data: its states, what people do to it, and who may do what from where."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from domain.shared.actors import Role
from domain.shared.codes import Code, DepartmentCode, DistrictCode, ServiceCode
from domain.shared.text import IncidentNumber, Instant, Name, Text


class IncidentState(StrEnum):
    """Where an incident stands."""

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


S = IncidentState  # short, so that a row of the table stays a row

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
"""A state in which its cases are seen to, one after the other, and the one that follows once all are."""
TAKING = frozenset({S.CONFIRMED, S.DISPATCHED, S.IN_PROGRESS})
"""New cases of its scope are linked to it as they are registered."""
LINKABLE = TAKING | {S.SUSPECTED}
"""A case can be linked to it by hand."""


class IncidentAction(StrEnum):
    """What happens to an incident by somebody's hand."""

    DECLARE = "declare"
    CONFIRM = "confirm"
    DISMISS = "dismiss"
    MERGE = "merge"
    DISPATCH = "dispatch"
    SIGN_FOR = "sign_for"
    INFORM = "inform"
    RESOLVE = "resolve"


SUSPECT = "suspect"
"""The system's own event (预警): more calls of one kind came from one district than the catalogue takes for chance."""
ABSORB = "absorb"
"""The system's own event (并入): another incident was merged into this one, which covers its scope from now on."""
MERGE_FAILED = "merge_failed"
"""The system's own event (未并入): the incident that it was to be merged into had ended."""
FINISH = "finish"
"""The system's own event (结束): every linked case has been seen to."""
BY_ITSELF_ZH = {
    "cancellation_requested": "请求取消",
    SUSPECT: "预警",
    ABSORB: "并入",
    MERGE_FAILED: "未能并入",
    FINISH: "全部办结",
}


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One line of the table. No `target` means that the state stays."""

    action: IncidentAction
    zh: str
    roles: AbstractSet[Role]
    sources: AbstractSet[IncidentState]
    target: IncidentState | None
    description: str

    @property
    def targets(self) -> tuple[IncidentState, ...]:
        """The state that follows; empty if the state stays."""
        return (self.target,) if self.target else ()


A, R = IncidentAction, Role
_DESK = {R.DISPATCHER, R.SUPERVISOR}
INCIDENT_ROWS: tuple[IncidentRow, ...] = (
    IncidentRow(A.DECLARE, "上报", _DESK, set(), S.CONFIRMED, "Known before callers tell."),
    IncidentRow(
        A.CONFIRM,
        "确认",
        _DESK,
        {S.SUSPECTED},
        S.CONFIRMED,
        "It is one cause. The cases of its scope are linked to it.",
    ),
    IncidentRow(
        A.DISMISS,
        "排除",
        _DESK,
        {S.SUSPECTED, S.CONFIRMED},
        S.DISMISSING,
        "It is no common cause. Cases that were linked go their own way.",
    ),
    IncidentRow(A.MERGE, "并入", _DESK, LINKABLE, S.MERGING, "The cause of another: its cases go over."),
    IncidentRow(
        A.DISPATCH,
        "派单",
        _DESK,
        TAKING,
        S.DISPATCHED,
        "One dispatch for all linked cases; again, to another department.",
    ),
    IncidentRow(A.SIGN_FOR, "签收", {R.CREW}, {S.DISPATCHED}, S.IN_PROGRESS, "The department takes it."),
    IncidentRow(A.INFORM, "通报进展", _DESK, TAKING, None, "News for every caller of a linked case."),
    IncidentRow(
        A.RESOLVE,
        "解决",
        _DESK | {R.CREW},
        TAKING,
        S.SETTLING,
        "The cause is gone: every linked case is completed and replied to.",
    ),
)
INCIDENT_TABLE: dict[IncidentAction, IncidentRow] = {row.action: row for row in INCIDENT_ROWS}


class Scope(BaseModel):
    """Which calls it explains: those about any of these services, from any of these districts."""

    model_config = ConfigDict(frozen=True)

    services: tuple[Code, ...] = Field(min_length=1)
    districts: tuple[Code, ...] = Field(min_length=1)

    def covers(self, service: str, district: str | None) -> bool:
        """Whether a case of this service and district belongs to it."""
        return service in self.services and district in self.districts

    def with_(self, other: "Scope") -> "Scope":
        """Both scopes as one."""
        services = dict.fromkeys((*self.services, *other.services))
        return Scope(services=tuple(services), districts=tuple(dict.fromkeys((*self.districts, *other.districts))))


class IncidentBody(BaseModel):
    """What every action on an incident may carry: a note for the record."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    action: ClassVar[IncidentAction]

    note: Text | None = None


class Confirm(IncidentBody):
    """确认; with a title, and with further services and districts where it is wider than the suspicion."""

    action = IncidentAction.CONFIRM
    title: Name | None = None
    services: tuple[ServiceCode, ...] = ()
    districts: tuple[DistrictCode, ...] = ()
    expected_at: Instant | None = Field(default=None, description="When water is expected back.")


class Dismiss(IncidentBody):
    """排除, with the reason."""

    action = IncidentAction.DISMISS
    reason: Text


class Merge(IncidentBody):
    """并入 another incident, with the reason."""

    action = IncidentAction.MERGE
    into: IncidentNumber
    reason: Text | None = None


class DispatchIncident(IncidentBody):
    """派单 to a department of the catalogue, to a person there if known."""

    action = IncidentAction.DISPATCH
    department: DepartmentCode
    assignee: Name | None = None


class SignForIncident(IncidentBody):
    """签收; the assignee is the signer unless another is named."""

    action = IncidentAction.SIGN_FOR
    assignee: Name | None = None


class Inform(IncidentBody):
    """通报进展: what callers are told, in Chinese, and in English where that differs."""

    action = IncidentAction.INFORM
    message: Text
    message_en: Text | None = None
    expected_at: Instant | None = Field(default=None, description="When water is expected back.")


class Resolve(IncidentBody):
    """解决: what was done, and what callers are told."""

    action = IncidentAction.RESOLVE
    result: Text
    message: Text


INCIDENT_BODIES: dict[IncidentAction, type[IncidentBody]] = {
    body.action: body for body in (Confirm, Dismiss, Merge, DispatchIncident, SignForIncident, Inform, Resolve)
}
"""The body of every action but `declare`, which is how an incident begins."""


class IncidentEvent(BaseModel):
    """One fact about one incident, in the order of `seq`."""

    model_config = ConfigDict(frozen=True)

    seq: int = Field(ge=1, description="The incident's version after this event.")
    at: datetime
    actor: str
    role: Role
    action: str
    from_state: IncidentState | None = None
    to_state: IncidentState
    data: dict[str, object] = Field(default_factory=dict)
