"""Whoever reaches Temporal's port acts in nobody's name: only what the service has signed starts or changes a case."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio import worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import Input
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
)
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.internal_updates import RECOGNISE, SETTLE, UNDELIVERED
from activities.keys import Key
from activities.signatures import HEADER, UNSIGNED, Signatures
from domain.case.actions.comment import Comment
from domain.case.actions.follow_up import FollowUp
from domain.case.automatic.recognise import Recognised
from domain.case.automatic.settle import Settlement
from domain.case.automatic.undelivered import Undelivered
from domain.case.batch import ProjectionBatch
from domain.case.case import Case
from domain.case.intake import IntakeFlag
from domain.case.views import Outcome
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from hotline.rebuild import rebuild
from hotline.temporal.converter import DATA_CONVERTER
from tests.support.hotline import ADMIN, Complaint, Hotline, running_hotline, until
from tests.support.signing import KEY, OneKey, signatures_by, with_interceptors
from workflows.complaint import ComplaintWorkflow
from workflows.messages import ComplaintStart
from workflows.presentation.complaint import workflow_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONVERTER = DATA_CONVERTER.payload_converter
FORGERY = "its signature is of something else"
KEPT = Command(actor=Actor(id="nobody", role=Role.FOLLOW_UP), body=Comment(note="结案"), key="known")


class Stolen(Interceptor, OutboundInterceptor):
    """Interceptor of a client that sends a signature which it has read in a history."""

    def __init__(self, signature: Payload) -> None:
        self._signature = signature

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        self.next = next
        return self

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 - as above
        input.headers = {HEADER: self._signature}
        return await super().start_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002 - as above
        input.headers = {HEADER: self._signature}
        return await super().start_workflow_update(input)


async def refused(client: Client, complaint: Complaint, name: str, argument: Any, **options: Any) -> str:
    """Send an update that is refused and leaves nothing in the history; return why."""
    handle = client.get_workflow_handle(complaint.handle.id)
    before = await accepted(complaint)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await handle.execute_update(name, argument, **options)
    assert await accepted(complaint) == before
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == UNSIGNED
    return cause.message


async def accepted(complaint: Complaint) -> list[Input]:
    """Return the updates in the history."""
    events = (await complaint.handle.fetch_history()).events
    found = [event.workflow_execution_update_accepted_event_attributes.accepted_request.input for event in events]
    return [each for each in found if each.name]


async def signature_of(complaint: Complaint, *, update: bool) -> Payload:
    """Return the signature of the start, or of the last update, as the history shows it."""
    if update:
        return (await accepted(complaint))[-1].header.fields[HEADER]
    first = (await complaint.handle.fetch_history()).events[0]
    return first.workflow_execution_started_event_attributes.header.fields[HEADER]


class OtherWords(Interceptor, OutboundInterceptor):
    """Interceptor that sends other arguments than those that were signed."""

    def __init__(self, argument: Any) -> None:
        self._argument = argument

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        self.next = next
        return self

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002 - as above
        input.args = [self._argument]
        return await super().start_workflow_update(input)


class HandsOn(Stolen, worker.Interceptor):
    """Interceptor that also hands the signature to the activities of its worker's workflows."""

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's name
    ) -> type[worker.WorkflowInboundInterceptor]:
        headers = {HEADER: self._signature}

        class Outbound(worker.WorkflowOutboundInterceptor):
            def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
                input.headers = headers
                return super().start_activity(input)

        class Inbound(worker.WorkflowInboundInterceptor):
            def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound


OTHERS = [
    (signatures_by(Key(KEY.id, b"guessed")), FORGERY),
    (signatures_by(Key(b"othr", KEY.secret)), "key 6f746872, which this process does not have"),
    (signatures_by(KEY, timedelta(minutes=-6)), "its signature is 360 s old, and lasts 300 s"),
    (signatures_by(KEY, timedelta(minutes=2)), "its signature is -120 s old"),
    (Stolen(Payload(data=b"short")), "of another form"),
]


@pytest.mark.parametrize(("signatures", "why"), OTHERS, ids=[why for _, why in OTHERS])
async def test_a_command_that_the_service_has_not_signed_is_refused(
    hotline: Hotline, signatures: Interceptor, why: str
) -> None:
    complaint = await hotline.start()
    message = await refused(with_interceptors(hotline.client, signatures), complaint, "comment", KEPT)
    assert why in message
    assert "POST /v1/complaints/NUMBER/actions/comment" in message


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("comment", KEPT),
        ("follow_up", Command(actor=KEPT.actor, body=FollowUp(outcome="satisfied"))),
        (UNDELIVERED, Undelivered(key="a-notification", channel="sms", error="HTTP 503")),
        (RECOGNISE, Recognised(flags=(IntakeFlag.REPEAT_CALLER,))),
        (SETTLE, Settlement(incident="i26112700015", result="已修复", message="已恢复供水")),
    ],
)
async def test_an_update_without_a_signature_is_refused(hotline: Hotline, name: str, argument: Any) -> None:
    complaint = await hotline.start()
    assert "it is not signed" in await refused(with_interceptors(hotline.client), complaint, name, argument)


