"""Task queue of the service, whose workers have no version: somebody else can give its tasks to a version of theirs."""

from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client

from workflows.clients.singletons import log, log_failures

_KINDS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


async def described(client: Client, task_queue: str) -> list[DescribeTaskQueueResponse]:
    """Return what Temporal tells of the workflow tasks and of the activities of a queue. Raises RPCError."""
    queue, service = TaskQueue(name=task_queue), client.workflow_service
    asked = [
        DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=it) for it in _KINDS
    ]
    return [await service.describe_task_queue(each) for each in asked]


def deployments_in(found: list[DescribeTaskQueueResponse]) -> list[str]:
    """Return the worker deployments that tasks, or a part of them, go to in place of the service's workers."""
    versions = [each.versioning_info for each in found]
    named = [(each.current_deployment_version, each.ramping_deployment_version) for each in versions]
    return sorted({each.deployment_name for both in named for each in both if each.deployment_name})


async def take_back(client: Client, task_queue: str) -> None:
    """Send the tasks of the queue to workers without a version, if deployments have them. Raises RPCError."""
    service = client.workflow_service
    for name in deployments_in(await described(client, task_queue)):
        with log_failures(f"the deployment {name!r}, which has our tasks,"):
            of_it: dict[str, Any] = {"namespace": client.namespace, "deployment_name": name}
            known = await service.describe_worker_deployment(DescribeWorkerDeploymentRequest(**of_it))
            # Nobody but its manager, if it has one, changes a deployment.
            of_it["identity"] = known.worker_deployment_info.manager_identity or client.identity
            of_it |= {"ignore_missing_task_queues": True, "allow_no_pollers": True}
            await service.set_worker_deployment_ramping_version(SetWorkerDeploymentRampingVersionRequest(**of_it))
            await service.set_worker_deployment_current_version(SetWorkerDeploymentCurrentVersionRequest(**of_it))
            log.warning("somebody gave our tasks to the deployment %r; they come here again", name)
