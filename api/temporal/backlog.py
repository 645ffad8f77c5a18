"""Backlog of the workers: intake lets them catch up before they are so far behind that actions get no answer."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

MANY = 50
"""Cases whose first task waits: a worker needs about a second for them."""
LONGEST_WAIT_SECONDS = 1.0
"""Time after which a registration waits no longer. Without a worker, each waits so long and is taken all the same."""
LOOK_EVERY_SECONDS = 0.25


@dataclass
class Backlog:
    """Backlog of the workers' task queue, as Temporal estimates it. One question serves all registrations that wait."""

    client: Client
    task_queue: str
    _count: int = 0
    _looked_at: float = -LOOK_EVERY_SECONDS

    async def ease(self) -> None:
        """Wait while many tasks wait, for `LONGEST_WAIT_SECONDS` and a last look. Raises nothing."""
        ends = time.monotonic() + LONGEST_WAIT_SECONDS
        while await self._waiting() > MANY and time.monotonic() < ends:  # noqa: ASYNC110 - Temporal tells nobody of it
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _waiting(self) -> int:
        if time.monotonic() - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            request = DescribeTaskQueueRequest(
                namespace=self.client.namespace,
                task_queue=TaskQueue(name=self.task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                report_stats=True,
            )
            within = timedelta(seconds=LONGEST_WAIT_SECONDS)
            try:
                found = await self.client.workflow_service.describe_task_queue(request, timeout=within)
            except (RPCError, RuntimeError):
                self._count = 0
            else:
                self._count = found.stats.approximate_backlog_count
        return self._count
