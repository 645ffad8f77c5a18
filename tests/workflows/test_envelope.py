"""Whoever reaches Temporal's port acts in nobody's name: only what the service has sealed starts or changes a case."""

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import Input
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.command_faults import UNSEALED
from domain.case.actions.comment import Comment
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from tests.support.hotline import Complaint

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORGERY = "the service has not sealed it"
KEPT = Command(actor=Actor(id="nobody", role=Role.FOLLOW_UP), body=Comment(note="结案"), key="known")


async def refused(client: Client, complaint: Complaint, name: str, argument: Any, **options: Any) -> str:
    """Send an update that is refused and leaves nothing in the history; return why."""
    handle = client.get_workflow_handle(complaint.handle.id)
    before = await accepted(complaint)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await handle.execute_update(name, argument, **options)
    assert await accepted(complaint) == before
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == UNSEALED
    return cause.message


async def accepted(complaint: Complaint) -> list[Input]:
    """Return the updates in the history."""
    events = (await complaint.handle.fetch_history()).events
    found = [event.workflow_execution_update_accepted_event_attributes.accepted_request.input for event in events]
    return [each for each in found if each.name]


async def rejected(handle: WorkflowHandle[Any, Any]) -> str:
    """Wait until the workflow has failed in its first task, and asked for nothing before; return why."""
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    assert kinds[-3:] == [
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    ]
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == UNSEALED
    return cause.message
