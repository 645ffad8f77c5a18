"""The Schedule of the service: each night, in the time zone of the company, it begins what is due."""

import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import ParseDict
from temporalio.api.common.v1 import Payload
from temporalio.api.schedule.v1 import Schedule, SchedulePatch, TriggerImmediatelyRequest
from temporalio.api.workflowservice import v1 as temporal
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from activities.names import PERIOD_END
from activities.run_status import unless, unless_gone
from activities.sealing.envelope import context_of
from activities.sealing.stamps import UndecidedError
from workflows.clients.singletons import log
from workflows.service import PeriodEndWorkflow

SCHEDULE = PERIOD_END
"""Id of the Schedule, and the beginning of the ids of its workflows."""
WORKFLOW = f"temporal-sys-scheduler:{SCHEDULE}"
"""Id of the workflow by which Temporal keeps it."""
ANSWER = timedelta(seconds=1)
"""Longest wait for what Temporal has of it: it answers in milliseconds, and readiness waits for two seconds."""
HOUR, MINUTE = 0, 20
"""Local time of the start: the last promises of the day have rung."""
CATCH_UP_SECONDS = 366 * 24 * 3600
"""Starts that were missed as Temporal was down are made up for by one, as soon as it is back."""


async def keep_schedule(client: Client, task_queue: str, time_zone: str) -> bool:
    """Create the Schedule, or make it what it is to be again, paused or not; return True if it was not there.

    Calls may be repeated. Raises RPCError.
    """
    converter = client.data_converter.with_context(context_of(client.namespace, SCHEDULE))
    [summary] = await converter.encode(["日终月终 End of the day or month"])
    wanted, found = _wanted(task_queue, time_zone, summary), await describe_schedule(client)
    changes: dict[str, Any] = {"namespace": client.namespace, "schedule_id": SCHEDULE, "schedule": wanted}
    changes |= {"identity": client.identity, "request_id": str(uuid.uuid4())}
    if found is None:
        # What was missed before the Schedule was there is made up for at once.
        at_once = SchedulePatch(trigger_immediately=TriggerImmediatelyRequest())
        creation = temporal.CreateScheduleRequest(**changes, initial_patch=at_once)
        return await unless(RPCStatusCode.ALREADY_EXISTS, client.workflow_service.create_schedule(creation)) is not None
    # An operator may have paused it. A summary that opens is the service's own, as nothing else is sealed for this id.
    wanted.state.paused, wanted.state.notes = found.schedule.state.paused, found.schedule.state.notes
    shown = found.schedule.action.start_workflow.user_metadata.summary
    with suppress(UndecidedError):
        await converter.decode([shown])
        shown.CopyFrom(summary)
    # A newer server may tell more of it than this release can say.
    found.schedule.DiscardUnknownFields()
    if found.schedule != wanted:
        log.warning("the Schedule %s is not as the service makes it, and is made so again", SCHEDULE)
        update = temporal.UpdateScheduleRequest(**changes, conflict_token=found.conflict_token)
        await client.workflow_service.update_schedule(update)
    return False


async def describe_schedule(client: Client) -> temporal.DescribeScheduleResponse | None:
    """Return what Temporal has of the Schedule, if anything: its client cannot read all that somebody may set.

    Raises RPCError, after `ANSWER` as well: Temporal waits for half a minute if a workflow of somebody else has the id.
    """
    asked = temporal.DescribeScheduleRequest(namespace=client.namespace, schedule_id=SCHEDULE)
    return await unless_gone(client.workflow_service.describe_schedule(asked, timeout=ANSWER))


def _wanted(task_queue: str, time_zone: str, summary: Payload) -> Schedule:
    """Return the Schedule in the form in which Temporal tells it."""
    time = {"second": (0, 0), "minute": (MINUTE, MINUTE), "hour": (HOUR, HOUR)}
    any_day = {"dayOfMonth": (1, 31), "month": (1, 12), "dayOfWeek": (0, 6)}
    calendar = {name: [{"start": first, "end": last, "step": 1}] for name, (first, last) in (time | any_day).items()}
    starts = {"workflowId": SCHEDULE, "workflowType": {"name": PeriodEndWorkflow.__name__}}
    starts["taskQueue"] = {"name": task_queue, "kind": "TASK_QUEUE_KIND_NORMAL"}
    schedule = {
        "spec": {"structuredCalendar": [calendar], "timezoneName": time_zone},
        "action": {"startWorkflow": starts},
        "policies": {"overlapPolicy": "SCHEDULE_OVERLAP_POLICY_SKIP", "catchupWindow": f"{CATCH_UP_SECONDS}s"},
    }
    wanted = ParseDict(schedule, Schedule())
    wanted.action.start_workflow.user_metadata.summary.CopyFrom(summary)
    return wanted