async def test_a_signature_of_one_command_is_good_for_no_other(hotline: Hotline) -> None:
    """Of another case, of the same under another id, by another name, and with other words."""
    complaint, other = await hotline.start(), await hotline.start()
    await complaint.act(KEPT.body, KEPT.actor, key="known")
    client = with_interceptors(hotline.client, Stolen(await signature_of(complaint, update=True)))
    sent = KEPT.model_copy(update={"acknowledged": 1})
    assert FORGERY in await refused(client, other, "comment", sent, id="known")
    assert FORGERY in await refused(client, complaint, "comment", sent, id="another")
    assert FORGERY in await refused(client, complaint, "urge", sent, id="known-too")


async def test_a_signature_is_of_the_words_that_were_signed(hotline: Hotline) -> None:
    """Of this case, action and id: whoever reads a signed update cannot put other words in its place."""
    complaint = await hotline.start()
    other = KEPT.model_copy(update={"body": Comment(note="另结")})
    client = with_interceptors(hotline.client, signatures_by(KEY), OtherWords(other))
    assert "its signature is of other arguments" in await refused(client, complaint, "comment", KEPT, id="known")


async def test_a_signed_command_that_is_sent_again_is_not_done_twice(hotline: Hotline) -> None:
    complaint = await hotline.start()
    done = await complaint.act(KEPT.body, KEPT.actor, key="known")
    client = with_interceptors(hotline.client, Stolen(await signature_of(complaint, update=True)))
    again = await client.get_workflow_handle(complaint.handle.id).execute_update(
        "comment", KEPT.model_copy(update={"acknowledged": 1}), id="known", result_type=Outcome
    )
    assert (again.version, done.version) == (2, 2)
    assert (await complaint.view()).version == 2


async def started(client: Client, hotline: Hotline, start: ComplaintStart) -> WorkflowHandle[Any, Any]:
    number, queue = start.source.number, hotline.settings.task_queue
    return await client.start_workflow(ComplaintWorkflow.run, start, id=workflow_id(number), task_queue=queue)


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
    assert cause.type == UNSIGNED
    return cause.message


@pytest.mark.slow
@pytest.mark.parametrize("sender_version", [0, 1])
async def test_a_case_that_was_started_past_the_service_ends_and_is_not_in_sql(
    hotline: Hotline, owner: Engine, sender_version: int
) -> None:
    start = ComplaintStart(source=hotline.registration(), sender_version=sender_version)
    handle = await started(with_interceptors(hotline.client), hotline, start)
    message = await rejected(handle)
    assert "it is not signed. Register over the HTTP API: POST /v1/complaints" in message
    await rebuild(hotline.client, owner)
    assert await Complaint(hotline, start.source.number, handle).rows("cases") == []


@pytest.mark.parametrize("stolen", [False, True])
@pytest.mark.slow
async def test_the_later_runs_of_a_cron_are_refused_as_well(hotline: Hotline, owner: Engine, stolen: bool) -> None:
    """Temporal starts them itself; with the signature of the case in whose place they are."""
    complaint = await hotline.start()
    signature = await signature_of(complaint, update=False)
    await complaint.handle.terminate()
    before = await complaint.rows()
    case, events = Case.register(hotline.registration(number=complaint.number))
    forged = case.apply(Command(actor=ADMIN, body=Comment(note="伪造")), datetime.now(UTC))
    first = await with_interceptors(hotline.client, *([Stolen(signature)] if stolen else [])).start_workflow(
        ComplaintWorkflow.run,
        ComplaintStart(source=case, outbox=(*events, *forged)),
        id=complaint.handle.id,
        task_queue=hotline.settings.task_queue,
        cron_schedule="@every 1s",
        run_timeout=timedelta(seconds=2),
    )
    handle = hotline.client.get_workflow_handle(complaint.handle.id)
    runs = {first.first_execution_run_id}
    while len(runs) < 3:
        runs.add((await until(handle.describe, lambda found: found.run_id not in runs)).run_id)
    await handle.terminate()
    for run in runs:
        history = await hotline.client.get_workflow_handle(handle.id, run_id=run).fetch_history()
        assert not any(event.HasField("activity_task_scheduled_event_attributes") for event in history.events)
    await rebuild(hotline.client, owner)
    assert await complaint.rows() == before


async def test_the_signature_of_one_start_is_good_for_no_other(hotline: Hotline) -> None:
    signature = await signature_of(await hotline.start(), update=False)
    client = with_interceptors(hotline.client, Stolen(signature))
    assert FORGERY in await rejected(await started(client, hotline, _start(hotline)))


