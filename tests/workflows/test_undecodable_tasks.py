"""Answers that the SDK cannot decode: they hold up the workflow that they are for, and no other."""

from pathlib import Path

import pytest
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import RespondActivityTaskFailedByIdRequest

from domain.case.actions.comment import Comment
from tests.support.hotline import running_hotline, until
from tests.support.temporal import temporal_server
from tests.workflows.test_envelope import waits
from workflows.clients.upkeep import RECONCILER

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
CAUSES = 94
"""The fewest with which a task is not decoded; the server takes three more."""


async def test_one_that_is_nested_too_deep_holds_up_no_case(tmp_path: Path) -> None:
    failure = Failure(application_failure_info=ApplicationFailureInfo(type="x", non_retryable=True))
    for _ in range(CAUSES):
        failure = Failure(cause=failure, application_failure_info=failure.application_failure_info)
    async with await temporal_server() as server, running_hotline(server, tmp_path, sandbox=False) as hotline:
        complaint = await hotline.start()
        await RECONCILER.start(hotline.client, hotline.settings.task_queue)
        singleton = hotline.client.get_workflow_handle(RECONCILER.id)

        async def running() -> list[str]:
            pending = (await singleton.describe()).raw_description.pending_activities
            return [each.activity_id for each in pending if each.attempt]

        [activity] = await until(running, bool)
        await hotline.client.workflow_service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(
                namespace=hotline.client.namespace,
                workflow_id=RECONCILER.id,
                activity_id=activity,
                failure=failure,
            )
        )
        await waits(singleton)
        assert (await complaint.act(Comment(note="还没来"))).version == 2
