"""Start and end of what concerns many cases: handovers, and rollouts of a catalogue."""

from contextlib import suppress
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from activities.names import HANDOVER, ROLLOUT
from activities.run_status import if_found, is_not_found, is_over
from domain.case.bulk import HandoverProgress
from domain.catalogue.terms import Edition
from domain.shared.errors import OperatorError
from workflows.bulk import CatalogueRolloutWorkflow, HandoverStart, HandoverWorkflow, RolloutStart
from workflows.clients.start import MEMO, Request, start_once
from workflows.kit.entity import LOWEST


def handover_workflow_id(handover_id: str) -> str:
    """`handover_id` is the key of the request."""
    return f"{HANDOVER}{handover_id}"


async def start_handover(
    client: Client, task_queue: str, start: HandoverStart, request: Request
) -> WorkflowHandle[Any, HandoverProgress]:
    """Start the handover, or find it if it was started before. Raises what the client raises."""
    handover = start.progress.handover
    await start_once(
        client,
        request,
        HandoverWorkflow.run,
        start,
        id=handover_workflow_id(handover.id),
        task_queue=task_queue,
        priority=LOWEST,
        static_summary=f"全部移交 Handover · {handover.previous_owner} → {handover.owner}",
        static_details="Every open case of the one is given to the other, a few at a time.",
    )
    return client.get_workflow_handle(handover_workflow_id(handover.id), result_type=HandoverProgress)


def rollout_id(edition: Edition) -> str:
    return f"{ROLLOUT}{edition.digest}"


async def start_rollout(
    client: Client, task_queue: str, start: RolloutStart
) -> WorkflowHandle[CatalogueRolloutWorkflow, dict[str, int]]:
    """Start the rollout, or find it running. A further one, after its end, changes what is left to change.

    Raises OperatorError if a workflow on another task queue, which no worker of the service gets, has its id.
    """
    edition = start.edition
    handle = await client.start_workflow(
        CatalogueRolloutWorkflow.run,
        start,
        id=rollout_id(edition),
        task_queue=task_queue,
        memo={MEMO: Request(key=edition.digest)},
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=LOWEST,
        static_summary=f"启用服务目录 Catalogue in force · {edition.name_zh} {edition.name}",
        static_details="Every open case is held to the catalogue, a few at a time; the result counts their answers.",
    )
    if (found := await handle.describe()).task_queue != task_queue:
        raise OperatorError(
            f"no open case is moved to {edition.name}: a workflow on another task queue, {found.task_queue},"
            f" has the id of the rollout, {found.id}. Terminate it, and apply the catalogue again."
        )
    return handle


async def cancel_rollout(client: Client, task_queue: str, edition: Edition) -> bool:
    """Cancel the rollout of another catalogue, and wait for its end. Returns False if none of the service runs."""
    handle = client.get_workflow_handle(rollout_id(edition))
    found = await if_found(handle.describe())
    # One on another task queue changes no case, and may never end.
    if found is None or is_over(found.status) or found.task_queue != task_queue:
        return False
    if await is_not_found(handle.cancel()):
        return False
    with suppress(WorkflowFailureError):
        await handle.result()
    return True