@pytest.mark.parametrize("words", ["other", "unreadable", "more"])
async def test_a_start_with_other_words_than_were_signed_fails(hotline: Hotline, words: str) -> None:
    """Under the id of a case that was ended, whose signature is in its history."""
    complaint = await hotline.start()
    await complaint.handle.terminate()
    client = with_interceptors(hotline.client, Stolen(await signature_of(complaint, update=False)))
    start = _start(hotline, number=complaint.number)
    arguments: dict[str, list[Any]] = {"other": [start], "unreadable": [{"x": 1}], "more": [start, 2]}
    handle = await client.start_workflow(
        "ComplaintWorkflow", args=arguments[words], id=complaint.handle.id, task_queue=hotline.settings.task_queue
    )
    assert "its signature is of other arguments" in await rejected(handle)


@pytest.mark.parametrize(
    ("kind", "signal", "instead"),
    [
        ("ComplaintWorkflow", "publish", "Register over the HTTP API: POST /v1/complaints."),
        ("IncidentWorkflow", "linked", "Declare it over the HTTP API: POST /v1/incidents."),
    ],
)
async def test_a_signal_that_comes_with_a_forged_start_does_not_hide_the_reason(
    hotline: Hotline, kind: str, signal: str, instead: str
) -> None:
    handle = await with_interceptors(hotline.client).start_workflow(
        kind,
        _start(hotline),
        id=f"forged-{uuid.uuid4().hex}",
        task_queue=hotline.settings.task_queue,
        start_signal=signal,
        start_signal_args=[["2608034711004"]],
    )
    assert f"it is not signed. {instead}" in await rejected(handle)


async def test_a_workflow_of_an_unknown_type_fails_unless_the_service_has_started_it(hotline: Hotline) -> None:
    """A newer release may have the type: then the workflow waits for its worker."""
    clients = with_interceptors(hotline.client), hotline.client
    forged, newer = [
        await client.start_workflow(
            "NoSuchWorkflow", {"x": 1}, id=f"no-such-{uuid.uuid4().hex}", task_queue=hotline.settings.task_queue
        )
        for client in clients
    ]
    assert "it is not signed. The service alone starts it." in await rejected(forged)
    await _waits(newer)


async def _waits(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until the first task has failed; the workflow runs, and is ended."""

    async def kinds() -> list[int]:
        return [event.event_type for event in (await handle.fetch_history()).events]

    seen = await until(kinds, lambda found: EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in found)
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED not in seen
    await handle.terminate()


@workflow.defn(name="Forger", sandboxed=False)
class Forger:
    """Workflow of somebody else's worker, which asks the worker of the service to project what it likes."""

    @workflow.run
    async def run(self, batch: ProjectionBatch, queue: str) -> None:
        await workflow.execute_activity(
            "publish", batch, task_queue=queue, start_to_close_timeout=timedelta(seconds=10)
        )


@pytest.mark.parametrize("stolen", [False, True])
async def test_the_worker_projects_nothing_for_a_workflow_of_somebody_elses_worker(
    hotline: Hotline, stolen: bool
) -> None:
    """Its workflow tasks are answered without a check of the start; the activity checks by itself."""
    registration = hotline.registration()
    case, events = Case.register(registration)
    batch = ProjectionBatch.of(case, events, case.registered_at)
    signature = await signature_of(await hotline.start(), update=False)
    client = with_interceptors(hotline.client, *([HandsOn(signature)] if stolen else []))
    async with Worker(client, task_queue="somebody-elses", workflows=[Forger]):
        handle = await client.start_workflow(
            Forger.run,
            args=[batch, hotline.settings.task_queue],
            id=workflow_id(registration.number),
            task_queue="somebody-elses",
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    cause = failed.value.cause.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == UNSIGNED
    named = hotline.client.get_workflow_handle_for(ComplaintWorkflow.run, handle.id)
    assert await Complaint(hotline, registration.number, named).rows("cases") == []


def _start(hotline: Hotline, **changes: Any) -> ComplaintStart:
    return ComplaintStart(source=hotline.registration(**changes), sender_version=1)


class Forgetful(OneKey):
    """Keys of a worker that does not find its file for a while."""

    known = True

    def find(self, key_id: bytes) -> Key | None:
        return super().find(key_id) if self.known else None


async def test_a_case_waits_while_its_worker_does_not_have_the_key(server: WorkflowEnvironment, tmp_path: Path) -> None:
    """The file of keys was lost: nothing ends, and all goes on when it is back."""
    keys = Forgetful()
    async with running_hotline(server, tmp_path, Signatures(keys, CONVERTER), task_queue="forgetful") as hotline:
        complaint = await hotline.start(unwritten=True)
        await complaint.view()
        keys.known = False
        await complaint.handle.signal("publish")
        await until(complaint.handle.describe, lambda found: bool(found.raw_description.pending_activities))
        assert await complaint.rows() == []
        keys.known = True
        assert [row["action"] for row in await complaint.published(1)] == ["register"]
