"""Workflows that are no cases and do not go on: incidents, assessments, handovers, rollouts, reports and others."""

import time
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial

from sqlalchemy import Engine
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from activities.bulk_throttle import BulkThrottle
from activities.names import COMPLAINT_WORKFLOW, INSTALLATION, UNSEALED, assessment_id, incident_id
from activities.poller import RUN_TIMEOUT
from activities.projection import read
from activities.recovery.history_errors import ForeignError
from activities.recovery.history_events import read_events
from activities.run_status import NOT_OVER, STUCK, described, is_over, is_undecodable
from readmodel.recovery import NotOver, others_not_over

LONGEST_PAUSE_SECONDS = 900
"""Time that no workflow pauses but for people or a deadline: a rollout waits for registrations for 820 s at most
(`settle_seconds` of `hotline catalogue apply`, by the largest settings)."""
REFUSED = UNSEALED, "NotFoundError"
"""Types of failures of an activity that the run has not asked for, or that no worker has (of the SDK)."""
REFUSALS = 20
"""Tries after which an activity counts as refused for good: they take three minutes."""


class OtherWorkflows:
    """List of the workflows of the service that are no cases.

    Args:
        client: client of Temporal.
        throttle: throttle that every question waits for.
        task_queue: queue of the workers.
    """

    def __init__(self, client: Client, throttle: BulkThrottle, task_queue: str) -> None:
        self._client = client
        self._throttle = throttle
        self._task_queue = task_queue
        self._condition = f'WorkflowType != "{COMPLAINT_WORKFLOW}" AND TaskQueue = "{task_queue}"'
        self._still = set[str]()

    async def stuck(self, engine: Engine, at: datetime) -> set[str]:
        """Return the ids of those that do not go on, by Temporal's list or the last sweep; see `sweep`."""
        query = f'{self._condition} AND (ExecutionStatus = "Paused" OR {STUCK})'
        listed = {found.id async for found in self._client.list_workflows(query)}
        known = frozenset(self._still)  # a sweep adds to them meanwhile
        in_sql = await self._in_sql(engine, at) if known else NotOver({}, {})
        self._still -= {each for each in known if not await self._stands_still(each, in_sql)}
        return self._still | listed

    async def sweep(self, engine: Engine, at: datetime) -> None:
        """Look for those that no list shows: they wait for nothing that comes, or SQL has them and Temporal has not.

        An assessment counts that has not noticed what was due `at` this instant. Raises RPCError and ApplicationError.
        """
        in_sql = await self._in_sql(engine, at)
        # The one with the id of the installation waits for ever.
        condition = f'{self._condition} AND WorkflowId != "{INSTALLATION}" AND {NOT_OVER}'
        running = self._client.list_workflows(condition)
        ids = {found.id async for found in running} | in_sql.incidents.keys() | in_sql.assessments.keys()
        found_now = {each for each in ids if await self._stands_still(each, in_sql)}
        self._still |= found_now

    async def _in_sql(self, engine: Engine, at: datetime) -> NotOver:
        """Return what SQL has, by workflow id."""
        found = await read(engine, partial(others_not_over, at=at))
        incidents = {incident_id(number): waits for number, waits in found.incidents.items()}
        return NotOver(incidents, {assessment_id(month): waits for month, waits in found.assessments.items()})

    async def _stands_still(self, workflow_id: str, in_sql: NotOver) -> bool:
        await self._throttle.wait()
        known = {**in_sql.incidents, **in_sql.assessments}
        try:
            found = await described(self._client, workflow_id)
            if not found or is_over(WorkflowExecutionStatus(found.workflow_execution_info.status)):
                return workflow_id in known
            run = found.workflow_execution_info
            if run.task_queue != self._task_queue or run.type.name == COMPLAINT_WORKFLOW:
                return workflow_id in known
            due_at, worked_at = await _times(read_events(self._client, run.execution))
        except ForeignError:  # no worker can read it either
            return True
        except RPCError as error:
            if is_undecodable(error):
                return True
            raise
        pending = found.pending_activities
        timer_at = 0 if workflow_id in in_sql.assessments else due_at
        is_idle = not (pending or known.get(workflow_id)) and _is_past(worked_at)
        # Somebody can also have the next run wait for years.
        is_far = _is_far(max(timer_at, run.execution_time.seconds))
        return is_idle or is_left(found) or is_far or any(map(self._waits, pending))

    def _waits(self, pending: PendingActivityInfo) -> bool:
        is_far = _is_far(pending.next_attempt_schedule_time.seconds)
        is_refused = pending.last_failure.application_failure_info.type in REFUSED and pending.attempt > REFUSALS
        options = pending.activity_options
        is_long = options.start_to_close_timeout.seconds > RUN_TIMEOUT.total_seconds()
        return is_far or is_refused or is_long or options.task_queue.name != self._task_queue


def is_left(found: DescribeWorkflowExecutionResponse) -> bool:
    """Return True if the next task of a run is left to a worker that does not take it.

    Somebody who has answered the task before can have the tasks that follow wait for years in a queue of their own.
    """
    task = found.pending_workflow_task
    return task.attempt > 0 and _is_past(task.scheduled_time.seconds)


def _is_far(seconds: int) -> bool:
    # In seconds since 1970, as Python has no instant after the year 9999.
    return seconds - time.time() > LONGEST_PAUSE_SECONDS


def _is_past(seconds: int) -> bool:
    return time.time() - seconds > LONGEST_PAUSE_SECONDS


async def _times(events: AsyncIterator[HistoryEvent]) -> tuple[int, int]:
    """Return when the last pending timer is due, 0 for none, and when the run began or an activity was done last.

    In seconds since 1970. Signals do not count, as anybody can send them. Raises ForeignError and RPCError.
    """
    timers, worked_at = dict[int, int](), 0
    async for event in events:
        if event.HasField("timer_started_event_attributes"):
            timer = event.timer_started_event_attributes
            timers[event.event_id] = event.event_time.seconds + timer.start_to_fire_timeout.seconds
        elif event.event_id == 1 or event.HasField("activity_task_completed_event_attributes"):
            worked_at = event.event_time.seconds
        timers.pop(event.timer_fired_event_attributes.started_event_id, None)
        timers.pop(event.timer_canceled_event_attributes.started_event_id, None)
    return max(timers.values(), default=0), worked_at
