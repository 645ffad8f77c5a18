"""Workflows of the service that are no cases, and how to tell that a workflow does not go on."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from sqlalchemy import Engine
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo, WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecutionStatus

from activities import names, run_status
from activities.cases import BulkThrottle, read
from activities.poller import RUN_TIMEOUT
from readmodel.recovery import NotOver, others_not_over

LONGEST_PAUSE_SECONDS = 900
"""Time that no workflow pauses but for people or a deadline: a rollout waits for registrations for 820 s at most
(`settle_seconds` of `hotline catalogue apply`, by the largest settings)."""
LONGEST_RETRY_SECONDS = 60
"""Time that no activity waits for its next try: the service waits for ten seconds at most."""
REFUSAL_TYPES = names.UNSEALED, "NotFoundError"
"""Types of failures of an activity that the run has not asked for, or that no worker has (of the SDK)."""
REFUSALS = 20
"""Tries after which an activity counts as refused, or out of time, for good: they take three minutes at least."""
LONGEST_HISTORY = 16_000_000
"""Bytes of a history that is not read: a run of the service ends at a quarter of that."""
MOST_LISTED = 5000
"""Workflows that one question to Temporal's list returns at most: somebody can start any number."""
ASKED_AGAIN = 100
"""Workflows that one comparison asks again: somebody can have thousands get stuck."""
_SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
_OF_SERVICE = " OR ".join(f'WorkflowId STARTS_WITH "{each}"' for each in names.OTHER_IDS)

logger = logging.getLogger(__name__)


class WatchList:
    """Workflows, by id or number, of which each comparison asks some again, in turn."""

    def __init__(self) -> None:
        self._ids = dict[str, None]()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, each: str) -> None:
        self._ids.setdefault(each)

    async def ask_again(self, is_stuck: Callable[[str], Awaitable[bool]]) -> list[str]:
        """Drop those that go on. Raises what `is_stuck` raises."""
        if len(self._ids) > ASKED_AGAIN:
            logger.warning("%d workflows are stuck, of which %d are asked again", len(self._ids), ASKED_AGAIN)
        for each in [*islice(self._ids, ASKED_AGAIN)]:
            stuck = await is_stuck(each)
            del self._ids[each]
            if stuck:
                self._ids[each] = None
        return [*self._ids]


class OtherWorkflows:
    """List of the workflows of the service that are no cases. Every question waits for people."""

    def __init__(self, client: Client, throttle: BulkThrottle, task_queue: str) -> None:
        self._client = client
        self._throttle = throttle
        self._task_queue = task_queue
        self._condition = f'TaskQueue = "{task_queue}" AND WorkflowId NOT STARTS_WITH "{names.complaint_id("")}"'
        self._watched = WatchList()
        self.unreadable: dict[str, str] = {}
        """Assessments that this release cannot read in SQL, by id, with the reason, as the last sweep found them."""

    async def stuck(self, engine: Engine, at: datetime) -> list[str]:
        """Ids of those that do not go on, by Temporal's list or the last sweep, those in SQL first; see `sweep`."""
        listed = await self._listed(f"{self._condition} AND ({run_status.IS_PAUSED} OR {stuck_runs()})")
        if not (listed or self._watched):
            return []
        in_sql = await self._in_sql(engine, at)
        watched = await self._watched.ask_again(lambda each: self._is_stuck(each, in_sql))
        ranks = in_sql.incidents, in_sql.assessments
        return sorted({*listed, *watched}, key=lambda each: ([each not in known for known in ranks], each))

    async def sweep(self, engine: Engine, at: datetime) -> None:
        """Watch those that no list shows: they wait for nothing that comes, or SQL has them and Temporal has not.

        An assessment counts that has not noticed what was due `at` this instant. One that cannot be read does not.
        Raises RPCError and ApplicationError.
        """
        in_sql = await self._in_sql(engine, at)
        self.unreadable = dict(in_sql.unreadable)
        # First what the service has named: anybody can start others. What has moved to another queue counts as well.
        running = [*await self._listed(f"{run_status.NOT_OVER} AND ({_OF_SERVICE})")]
        # The one with the id of the installation waits for ever.
        running += await self._listed(
            f'{run_status.NOT_OVER} AND {self._condition} AND WorkflowId != "{names.INSTALLATION}"'
        )
        for each in dict.fromkeys([*in_sql.incidents, *in_sql.assessments, *running]):
            if await self._is_stuck(each, in_sql):
                self._watched.add(each)

    async def _listed(self, query: str) -> list[str]:
        found = [each.id async for each in self._client.list_workflows(query, limit=MOST_LISTED)]
        if len(found) == MOST_LISTED:
            logger.warning("%d workflows are looked at, and there may be more: %s", MOST_LISTED, query)
        return found

    async def _in_sql(self, engine: Engine, at: datetime) -> NotOver:
        """Keyed by workflow id."""
        found = await read(engine, partial(others_not_over, at=at))
        incidents = {names.incident_id(number): waits for number, waits in found.incidents.items()}
        months = {names.assessment_id(month): waits for month, waits in found.assessments.items()}
        return NotOver(incidents, months, {names.assessment_id(month): why for month, why in found.unreadable.items()})

    async def _is_stuck(self, workflow_id: str, in_sql: NotOver) -> bool:
        # Of an assessment that cannot be read nobody knows if it waits for people.
        return workflow_id not in in_sql.unreadable and await self._looks_stuck(workflow_id, in_sql)

    async def _looks_stuck(self, workflow_id: str, in_sql: NotOver) -> bool:
        await self._throttle.wait()
        known = {**in_sql.incidents, **in_sql.assessments}
        own_type = "AssessmentWorkflow" if workflow_id in in_sql.assessments else "IncidentWorkflow"
        try:
            found = await run_status.describe_run(self._client, workflow_id)
            if not found or run_status.is_over(WorkflowExecutionStatus(found.workflow_execution_info.status)):
                return workflow_id in known
            run = found.workflow_execution_info
            is_another = run.type.name == names.COMPLAINT_WORKFLOW or (
                workflow_id in known and run.type.name != own_type
            )
            if is_another or run.task_queue != self._task_queue:
                return workflow_id in known or await self._has_moved(run)
            pending, is_long = found.pending_activities, run.history_size_bytes > LONGEST_HISTORY
            waits = any(is_held_up(each, self._task_queue) for each in pending)
            if is_long or waits or is_left(found) or _is_far(run.execution_time.seconds):
                return True
            due, worked_at = await _times(run_status.read_events(self._client, run.execution))
        except run_status.ForeignError:  # no worker can read it either
            return True
        except run_status.UndecodableError:  # Temporal keeps the failure after the run's end
            return workflow_id in known or await run_status.is_listed(self._client, workflow_id)
        is_idle = not (pending or known.get(workflow_id)) and _is_past(worked_at)
        is_put_off = workflow_id not in in_sql.assessments and any(map(_is_far, due))
        is_lost = any(map(_is_overdue, due)) or any(map(_is_undelivered, pending))
        return is_idle or is_put_off or is_lost

    async def _has_moved(self, run: WorkflowExecutionInfo) -> bool:
        """Return True if a run that no worker of the service gets goes on from one that they had.

        It may as well if its first run is gone: somebody can delete that.
        """
        if run.first_run_id == run.execution.run_id:
            return False
        first = await run_status.describe_run(self._client, run.execution.workflow_id, run.first_run_id)
        return first is None or first.workflow_execution_info.task_queue == self._task_queue


