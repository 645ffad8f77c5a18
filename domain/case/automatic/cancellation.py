"""cancellation_requested 请求取消: somebody asked Temporal to cancel the workflow, which changes nothing."""

from domain.case.kind import EventKind
from domain.kit.event import CancellationRequested

KIND = EventKind(
    name="cancellation_requested",
    zh="请求取消",
    description="Somebody requested cancellation in Temporal; the case continues.",
    data=CancellationRequested,
    by_time=True,
)
