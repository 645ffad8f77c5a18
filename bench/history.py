"""Cost of one complaint in Temporal, counted from its real history: events, timers, activities, billable actions.

A billable action is counted as Temporal Cloud documents it (https://docs.temporal.io/cloud/actions): a start or a
continue-as-new, an update, a signal, an attempt of an activity, a timer, an upsert of search attributes; attributes
given at the start are free, and all local activities of one workflow task are one. Queries and heartbeats leave no
event: the plain path has neither.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from bench.load import PATH, Hotline
from bench.measure import Round

WORKFLOW_ID = "complaint-{number}"
SETTLED_WITHIN_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.02

ONE_ACTION_EACH = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_TIMER_STARTED,
)
TWO_ACTIONS_EACH = (EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,)


@dataclass(frozen=True)
class Cost:
    """Counts of one case."""

    events: int
    updates: int
    activities: int
    timers: int
    upserts: int
    workflow_tasks: int
    billable_actions: int
    history_bytes: int


def cost(events: Sequence[HistoryEvent]) -> Cost:
    """Count a history."""
    kinds = Counter(event.event_type for event in events)
    return Cost(
        events=len(events),
        updates=kinds[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED],
        activities=kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED],
        timers=kinds[EventType.EVENT_TYPE_TIMER_STARTED],
        upserts=kinds[EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES],
        workflow_tasks=kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED],
        billable_actions=billable(events),
        history_bytes=sum(event.ByteSize() for event in events),
    )


def billable(events: Sequence[HistoryEvent]) -> int:
    """Return the number of billable actions that this history shows."""
    kinds = Counter(event.event_type for event in events)
    simple = sum(kinds[kind] for kind in ONE_ACTION_EACH) + 2 * sum(kinds[kind] for kind in TWO_ACTIONS_EACH)
    # The started event is written at the end and tells the last attempt: every one before was an action too.
    attempts = sum(
        event.activity_task_started_event_attributes.attempt
        for event in events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    )
    marked = {
        event.marker_recorded_event_attributes.workflow_task_completed_event_id
        for event in events
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
    }
    return simple + attempts + len(marked)


async def measure(url: str, key: str, client: Client) -> tuple[Cost, Round]:
    """Play the plain path slowly: each action comes when Temporal has nothing left to do for the one before.

    That is the dearest way to play it: nothing of two actions falls into one workflow task. Answers how many of the
    answers were 202 as well.
    """
    sample = Round(cases=1)
    async with Hotline(url, key) as hotline:
        number = await hotline.register(sample)
        handle = client.get_workflow_handle(WORKFLOW_ID.format(number=number))
        events = await settled(handle)
        for action, body in PATH:
            await hotline.act(number, action, body, sample)
            events = await settled(handle)
    return cost(events), sample


async def settled(handle: "WorkflowHandle[object, object]") -> Sequence[HistoryEvent]:
    """Return the history once no activity and no workflow task is running.

    Raises:
        TimeoutError: something was still under way after `SETTLED_WITHIN_SECONDS`.
    """
    give_up_at = time.monotonic() + SETTLED_WITHIN_SECONDS
    while True:
        events = (await handle.fetch_history()).events
        if not _under_way(events):
            return events
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{handle.id} is not at rest after {SETTLED_WITHIN_SECONDS:g} s")
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _under_way(events: Sequence[HistoryEvent]) -> bool:
    kinds = Counter(event.event_type for event in events)
    activities = (
        kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] - kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED]
    )
    tasks = kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED] - sum(
        kinds[kind]
        for kind in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        )
    )
    return bool(activities or tasks)
