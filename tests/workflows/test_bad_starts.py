"""A workflow that is started with garbage, or by a process with a wrong clock, fails in its first task."""

import logging
import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.names import ABSORB, CATALOGUE_CHANGE, RECOGNISE, SETTLE, UNDECODED, UNSEALED, complaint_id
from activities.recovery.report import ReconcilerReport
from activities.run_status import ForeignError, UnreadableError, read_events
from activities.sealing.envelope import context_of
from domain.incident.actions import DispatchIncident
from hotline.recovery import histories
from hotline.recovery.histories import chains
from hotline.recovery.rebuild import repair_case
from readmodel.cases.tables import cases
from readmodel.projection import NotRegisteredError
from tests.support.build import BODIES
from tests.support.causes import OVER, declare
from tests.support.hotline import ADMIN, Complaint, Hotline, until
from tests.support.incidents import opening
from tests.support.rows import rows
from tests.support.sealing import KEY, sealing_by, stranger, with_options
from workflows.clients.upkeep import RECONCILER
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import IncidentStart

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

NAME = "李婆婆"
BYTES = RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff"))
TEXT_IN_BYTES = RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=b"1"))
MESSAGE = RawValue(
    Payload(metadata={"encoding": b"json/protobuf", "messageType": b"temporal.api.common.v1.Payloads"}, data=b"{}")
)
NO_MESSAGE = RawValue(Payload(metadata={"encoding": b"json/protobuf", "messageType": b"x.Y"}, data=b"{}"))
GARBAGE: dict[str, list[Any]] = {
    "other fields": [{"x": 1}],
    "a text": ["hello"],
    "a number": [1],
    "null": [None],
    "no argument": [],
    "three arguments": [{"source": {}}, 2, 3],
    "a source without fields": [{"source": {}}],
    "a source with a wrong field": [{"source": {"number": 1, "intake": {"caller": {NAME: NAME, "phone": NAME}}}}],
    "no JSON": [RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"{x: 1"))],
    "bytes": [BYTES],
    "protobuf": [MESSAGE],
    "protobuf of an unknown type": [NO_MESSAGE],
}


def cases_in(hotline: Hotline) -> set[str]:
    """The numbers of the cases in SQL; other rows may come from what earlier tests have left."""
    return {row["number"] for row in rows(hotline.engine, cases)}


async def failure(hotline: Hotline, client: Client, workflow: str, *arguments: Any) -> ApplicationError:
    """Start a workflow, and return why it failed; its history has one workflow task and no timer."""
    name = f"by-hand-{uuid.uuid4().hex}"
    handle = await client.start_workflow(workflow, args=arguments, id=name, task_queue=hotline.settings.task_queue)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.non_retryable
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    assert kinds[1:] == [
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    ]
    return cause


TYPES = ("ComplaintWorkflow", "IncidentWorkflow", "AssessmentWorkflow", "CatalogueRolloutWorkflow")


