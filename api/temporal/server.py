"""Temporal's server: its clock, and how far workers are behind.

By Temporal's clock everything that happens to a case is timed. No call tells its time: answers carry instants of the
past alone, and neither headers nor trailers have one. A poll is the one call without effects of which Temporal notes
the time, and shows it to all who ask for the pollers.
"""

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from api.edge.problems import declare, unavailable

CLOCK_OFF = declare("clock-off", HTTPStatus.SERVICE_UNAVAILABLE, "Clock off")
TOLERANCE = timedelta(seconds=60)
"""Largest accepted difference: far more than a measurement may err, and a fifth of the shortest promise (5 min)."""
MEASURE_EVERY_SECONDS = 30.0
"""Age from which a measurement is renewed, beside the request that finds it so old."""
FRESH_SECONDS = 1.0
"""Age up to which a measurement is believed if the clock seems off, or Temporal did not answer."""
MEASUREMENT_SECONDS = 1.0
"""Longest measurement, and so its largest error."""
CLOCK_RETRY_SECONDS = 10
"""Pause before a client tries again: another process may answer then."""
QUEUE = "hotline-clock"
"""Task queue without tasks. It is sticky, which on a cluster means that it has one partition."""
_POLL_SECONDS = 3.0
_POLLER_CHECK_SECONDS = 0.005

TemporalTime = Callable[[], Awaitable[datetime | None]]


@dataclass
class ClockCheck:
    """Comparison of a clock with Temporal's time; `temporal_time` returns None if Temporal does not answer.

    Temporal's time of the last measurement goes on by the monotonic clock, so that a step of this process's clock is
    noticed at once.
    """

    clock: Callable[[], datetime]
    temporal_time: TemporalTime
    _measured: tuple[datetime, float] | None = None
    _tried_at: float = -math.inf
    _measuring: asyncio.Task[None] | None = None

    async def offset(self) -> timedelta | None:
        """Positive if the clock is ahead of Temporal's, negative if it is behind; None if that is not known."""
        offset = self._offset()
        is_doubtful = offset is None or is_off(offset)
        age = time.monotonic() - self._tried_at
        if self._measuring is None and age > (FRESH_SECONDS if is_doubtful else MEASURE_EVERY_SECONDS):
            self._measuring = asyncio.create_task(self._measure())
        if is_doubtful and self._measuring:
            await asyncio.shield(self._measuring)
        return self._offset()

    async def require(self) -> None:
        """Raise ProblemError if the clock is known to be off by more than the tolerance."""
        offset = await self.offset()
        if is_off(offset):
            detail = (
                f"{describe_offset(offset)} Nothing was changed. Send the same again, with the same Idempotency-Key,"
                " when the clock is set."
            )
            raise unavailable(CLOCK_OFF, detail, CLOCK_RETRY_SECONDS)

    async def close(self) -> None:
        """End a measurement that is under way."""
        if self._measuring:
            self._measuring.cancel()
            await asyncio.wait([self._measuring])

    def _offset(self) -> timedelta | None:
        if self._measured is None:
            return None
        at, monotonic = self._measured
        return self.clock() - at - timedelta(seconds=time.monotonic() - monotonic)

    async def _measure(self) -> None:
        self._tried_at = time.monotonic()
        try:
            if at := await self.temporal_time():
                self._measured = at, self._tried_at
        finally:
            self._measuring = None


def is_off(offset: timedelta | None) -> bool:
    """Return False if the offset is not known."""
    return offset is not None and abs(offset) > TOLERANCE


def describe_offset(offset: timedelta | None) -> str:
    """In words; if the offset is too large, what is accepted and what to do."""
    if offset is None:
        return "Temporal's time cannot be read, so that this process's clock is not checked."
    seconds = offset.total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    found = f"The clock of this API process is {abs(seconds):.0f} s {side} Temporal's"
    if is_off(offset):
        return f"{found}; at most {TOLERANCE.total_seconds():.0f} s are accepted. Set the clocks, for example by NTP."
    return f"{found}."


async def temporal_time(client: Client) -> datetime | None:
    """Temporal's time during the call; None if it does not answer within `MEASUREMENT_SECONDS`.

    The poll is for a queue of its own, so that it takes no task and needs no worker; it is given up at once.
    """
    queue, poller = TaskQueue(name=QUEUE, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY), uuid.uuid4().hex
    asked = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=poller)
    described = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    )
    service = client.workflow_service
    poll = asyncio.ensure_future(
        service.poll_workflow_task_queue(asked, retry=False, timeout=timedelta(seconds=_POLL_SECONDS))
    )
    try:
        async with asyncio.timeout(MEASUREMENT_SECONDS):
            while not poll.done():
                for each in (await service.describe_task_queue(described)).pollers:
                    if each.identity == poller:
                        return each.last_access_time.ToDatetime(UTC)
                await asyncio.sleep(_POLLER_CHECK_SECONDS)
    except (TimeoutError, RPCError, RuntimeError):
        pass
    finally:
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    return None


MANY_TASKS = 50
"""Cases whose first task waits: a worker needs about a second for them."""
LONGEST_WAIT_SECONDS = 1.0
"""Time after which a registration waits no longer. Without a worker, each waits so long and is taken all the same."""
BACKLOG_CHECK_SECONDS = 0.25


@dataclass
class Backlog:
    """Backlog of the workers' task queue, as Temporal estimates it. One question serves all registrations that wait."""

    client: Client
    task_queue: str
    _count: int = 0
    _counted_at: float = -BACKLOG_CHECK_SECONDS

    async def ease(self) -> None:
        """Wait while many tasks wait, for `LONGEST_WAIT_SECONDS` and a last question. Raises nothing."""
        ends = time.monotonic() + LONGEST_WAIT_SECONDS
        while await self._waiting() > MANY_TASKS and time.monotonic() < ends:  # noqa: ASYNC110 - Temporal tells nobody of it
            await asyncio.sleep(BACKLOG_CHECK_SECONDS)

    async def _waiting(self) -> int:
        if time.monotonic() - self._counted_at >= BACKLOG_CHECK_SECONDS:
            self._counted_at = time.monotonic()
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
