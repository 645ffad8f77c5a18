"""cancellation_requested 请求取消: somebody asked Temporal to cancel the workflow, which changes nothing."""

from domain.incident.kind import IncidentKind
from domain.shared.event import CancellationRequested

KIND = IncidentKind(
    name="cancellation_requested",
    zh="请求取消",
    description="Somebody requested cancellation in Temporal; the incident continues.",
    data=CancellationRequested,
)