@pytest.mark.parametrize("workflow", TYPES)
@pytest.mark.parametrize("arguments", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_fails_at_once(
    hotline: Hotline, workflow: str, arguments: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    before = cases_in(hotline)
    with caplog.at_level(logging.INFO):
        cause = await failure(hotline, stranger(hotline.client), workflow, *arguments)
    assert cause.type == UNSEALED
    assert "the service has not sealed it. The service alone starts workflows" in cause.message
    assert len([record for record in caplog.records if record.name.startswith("temporalio")]) <= 1
    assert cases_in(hotline) == before


async def test_the_workflow_of_the_installation_waits_in_the_place_of_no_other(hotline: Hotline) -> None:
    """It takes no argument, so nobody has sealed its start."""
    cause = await failure(hotline, stranger(hotline.client), "InstallationWorkflow")
    assert (cause.type, cause.message) == (UNSEALED, "Not started: the service starts it under one id.")


@pytest.mark.parametrize("workflow", ["ComplaintWorkflow", "IncidentWorkflow", "PeriodEndWorkflow", "CourierWorkflow"])
async def test_a_run_that_temporal_would_start_again_does_not_end(hotline: Hotline, workflow: str) -> None:
    """One run after the other would fail, and Temporal would list each new one as sound. So the first one is stuck."""
    handle = await stranger(hotline.client).start_workflow(
        workflow, id=f"cron-{uuid.uuid4().hex}", task_queue=hotline.settings.task_queue, cron_schedule="@every 1s"
    )

    async def kinds() -> list[int]:
        return [event.event_type for event in (await handle.fetch_history()).events]

    await until(kinds, lambda seen: EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in seen)
    assert (await handle.describe()).run_id == handle.first_execution_run_id
    await handle.terminate()


async def ended_unseen(hotline: Hotline, client: Client, number: str, *arguments: Any) -> None:
    """Start a workflow under the id of this case, terminate it before a worker sees it, and wait until it is listed."""
    name = complaint_id(number)
    handle = await client.start_workflow("ComplaintWorkflow", args=arguments, id=name, task_queue="nobody-polls-it")
    await handle.terminate()
    await until(partial(chains, hotline.client, condition=f'AND WorkflowId = "{name}"'), lambda found: name in found)


@pytest.mark.parametrize("arguments", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_that_was_ended_before_a_worker_saw_it_is_no_case(hotline: Hotline, arguments: list[Any]) -> None:
    """Its history is read like any other, by the reconciler and by a rebuild."""
    number = hotline.registration().number
    await ended_unseen(hotline, stranger(hotline.client), number, *arguments)
    with pytest.raises(ForeignError, match="past the service: "):
        await repair_case(hotline.client, hotline.engine, number, None)


async def test_a_run_that_was_found_foreign_is_not_asked_for_again(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, name = hotline.client, complaint_id(hotline.registration().number)
    await stranger(client).start_workflow("ComplaintWorkflow", id=name, task_queue=hotline.settings.task_queue)
    query, asked, read = f'AND WorkflowId = "{name}"', list[str](), read_events

    async def failed() -> int:
        return (await client.count_workflows(f'ExecutionStatus = "Failed" {query}')).count

    def noted(client: Client, run: WorkflowExecution, size: int = 0) -> Any:
        asked.append(run.workflow_id)
        return read(client, run, size)

    await until(failed, bool)
    monkeypatch.setattr(histories, "read_events", noted)
    assert [await chains(client, condition=query) for _ in range(2)] == [{}, {}]
    assert asked == [name]


async def test_a_start_by_a_wrong_clock_that_was_ended_before_a_worker_saw_it_is_no_case(hotline: Hotline) -> None:
    registration = hotline.registration()
    client = with_options(hotline.client, **sealing_by(KEY, timedelta(hours=-1)))
    await ended_unseen(hotline, client, registration.number, ComplaintStart(source=registration))
    with pytest.raises(ForeignError, match="sealed 3600 s before it came"):
        await repair_case(hotline.client, hotline.engine, registration.number, None)


async def test_a_history_of_an_unknown_encoding_cannot_be_repaired(hotline: Hotline) -> None:
    unreadable = RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?"))
    number = hotline.registration().number
    await ended_unseen(hotline, hotline.client, number, unreadable)
    with pytest.raises(UnreadableError, match="ComplaintStart cannot be read"):
        await repair_case(hotline.client, hotline.engine, number, None)


@pytest.mark.parametrize("arguments", [[], [None], [["1"], 2], [BYTES], [TEXT_IN_BYTES], [MESSAGE], [NO_MESSAGE]])
async def test_a_signal_with_wrong_arguments_stops_nothing(hotline: Hotline, arguments: list[Any]) -> None:
    complaint = await hotline.start()
    await complaint.handle.signal("publish", args=arguments)
    assert (await complaint.act(BODIES["dispatch"])).version == 2
    cause = await declare(hotline, "henglan")
    for signal in ("linked", "unlinked"):
        await cause.handle.signal(signal, args=arguments)
    assert (await cause.act(DispatchIncident(department="repair"))).incident.state == "dispatched"
    with pytest.raises(WorkflowUpdateFailedError):
        await cause.handle.execute_update(ABSORB, args=arguments)
    await cause.act(OVER)


async def test_a_case_that_temporal_does_not_have_cannot_be_repaired(hotline: Hotline) -> None:
    with pytest.raises(NotRegisteredError, match="no workflow"):
        await repair_case(hotline.client, hotline.engine, "nobody", None)


async def test_a_report_that_cannot_be_read_fails_the_task(hotline: Hotline) -> None:
    """It is the result of an activity as well: the run after it waits for a worker that can read it."""
    of_poller = context_of(hotline.client.namespace, RECONCILER.id, "ReconcilerWorkflow", "reconcile")
    converter = hotline.client.data_converter.with_context(of_poller)
    for garbage in ({"compared": "many"}, {"in_sql_until": "2026-11-27T22:00:00"}):
        told = await converter.encode([garbage])
        with pytest.raises(ValidationError):
            await converter.decode(told, [ReconcilerReport])


@pytest.mark.parametrize("off", [timedelta(days=3), timedelta(days=-3)], ids=["ahead", "behind"])
async def test_a_start_by_a_process_with_a_wrong_clock_fails(hotline: Hotline, off: timedelta) -> None:
    client, at = with_options(hotline.client, **sealing_by(KEY, off)), datetime.now(UTC) + off
    registration = hotline.registration(at=at)
    for kind, source in (("Complaint", registration), ("Incident", opening(at=at))):
        start = {"Complaint": ComplaintStart, "Incident": IncidentStart}[kind](source=source)
        cause = await failure(hotline, client, f"{kind}Workflow", start)
        assert cause.type == UNSEALED
        assert re.search(rf"it was sealed {-off.total_seconds():.0f} s before", cause.message)
    assert registration.number not in cases_in(hotline)


@pytest.mark.parametrize("arguments", [[], [None], [{}], [{}, 2, 3], [BYTES], [MESSAGE], [NO_MESSAGE]])
@pytest.mark.parametrize("update", [SETTLE, RECOGNISE, CATALOGUE_CHANGE])
async def test_an_update_of_the_service_with_wrong_arguments_is_refused(
    hotline: Hotline, update: str, arguments: list[Any]
) -> None:
    complaint = await hotline.start()
    with pytest.raises(WorkflowUpdateFailedError):
        await complaint.handle.execute_update(update, args=arguments)
    kinds = [event.event_type for event in (await complaint.handle.fetch_history()).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    assert (await complaint.act(BODIES["dispatch"])).version == 2


async def test_a_case_that_was_sealed_minutes_before_temporal_took_it_is_taken(hotline: Hotline) -> None:
    """A start is tried again while Temporal does not answer."""
    client = with_options(hotline.client, **sealing_by(KEY, timedelta(minutes=-4)))
    registration = hotline.registration()
    start = ComplaintStart(source=registration)
    name, queue = complaint_id(registration.number), hotline.settings.task_queue
    handle = await client.start_workflow(ComplaintWorkflow.run, start, id=name, task_queue=queue)
    assert (await Complaint(hotline, registration.number, handle).view()).version >= 1


async def test_what_the_service_started_waits_for_a_worker_that_can_read_it(hotline: Hotline) -> None:
    """Of a newer release, for example: a case that somebody was promised never fails."""
    handle = await hotline.client.start_workflow(
        "ComplaintWorkflow",
        {"source": {"of": "a newer release"}},
        id=f"newer-{uuid.uuid4().hex}",
        task_queue=hotline.settings.task_queue,
    )

    async def kinds() -> list[int]:
        return [event.event_type for event in (await handle.fetch_history()).events]

    assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED not in await until(
        kinds, lambda seen: EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in seen
    )
    await handle.terminate()


@pytest.mark.parametrize(
    "sent",
    [
        {"x": 1},
        "hello",
        {"actor": ADMIN, "body": {}},
        {"actor": ADMIN, "body": {"department": "repair", NAME: 1}},
    ],
)
async def test_an_update_with_a_wrong_body_is_refused_in_one_sentence(hotline: Hotline, sent: Any) -> None:
    """The service itself has sent it: a newer release, for example."""
    complaint = await hotline.start()
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await complaint.handle.execute_update("dispatch", sent)
    cause = refused.value.cause
    assert isinstance(cause, ApplicationError)
    assert UNDECODED in cause.message
    assert NAME not in str(cause.failure)
    assert cause.cause is None
    assert (await complaint.act(BODIES["dispatch"])).version == 2
