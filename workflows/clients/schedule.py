"""The Schedule of the service: each night, in the time zone of the company, it begins what is due."""

from contextlib import suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from workflows.report import PeriodEndWorkflow

SCHEDULE = "period-end"
"""Id of the Schedule, and the beginning of the ids of its workflows."""
HOUR, MINUTE = 0, 20
"""Local time of the start: the last promises of the day have rung."""
CATCH_UP = timedelta(days=366)
"""Starts that were missed as Temporal was down are made up for by one, as soon as it is back."""


async def keep_schedule(client: Client, task_queue: str, time_zone: str) -> bool:
    """Create the Schedule, or bring it to this queue and time zone; return True if it was not there. Raises RPCError.

    Calls may be repeated.
    """
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            PeriodEndWorkflow.run,
            id=SCHEDULE,
            task_queue=task_queue,
            static_summary="日终月终 End of the day or month",
        ),
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(HOUR)], minute=[ScheduleRange(MINUTE)])],
            time_zone_name=time_zone,
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
    try:
        await client.get_schedule_handle(SCHEDULE).update(lambda found: _changed(found, schedule, task_queue))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        with suppress(ScheduleAlreadyRunningError):
            # What was missed before the Schedule was there is made up for at once.
            await client.create_schedule(SCHEDULE, schedule, trigger_immediately=True)
        return True
    return False


def _changed(found: ScheduleUpdateInput, wanted: Schedule, task_queue: str) -> ScheduleUpdate | None:
    """Return the update; None if time zone and queue are those wanted. An operator may have paused it."""
    present = found.description.schedule
    action = present.action
    same_queue = isinstance(action, ScheduleActionStartWorkflow) and action.task_queue == task_queue
    if same_queue and present.spec.time_zone_name == wanted.spec.time_zone_name:
        return None
    wanted.state = present.state
    return ScheduleUpdate(schedule=wanted)