def is_held_up(pending: PendingActivityInfo, task_queue: str) -> bool:
    """Return True if an activity waits as none of the service does, or was refused or out of time again and again."""
    is_far = _is_far(pending.next_attempt_schedule_time.seconds, LONGEST_RETRY_SECONDS)
    failure, options = pending.last_failure, pending.activity_options
    is_refusal = failure.application_failure_info.type in REFUSAL_TYPES or names.UNDECODED in failure.message
    is_refused = (is_refusal or failure.HasField("timeout_failure_info")) and pending.attempt > REFUSALS
    is_long = options.start_to_close_timeout.seconds > RUN_TIMEOUT.total_seconds()
    is_slow = options.retry_policy.maximum_interval.seconds > LONGEST_RETRY_SECONDS
    return is_far or is_refused or is_long or is_slow or options.task_queue.name != task_queue


def _is_undelivered(pending: PendingActivityInfo) -> bool:
    """Return True if the next try of an activity is due, and no worker gets it: Temporal may not have its task."""
    since = max(pending.scheduled_time.seconds, pending.last_attempt_complete_time.seconds)
    is_due = pending.state == _SCHEDULED and not pending.next_attempt_schedule_time.seconds
    return is_due and since > 0 and _is_overdue(since)


def stuck_runs() -> str:
    """Condition of Temporal's lists for runs that do not go on, or that somebody has begin in years.

    Their tasks fail again and again, or somebody has paused an activity, pinned a worker's version, or put off a run.
    """
    latest = datetime.fromtimestamp(time.time() + LONGEST_PAUSE_SECONDS, UTC)
    return f'({run_status.STUCK} OR (ExecutionStatus = "Running" AND ExecutionTime > "{latest.isoformat()}"))'


def is_left(found: DescribeWorkflowExecutionResponse) -> bool:
    """Return True if the next task of a run is left to a worker that does not take it.

    Somebody who has answered the task before can have the tasks that follow wait for years in a queue of their own.
    """
    task = found.pending_workflow_task
    return task.attempt > 0 and _is_past(task.scheduled_time.seconds)


def _is_far(seconds: int, pause: int = LONGEST_PAUSE_SECONDS) -> bool:
    # In seconds since 1970, as Python has no instant after the year 9999.
    return seconds - time.time() > pause


def _is_past(seconds: int) -> bool:
    return time.time() - seconds > LONGEST_PAUSE_SECONDS


def _is_overdue(seconds: int) -> bool:
    """Return True if Temporal or its workers have not done for long what was due then, however busy they are."""
    return time.time() - seconds > RUN_TIMEOUT.total_seconds()


async def _times(events: AsyncIterator[HistoryEvent]) -> tuple[list[int], int]:
    """Due time of each pending timer, and the time at which the run began or an activity was done last.

    In seconds since 1970. Signals do not count, as anybody can send them. Raises ForeignError and RPCError.
    """
    timers, worked_at = dict[int, int](), 0
    async for event in events:
        if event.HasField("timer_started_event_attributes"):
            timer = event.timer_started_event_attributes
            timers[event.event_id] = event.event_time.seconds + timer.start_to_fire_timeout.seconds
        elif event.workflow_execution_started_event_attributes.HasField("retry_policy"):
            raise run_status.ForeignError("Temporal starts it again and again")  # which the service never asks for
        elif event.event_id == 1 or event.HasField("activity_task_completed_event_attributes"):
            worked_at = event.event_time.seconds
        timers.pop(event.timer_fired_event_attributes.started_event_id, None)
        timers.pop(event.timer_canceled_event_attributes.started_event_id, None)
    return [*timers.values()], worked_at
