"""Health of Temporal and its workers, for `/readyz`."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

POLL_SECONDS = 75
"""A worker that has not asked for tasks for so long is gone: a poll lasts 60 s at most."""


@dataclass(frozen=True, slots=True)
class TemporalHealth:
    """Health of Temporal and of the workers of one task queue."""

    client: Client
    task_queue: str

    async def alive(self, seconds: float) -> bool:
        """Return True if Temporal answers within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                return await self.client.service_client.check_health(timeout=timedelta(seconds=seconds))
        except (TimeoutError, RPCError, RuntimeError):
            return False

    async def worker_seen(self, seconds: float) -> float | None:
        """Return the seconds since a worker last asked for workflow tasks; None if none has lately."""
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            async with asyncio.timeout(seconds):
                found = await self.client.workflow_service.describe_task_queue(request)
        except (TimeoutError, RPCError, RuntimeError):
            return None
        now = datetime.now(UTC)
        ages = [(now - poller.last_access_time.ToDatetime(UTC)).total_seconds() for poller in found.pollers]
        return min((age for age in ages if age < POLL_SECONDS), default=None)
