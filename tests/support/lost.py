"""Workflows that are lost, each in the way in which somebody loses one by a click."""

import uuid
from collections.abc import Awaitable, Callable, Mapping

from temporalio.api.command.v1 import Command, FailWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.enums.v1 import CommandType, ResetReapplyExcludeType
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    PauseWorkflowExecutionRequest,
    PollWorkflowTaskQueueRequest,
    ResetWorkflowExecutionRequest,
    RespondWorkflowTaskCompletedRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.support.hotline import until


async def terminate(client: Client, workflow: str) -> None:
    """Terminate the workflow."""
    await client.get_workflow_handle(workflow).terminate("a slip of the hand")


async def delete(client: Client, workflow: str) -> None:
    """Delete the workflow, and wait until Temporal does not have it any more."""
    request = DeleteWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=Execution(workflow_id=workflow)
    )
    await client.workflow_service.delete_workflow_execution(request)

    async def is_gone() -> bool:
        try:
            await client.get_workflow_handle(workflow).describe()
        except RPCError as error:
            return error.status is RPCStatusCode.NOT_FOUND
        return False

    await until(is_gone, bool)


async def reset(client: Client, workflow: str, *, again: bool = False, task: int = 0) -> None:
    """Reset the workflow to a task. Its updates are left out, or applied `again`: the Temporal UI does both."""

    async def completed_tasks() -> list[int]:
        events = (await client.get_workflow_handle(workflow).fetch_history()).events
        return [each.event_id for each in events if each.HasField("workflow_task_completed_event_attributes")]

    completed = await until(completed_tasks, lambda found: len(found) > task)
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=Execution(workflow_id=workflow),
        reason="a slip of the hand",
        workflow_task_finish_event_id=completed[task],
        request_id=uuid.uuid4().hex,
        reset_reapply_exclude_types=[] if again else [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE],
    )
    await client.workflow_service.reset_workflow_execution(request)


async def fail(client: Client, queue: str) -> None:
    """End the workflow with the next task of this queue as failed, as somebody who poses as its worker."""
    asked = PollWorkflowTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), identity="nobody"
    )
    task = await client.workflow_service.poll_workflow_task_queue(asked)
    ends = Command(
        command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(failure=Failure(message="x")),
    )
    await client.workflow_service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            namespace=client.namespace, task_token=task.task_token, identity="nobody", commands=[ends]
        )
    )


async def pause(client: Client, workflow: str) -> None:
    """Pause the workflow, which loses nothing."""
    request = PauseWorkflowExecutionRequest(namespace=client.namespace, workflow_id=workflow, reason="a slip")
    await client.workflow_service.pause_workflow_execution(request)


async def unpause(client: Client, workflow: str) -> None:
    """Let the workflow go on."""
    request = UnpauseWorkflowExecutionRequest(namespace=client.namespace, workflow_id=workflow, reason="it is over")
    await client.workflow_service.unpause_workflow_execution(request)


LOSSES: Mapping[str, Callable[[Client, str], Awaitable[None]]] = {
    "ended": terminate,
    "missing": delete,
    "reset": reset,
}
"""Ways to lose a workflow, by the mark that the reconciler gives its case."""
