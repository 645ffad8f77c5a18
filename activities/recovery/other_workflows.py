"""Workflows that are no cases and do not go on: incidents, assessments, handovers, rollouts, reports and others."""

import time

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client

from activities.bulk_throttle import BulkThrottle
from activities.command_faults import UNSEALED
from activities.run_status import NOT_OVER, STUCK, is_over, unless_gone

LONGEST_PAUSE_SECONDS = 300
"""Time to the next try of an activity that the service never waits: it tries again after ten seconds at most."""
REFUSALS = 20
"""Tries after which an activity counts as refused for good: they take three minutes."""


class OtherWorkflows:
    """List of the workflows of the service that are no cases.

    Args:
        client: client of Temporal.
        throttle: throttle that every question waits for.
        condition: condition of Temporal's lists for these workflows.
    """

    def __init__(self, client: Client, throttle: BulkThrottle, condition: str) -> None:
        self._client = client
        self._throttle = throttle
        self._condition = condition
        self._put_off = set[str]()

    async def stuck(self) -> set[str]:
        """Return the ids of those that do not go on, by Temporal's list or the last sweep. Raises RPCError."""
        query = f'{self._condition} AND (ExecutionStatus = "Paused" OR {STUCK})'
        listed = {found.id async for found in self._client.list_workflows(query)}
        # A sweep adds to them meanwhile.
        gone = {each for each in frozenset(self._put_off) if not await self._is_put_off(each)}
        self._put_off -= gone
        return self._put_off | listed

    async def sweep(self) -> None:
        """Look for activities that are put off for long, or always refused: no list shows them. Raises RPCError."""
        running = self._client.list_workflows(f"{self._condition} AND {NOT_OVER}")
        found_now = {found.id async for found in running if await self._is_put_off(found.id)}
        self._put_off |= found_now

    async def _is_put_off(self, workflow_id: str) -> bool:
        await self._throttle.wait()
        found = await unless_gone(self._client.get_workflow_handle(workflow_id).describe())
        # One that was terminated keeps its pending activities.
        return bool(found and not is_over(found.status) and any(map(_waits, found.raw_description.pending_activities)))


def _waits(pending: PendingActivityInfo) -> bool:
    # In seconds, as Python has no instant after the year 9999.
    is_far = pending.next_attempt_schedule_time.seconds - time.time() > LONGEST_PAUSE_SECONDS
    is_refused = pending.last_failure.application_failure_info.type == UNSEALED
    return is_far or (is_refused and pending.attempt > REFUSALS)
