"""Workflow tasks that somebody else's worker answers, with copies of what the service has sealed before."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio import activity
from temporalio.api.command.v1 import Command as WorkflowCommand
from temporalio.api.command.v1 import (
    ProtocolMessageCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType, Payload, Payloads, SearchAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.update.v1 import Acceptance, Outcome, Response
from temporalio.api.update.v1 import Request as UpdateRequest
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateStage
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import Worker

from activities.bulk import CasesOfHandover, HandoverPage, OwnedQuery
from activities.names import UNSEALED
from domain.case.actions.comment import Comment
from domain.case.bulk import Handover
from domain.case.state import ProjectionBatch
from domain.kit.event import Command
from hotline.temporal.converter import runner
from tests.support.hotline import ADMIN, Hotline, running_hotline, until
from tests.support.sealing import stranger
from tests.workflows.test_envelope import Stamped, waits
from workflows.bulk import HandoverStart, HandoverWorkflow
from workflows.complaint.workflow import ComplaintWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


def ours(client: Client, queue: str, *workflows: type) -> Worker:
    """A worker that runs workflows alone, and keeps none in memory: another may have their next task."""
    return Worker(
        client, task_queue=queue, workflows=workflows, workflow_runner=runner(sandbox=False), max_cached_workflows=0
    )


async def events(handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
    return [*(await handle.fetch_history()).events]


async def done(handle: WorkflowHandle[Any, Any]) -> int:
    return sum(each.HasField("activity_task_completed_event_attributes") for each in await events(handle))


async def argument(handle: WorkflowHandle[Any, Any], name: str) -> Payload:
    """Return the argument of the first activity of this type, as anybody can copy it."""
    scheduled = [each.activity_task_scheduled_event_attributes for each in await events(handle)]
    return next(each.input.payloads[0] for each in scheduled if each.activity_type.name == name)


async def hijack(
    client: Client, queue: str, *commands: WorkflowCommand, sticky: StickyExecutionAttributes | None = None
) -> None:
    """Answer the next workflow task in place of the service; `sticky` has the tasks that follow."""
    poll = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), identity="nobody")
    task = await client.workflow_service.poll_workflow_task_queue(poll)
    await client.workflow_service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            namespace=client.namespace, task_token=task.task_token, commands=commands, sticky_attributes=sticky
        )
    )


def schedule(queue: str, name: str, number: int, *copied: Payload) -> WorkflowCommand:
    """Ask for an activity under the id that the service would give to its next one."""
    return WorkflowCommand(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(
            activity_id=str(number),
            activity_type=ActivityType(name=name),
            task_queue=TaskQueue(name=queue),
            input=Payloads(payloads=copied),
            start_to_close_timeout=Duration(seconds=20),
        ),
    )


async def is_refused(handle: WorkflowHandle[Any, Any]) -> None:
    """Its activity is refused, and tried again."""

    async def refusals() -> list[str]:
        pending = (await handle.describe()).raw_description.pending_activities
        return [each.last_failure.application_failure_info.type for each in pending]

    await until(refusals, [UNSEALED].__eq__)


async def test_an_earlier_batch_is_not_taken_for_the_next_one(hotline: Hotline) -> None:
    """The case would hold the later batch for written."""
    queue, client = "earlier-batch", hotline.client
    settings = hotline.settings.model_copy(update={"task_queue": queue})
    without_worker = Hotline(hotline.server, settings, hotline.engine, hotline.projection, client)
    batches: list[list[str]] = []

    @activity.defn
    async def publish(batch: ProjectionBatch) -> None:
        batches.append([event.action for event in batch.events])

    async with Worker(client, task_queue=queue, activities=[publish]):
        async with ours(client, queue, ComplaintWorkflow):
            complaint = await without_worker.start(unwritten=True)
            await complaint.handle.signal("publish")
            await until(lambda: done(complaint.handle), (1).__eq__)
            await complaint.act(Comment(note="-"), unwritten=True)
        copied = await argument(complaint.handle, "publish")
        await stranger(client).get_workflow_handle(complaint.handle.id).signal("publish")
        await hijack(client, queue, schedule(queue, "publish", 2, copied))
        await is_refused(complaint.handle)
    assert batches == [["register"]]
    await complaint.handle.terminate()


@pytest.mark.parametrize(("name", "arguments"), [("publish", 0), ("publish", 2), ("begin_due_periods", 1)])
async def test_another_number_of_arguments_has_nothing_done_and_ends_nothing(
    hotline: Hotline, name: str, arguments: int
) -> None:
    """Copies of its own argument, under its own number. What takes none leaves them out: it does what is due anyway."""
    queue, client = f"wrong-number-{name}-{arguments}", hotline.client
    settings = hotline.settings.model_copy(update={"task_queue": queue})
    without_worker = Hotline(hotline.server, settings, hotline.engine, hotline.projection, client)
    batches: list[ProjectionBatch] = []

    @activity.defn
    async def publish(batch: ProjectionBatch) -> None:
        batches.append(batch)

    @activity.defn
    async def begin_due_periods() -> list[str]:
        return []

    async with Worker(client, task_queue=queue, activities=[publish, begin_due_periods]):
        async with ours(client, queue, ComplaintWorkflow):
            complaint = await without_worker.start(unwritten=True)
            await complaint.handle.signal("publish")
            await until(lambda: done(complaint.handle), (1).__eq__)
        copied = await argument(complaint.handle, "publish")
        await stranger(client).get_workflow_handle(complaint.handle.id).signal("publish")
        await hijack(client, queue, schedule(queue, name, 1, *[copied] * arguments))
        if name == "publish":
            await is_refused(complaint.handle)
        else:
            await until(lambda: done(complaint.handle), (2).__eq__)
    assert len(batches) == 1
    assert (await complaint.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await complaint.handle.terminate()


async def test_a_page_of_a_handover_is_not_done_again_in_place_of_the_next_one(hotline: Hotline) -> None:
    queue, client = "earlier-page", hotline.client
    pages: list[list[str]] = []
    second_page, may_answer = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def list_owned_cases(query: OwnedQuery) -> list[str]:
        if query.after:
            second_page.set()
            await may_answer.wait()
            return ["b"]
        return ["a"]

    @activity.defn
    async def hand_over_cases(page: CasesOfHandover) -> HandoverPage:
        pages.append(page.numbers)
        return HandoverPage(handed_over=len(page.numbers), refused={})

    handover = Handover(id="1" * 32, previous_owner="chen", owner="10099", reason="离职", actor=ADMIN)
    async with Worker(client, task_queue=queue, activities=[list_owned_cases, hand_over_cases]):
        async with ours(client, queue, HandoverWorkflow):
            handle = await client.start_workflow(
                HandoverWorkflow.run, HandoverStart.of(handover), id="handover-hijacked", task_queue=queue
            )
            await second_page.wait()
        copied = await argument(handle, "hand_over_cases")
        may_answer.set()
        await hijack(client, queue, schedule(queue, "hand_over_cases", 4, copied))
        await is_refused(handle)
    assert pages == [["a"]]
    await handle.terminate()


@pytest.mark.parametrize(
    "metadata",
    [{"encoding": b"json/external-storage-reference"}, {"__temporal_external_storage_reference": b"true"}],
)
async def test_a_signal_that_names_another_store_stops_no_case(hotline: Hotline, metadata: dict[str, bytes]) -> None:
    complaint = await hotline.start()
    theirs = stranger(hotline.client).get_workflow_handle(complaint.handle.id)
    await theirs.signal("whatever", RawValue(Payload(metadata=metadata, data=b"{}")))
    assert (await complaint.act(Comment(note="-"))).version == 2


@pytest.mark.usefixtures("accepted_within")
@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=16)])
async def test_an_old_update_that_somebody_else_accepts_is_not_taken(
    hotline: Hotline, tmp_path: Path, age: timedelta
) -> None:
    """Somebody answers as the service did before, and gives its worker a history with an update of another run."""
    changes: dict[str, Any] = {"task_queue": f"update-{age.seconds}", "sandbox": False}
    async with running_hotline(hotline.server, tmp_path, **changes) as ours:
        complaint = await ours.start()
        await complaint.act(Comment(note="first"))
        events = (await complaint.handle.fetch_history()).events
    [outcome] = [each for each in map(outcome_in, events) if each.HasField("success")]
    *_, shown = [
        event.upsert_workflow_search_attributes_event_attributes.search_attributes
        for event in events
        if event.HasField("upsert_workflow_search_attributes_event_attributes")
    ]
    place = WorkflowSerializationContext(ours.client.namespace, complaint.handle.id)
    command = Command(actor=ADMIN, body=Comment(note="old"), key="old")
    copied = await Stamped("command", "comment", "old", ago=age).seal(ours.client, place, command)
    handle = stranger(ours.client).get_workflow_handle(complaint.handle.id)
    update = handle.start_update("comment", copied, id="old", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    sent = asyncio.ensure_future(update)
    await accept(ours, outcome, shown)
    await sent
    async with running_hotline(hotline.server, tmp_path, **changes):
        if age:
            await complaint.handle.signal("publish")
            await waits(complaint.handle)
        else:
            assert (await complaint.view()).version == 3


def outcome_in(event: HistoryEvent) -> Outcome:
    """Return the outcome of an update, which is empty for any other event."""
    return event.workflow_execution_update_completed_event_attributes.outcome


async def accept(hotline: Hotline, outcome: Outcome | None, shown: SearchAttributes | None = None) -> None:
    """Answer the next task in which an update is asked for, in place of the service; None: not yet.

    The update has changed no more than what the search attributes show.
    """
    service, namespace = hotline.client.workflow_service, hotline.client.namespace
    queue = TaskQueue(name=hotline.settings.task_queue)
    poll = PollWorkflowTaskQueueRequest(namespace=namespace, task_queue=queue, identity="nobody")
    # The first task of a new run is there at once, and the update may come after it.
    while not (task := await service.poll_workflow_task_queue(poll)).messages:
        await service.respond_workflow_task_completed(
            RespondWorkflowTaskCompletedRequest(namespace=namespace, task_token=task.task_token)
        )
    [message] = task.messages
    request = UpdateRequest()
    message.body.Unpack(request)
    bodies = [
        Acceptance(
            accepted_request_message_id=message.id,
            accepted_request_sequencing_event_id=message.event_id,
            accepted_request=request,
        ),
        *([Response(meta=request.meta, outcome=outcome)] if outcome else []),
    ]
    answers = [
        Message(id=str(index), protocol_instance_id=message.protocol_instance_id) for index in range(len(bodies))
    ]
    for answer, body in zip(answers, bodies, strict=True):
        answer.body.Pack(body)
    commands = [
        WorkflowCommand(
            command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE,
            protocol_message_command_attributes=ProtocolMessageCommandAttributes(message_id=answer.id),
        )
        for answer in answers
    ]
    upsert = WorkflowCommand(
        command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        upsert_workflow_search_attributes_command_attributes=UpsertWorkflowSearchAttributesCommandAttributes(
            search_attributes=shown
        ),
    )
    commands += [upsert] * bool(shown)
    await service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            namespace=namespace, task_token=task.task_token, commands=commands, messages=answers
        )
    )
