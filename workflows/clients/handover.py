"""Start of a handover, once: its id is the key of the request."""

from typing import Any

from temporalio.client import Client, WorkflowHandle

from domain.case.handover import HandoverProgress
from workflows.clients.start import RPC_TIMEOUT, Request, start_once
from workflows.entity import LOWEST
from workflows.handover import HandoverStart, HandoverWorkflow


def handover_workflow_id(handover_id: str) -> str:
    """Return the workflow id of a handover."""
    return f"handover-{handover_id}"


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
        rpc_timeout=RPC_TIMEOUT,
    )
    return client.get_workflow_handle(handover_workflow_id(handover.id), result_type=HandoverProgress)
