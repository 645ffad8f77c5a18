"""Workers of somebody else: what they answer in place of the service is not taken, and ends nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio import activity
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    UpdateActivityOptionsRequest,
)
from temporalio.client import Client
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import Worker

from activities.names import UNSEALED, complaint_id
from activities.sealing.envelope import Context, Envelope, context_of
from domain.case.case import Case
from domain.case.state import ProjectionBatch
from hotline.temporal.converter import runner
from readmodel.writer import GroupWriter
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.lost import reset
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_envelope import Stamped, waits
from tests.workflows.test_host import without_events
from workflows.clients.start import MEMO, Request, find_started
from workflows.clients.upkeep import RECONCILER, last_report
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.singletons import ReconcilerWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECRET = "李婆婆"


@pytest_asyncio.fixture(loop_scope="session")
async def unhelped(hotline: Hotline, request: pytest.FixtureRequest) -> AsyncIterator[Hotline]:
    """A hotline whose worker runs workflows, on a queue of its own, and no activity."""
    queue = f"unhelped-{abs(hash(request.node.name))}"
    settings = hotline.settings.model_copy(update={"task_queue": queue})
    made = Hotline(hotline.server, settings, hotline.engine, hotline.projection, hotline.client)
    async with Worker(
        hotline.client,
        task_queue=queue,
        workflows=[ComplaintWorkflow, ReconcilerWorkflow],
        workflow_runner=runner(sandbox=False),
    ):
        yield made


async def asked(hotline: Hotline) -> PollActivityTaskQueueResponse:
    """Take the next activity from the queue, as anybody can."""
    queue = TaskQueue(name=hotline.settings.task_queue)
    request = PollActivityTaskQueueRequest(namespace=hotline.client.namespace, task_queue=queue, identity="nobody")
    return await hotline.client.workflow_service.poll_activity_task_queue(request)


async def told(hotline: Hotline, token: bytes, answer: Payload | Failure | None) -> None:
    """Give an answer for the activity."""
    namespace, service = hotline.client.namespace, hotline.client.workflow_service
    if isinstance(answer, Failure):
        await service.respond_activity_task_failed(
            RespondActivityTaskFailedRequest(namespace=namespace, task_token=token, failure=answer)
        )
    else:
        await service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(
                namespace=namespace, task_token=token, result=Payloads(payloads=[answer] if answer else [])
            )
        )


def place_in(client: Client, context: Context, task: PollActivityTaskQueueResponse) -> str:
    """Return what the arguments of the activity say about its place in the run."""
    envelope = client.data_converter.with_context(context).payload_codec
    assert isinstance(envelope, Envelope)
    return envelope.open(task.input.payloads[0]).metadata["id"].decode().partition("/")[2]


async def fails_after(hotline: Hotline, token: bytes, beat: Payload) -> None:
    """Send a heartbeat of the activity, and have it tried again."""
    details = Payloads(payloads=[beat])
    await hotline.client.workflow_service.record_activity_task_heartbeat(
        RecordActivityTaskHeartbeatRequest(namespace=hotline.client.namespace, task_token=token, details=details)
    )
    await told(hotline, token, Failure(application_failure_info=ApplicationFailureInfo(type="x")))


PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b"null")
GARBAGE = Payload(metadata={"encoding": b"binary/sealed", "key": b"\xff", "for": b"{"}, data=b"\0")
FINAL = ApplicationFailureInfo(type="x", non_retryable=True)
UNOPENED = {
    "a key that nobody has": {"key": b"ab"},
    "an empty key": {"key": b""},
    "no key, and no text": {"kind": b"\xff"},
    "stored elsewhere": {"encoding": b"json/external-storage-reference"},
    "marked as stored elsewhere": {"__temporal_external_storage_reference": b"true"},
}
"""Metadata that no codec opens, by what they say."""
ANSWERS: dict[str, Callable[[Payload], Payload | Failure | None]] = {
    "plain": lambda _: PLAIN,
    "null": lambda _: Payload(metadata={"encoding": b"binary/null"}),
    "garbage": lambda _: GARBAGE,
    "nothing": lambda _: None,
    "its own argument": lambda own: own,
    "a failure": lambda _: Failure(message="no", application_failure_info=FINAL),
    "a failure with its own argument": lambda own: Failure(encoded_attributes=own, application_failure_info=FINAL),
}
"""Of what is sealed in the argument. The server itself takes no failure of another kind, as that of a cancellation."""


@pytest.mark.parametrize("answer", ANSWERS)
async def test_what_somebody_else_answers_for_an_activity_is_not_taken(unhelped: Hotline, answer: str) -> None:
    complaint = await unhelped.start(unwritten=True)
    await complaint.handle.signal("publish")
    task = await asked(unhelped)
    await told(unhelped, task.task_token, ANSWERS[answer](task.input.payloads[0]))
    await waits(complaint.handle)


@pytest.mark.parametrize(
    ("stamp", "is_taken"),
    [
        (Stamped("result", "", "1"), True),
        (Stamped("result", "", "2"), False),
        (Stamped("result", "", "1", ago=timedelta(minutes=2)), False),
        (Stamped("failure", "", "1"), False),
    ],
)
async def test_a_result_is_of_one_activity_in_one_run(unhelped: Hotline, stamp: Stamped, *, is_taken: bool) -> None:
    complaint = await unhelped.start(unwritten=True)
    await complaint.handle.signal("publish")
    task, client = await asked(unhelped), unhelped.client
    place = context_of(client.namespace, complaint.handle.id, "ComplaintWorkflow", "publish")
    await told(unhelped, task.task_token, (await stamp.seal(client, place, None)).payload)
    if is_taken:
        await complaint.view()
        kinds = [event.event_type for event in (await complaint.handle.fetch_history()).events]
        assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    else:
        await waits(complaint.handle)


async def test_a_failure_is_sealed_for_its_type_and_for_good(unhelped: Hotline) -> None:
    complaint = await unhelped.start(unwritten=True)
    await complaint.handle.signal("publish")
    task, client = await asked(unhelped), unhelped.client
    place = context_of(client.namespace, complaint.handle.id, "ComplaintWorkflow", "publish")
    sealed = await Stamped("failure", "KeyError", "1").seal(client, place, {"message": "", "stack_trace": ""})
    await told(unhelped, task.task_token, Failure(encoded_attributes=sealed.payload, application_failure_info=FINAL))
    await waits(complaint.handle)


async def test_no_time_limit_that_somebody_sets_for_an_activity_ends_a_case(unhelped: Hotline) -> None:
    complaint, client = await unhelped.start(unwritten=True), unhelped.client
    await complaint.handle.signal("publish")
    await asked(unhelped)
    request = UpdateActivityOptionsRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=complaint.handle.id),
        type="publish",
        activity_options=ActivityOptions(schedule_to_close_timeout=Duration(seconds=1)),
        update_mask=FieldMask(paths=["schedule_to_close_timeout"]),
    )
    await client.workflow_service.update_activity_options(request)
    await waits(complaint.handle)


@pytest.mark.parametrize(
    ("beat", "seen"),
    [
        (Stamped("heartbeat", "", "RUN/1"), [200]),
        (Stamped("heartbeat", "", "RUN/2"), []),
        (Stamped("heartbeat", "", "another/1"), []),
        (Stamped("activity", "", "RUN/1"), []),
        *((said, []) for said in UNOPENED),
        ("plain", []),
        ("garbage", []),
        ("its own argument", []),
    ],
)
async def test_heartbeats_are_of_one_activity_in_one_run(
    unhelped: Hotline, beat: Stamped | str, seen: list[int]
) -> None:
    """All others count as none: they neither end the activity nor keep it from being done."""
    complaint, client = await unhelped.start(unwritten=True), unhelped.client
    await complaint.handle.signal("publish")
    task, run = await asked(unhelped), str(complaint.handle.first_execution_run_id)
    if isinstance(beat, Stamped):
        place = context_of(client.namespace, complaint.handle.id, "ComplaintWorkflow", "publish")
        stamp = beat._replace(id=beat.id.replace("RUN", run))
        sent = (await stamp.seal(client, place, 200)).payload
    elif beat in ANSWERS:
        answer = ANSWERS[beat](task.input.payloads[0])
        assert isinstance(answer, Payload)
        sent = answer
    else:
        said = {"encoding": b"binary/sealed", "kind": b"heartbeat", "id": f"{run}/1".encode(), **UNOPENED[beat]}
        sent = Payload(metadata=said, data=b"200")
    await fails_after(unhelped, task.task_token, sent)
    given = asyncio.get_running_loop().create_future()

    @activity.defn
    async def publish(_: ProjectionBatch) -> None:
        given.set_result([*activity.info().heartbeat_details])

    async with Worker(client, task_queue=unhelped.settings.task_queue, activities=[publish]), asyncio.timeout(60):
        assert await given == seen
    assert (await complaint.handle.describe()).close_time is None


async def test_an_answer_to_another_activity_is_not_taken(unhelped: Hotline) -> None:
    complaint = await unhelped.start(unwritten=True)
    await complaint.handle.signal("publish")
    task, client = await asked(unhelped), unhelped.client
    elsewhere = context_of(client.namespace, complaint.handle.id, "ComplaintWorkflow", "tell_incident")
    sealed = await Stamped("result", "tell_incident").seal(client, elsewhere, None)
    await told(unhelped, task.task_token, sealed.payload)
    await waits(complaint.handle)


async def test_the_pending_activity_of_a_run_that_was_reset_is_refused_and_ends_nothing(hotline: Hotline) -> None:
    registration = hotline.registration()
    with without_events(hotline):
        complaint = await hotline.begin(ComplaintStart(source=registration), Case.register(registration)[0])
        await complaint.view()  # so that the signal comes with a task of its own
        await complaint.handle.signal("publish")
        await reset(hotline.client, complaint.handle.id, task=1)
    handle = hotline.client.get_workflow_handle(complaint.handle.id)

    async def refused() -> list[str]:
        pending = (await handle.describe()).raw_description.pending_activities
        return [each.last_failure.application_failure_info.type for each in pending]

    await until(refused, [UNSEALED].__eq__)
    assert await complaint.rows() == []
    assert (await handle.describe()).close_time is None


@pytest.mark.slow
async def test_the_reconciler_goes_on_after_a_reset(tmp_path: Path) -> None:
    """Its activity was asked for by the run before, and does what is due anyway."""
    async with await temporal_server() as server, running_hotline(server, tmp_path, task_queue="reset") as hotline:
        await RECONCILER.start(hotline.client, "reset")
        await until(lambda: last_report(hotline.client), lambda seen: seen is not None)
        await hotline.client.get_workflow_handle(RECONCILER.id).signal("nothing")  # a further task
        await reset(hotline.client, RECONCILER.id, task=1)
        await until(lambda: last_report(hotline.client), lambda seen: seen is not None)


@pytest.mark.parametrize("is_taken", [True, False])
async def test_after_a_reset_no_answer_of_the_run_before_is_taken(unhelped: Hotline, *, is_taken: bool) -> None:
    """The new run numbers what it asks for as the one before, and asks for the same."""
    complaint, client = await unhelped.start(unwritten=True), unhelped.client
    place = context_of(client.namespace, complaint.handle.id, "ComplaintWorkflow", "publish")
    await complaint.handle.signal("publish")
    task = await asked(unhelped)
    before = (await Stamped("result", "", place_in(client, place, task)).seal(client, place, None)).payload
    await told(unhelped, task.task_token, before)
    await complaint.view()
    await reset(client, complaint.handle.id)
    again = await asked(unhelped)
    assert again.activity_id == task.activity_id
    here = (await Stamped("result", "", place_in(client, place, again)).seal(client, place, None)).payload
    await told(unhelped, again.task_token, here if is_taken else before)
    handle = client.get_workflow_handle(complaint.handle.id)
    if is_taken:
        await handle.query("case", result_type=dict)
    else:
        await waits(handle)


@pytest.mark.parametrize("beat", [PLAIN, GARBAGE, None])
async def test_a_heartbeat_of_somebody_else_is_told_and_not_believed(unhelped: Hotline, beat: Payload | None) -> None:
    client = unhelped.client
    await RECONCILER.start(client, unhelped.settings.task_queue)
    task = await asked(unhelped)
    of_poller = context_of(client.namespace, RECONCILER.id, "ReconcilerWorkflow", "reconcile")
    details = beat or (await Stamped("result", "reconcile").seal(client, of_poller, {"compared": SECRET})).payload
    await client.workflow_service.record_activity_task_heartbeat(
        RecordActivityTaskHeartbeatRequest(
            namespace=client.namespace, task_token=task.task_token, details=Payloads(payloads=[details])
        )
    )
    report = await until(lambda: last_report(client), lambda seen: seen is not None)
    assert report
    assert "its heartbeat cannot be read" in (report.fault or "")
    assert SECRET not in str(report)
    await client.get_workflow_handle(RECONCILER.id).terminate()


async def test_a_memo_of_somebody_else_names_no_request(hotline: Hotline) -> None:
    number, memos = hotline.registration().number, [PLAIN, GARBAGE]
    of_case = WorkflowSerializationContext(hotline.client.namespace, complaint_id(number))
    memos.append((await Stamped("start", "ComplaintWorkflow").seal(hotline.client, of_case, [SECRET])).payload)
    for memo in memos:
        handle = await stranger(hotline.client).start_workflow(
            "ComplaintWorkflow", id=complaint_id(number), task_queue="nobody-polls", memo={MEMO: memo}
        )
        assert await find_started(hotline.client, Request(key="k"), [number], complaint_id) is None
        await handle.terminate()


async def test_what_an_error_quotes_is_nowhere_in_clear(hotline: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an activity that fails, and of a start of another release that cannot be read."""

    async def fail(*_: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(GroupWriter, "submit", fail)
    complaint = await hotline.start(unwritten=True)
    await complaint.handle.signal("publish")
    newer = await hotline.client.start_workflow(
        "ComplaintWorkflow",
        {SECRET: SECRET},
        id=f"newer-{SECRET}".encode().hex(),
        task_queue=hotline.settings.task_queue,
    )
    await waits(newer)

    async def failures() -> list[str]:
        pending = (await complaint.handle.describe()).raw_description.pending_activities
        return [each.last_failure.message for each in pending]

    await until(failures, ["Encoded failure"].__eq__)
    described = (await complaint.handle.describe()).raw_description
    stored = [described, *(await complaint.handle.fetch_history()).events, *(await newer.fetch_history()).events]
    assert not any(SECRET.encode() in each.SerializeToString() for each in stored)
    await newer.terminate()
