"""Copies of updates that somebody sends again to the next run, which knows no ids of updates any more."""

from temporalio.api.common.v1 import Payload
from temporalio.api.update.v1 import Request
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowUpdateStage
from temporalio.common import RawValue

from tests.support.hotline import until
from tests.support.sealing import stranger

LARGE = RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=bytes(1_900_000)))
"""Argument of nearly the size that Temporal takes; at three of them it suggests a new run."""


async def copied(client: Client, workflow: str) -> list[Request]:
    """Return the updates in the history, as anybody can read them."""
    events = (await client.get_workflow_handle(workflow).fetch_history()).events
    found = [event.workflow_execution_update_accepted_event_attributes.accepted_request for event in events]
    return [each for each in found if each.input.name]


async def send(client: Client, workflow: str, update: Request) -> None:
    """Send a copy, and wait until the workflow has done or refused it."""
    handle = stranger(client).get_workflow_handle(workflow)
    argument, stage = RawValue(update.input.args.payloads[0]), WorkflowUpdateStage.COMPLETED
    await handle.start_update(update.input.name, argument, id=update.meta.update_id, wait_for_stage=stage)


async def send_to_next_run(client: Client, workflow: str, update: Request, wake: str = "publish") -> None:
    """Have the run end by large signals and some that wake it, and send a copy to the next one."""
    handle = stranger(client).get_workflow_handle(workflow)
    first = await handle.describe()
    for _ in range(3):
        await handle.signal("any", LARGE)

    async def woken() -> WorkflowExecutionDescription:
        # Temporal may count the signals that came during a workflow task only at the second task after it.
        await handle.signal(wake)
        return await handle.describe()

    await until(woken, lambda seen: seen.run_id != first.run_id)
    await send(client, workflow, update)
