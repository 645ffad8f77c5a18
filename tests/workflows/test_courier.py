"""The courier on a real server: it starts once, goes on when its worker ends, and tells a case what was given up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskFailedByIdRequest,
    UpdateActivityOptionsRequest,
)
from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import poller
from activities.notifications.courier import report_undelivered
from api.health import temporal
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.refuse import Refuse
from domain.case.actions.withdraw import Withdraw
from domain.case.automatic.internal_updates import Undelivered
from hotline.temporal.converter import runner
from tests.support.hotline import PATIENCE_SECONDS, Complaint, Hotline, running_hotline, until
from tests.support.receivers import receiver
from tests.support.sealing import KEY, sealing_by, stranger, with_options
from tests.support.temporal import temporal_server
from tests.workflows.test_hijacked_tasks import hijack, schedule
from tests.workflows.test_late_cases import TEN_YEARS
from workflows.clients.upkeep import COURIER, SURGE_WATCH, start_ended
from workflows.singletons import CourierWorkflow, SurgeWatchWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def with_courier(
    server: WorkflowEnvironment, folder: Path, **changes: Any
) -> AsyncIterator[tuple[Hotline, WorkflowHandle[CourierWorkflow, None]]]:
    """A hotline with a task queue and a courier of its own."""
    async with running_hotline(server, folder, task_queue=f"courier-{folder.name}", **changes) as hotline:
        courier = await COURIER.start(hotline.client, hotline.settings.task_queue)
        try:
            yield hotline, courier
        finally:
            await courier.terminate("the test is over")


def lines(hotline: Hotline) -> list[dict[str, Any]]:
    """Return the lines that the log channel has delivered."""
    log = hotline.settings.notification_log
    return [json.loads(line) for line in log.read_bytes().splitlines()] if log.is_file() else []


async def sent(complaint: Complaint, count: int) -> list[dict[str, Any]]:
    """The complaint's notifications, once so many are sent."""
    return await until(
        lambda: complaint.rows("notifications"),
        lambda rows: len(rows) == count and all(row["status"] == "sent" for row in rows),
    )


async def test_notifications_of_a_case_reach_the_channel_once(server: WorkflowEnvironment, tmp_path: Path) -> None:
    async with with_courier(server, tmp_path) as (hotline, _):
        complaint = await hotline.start()
        await complaint.act(Withdraw(reason="The caller has mended it."))
        owed = await sent(complaint, 2)
        assert sorted(line["key"] for line in lines(hotline)) == sorted(row["key"] for row in owed)


@pytest.mark.parametrize("kind", ["CourierWorkflow", "SurgeWatchWorkflow", "ReconcilerWorkflow"])
async def test_what_works_for_ever_ends_at_once_under_another_id(hotline: Hotline, kind: str) -> None:
    """Some of them would hold all slots of a worker for activities."""
    client, queue = stranger(hotline.client), hotline.settings.task_queue
    further = await client.start_workflow(kind, id=f"further-{kind}", task_queue=queue)
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(further.result(), PATIENCE_SECONDS)


@pytest.mark.slow
async def test_more_of_what_works_for_ever_holds_no_slot_of_a_worker(tmp_path: Path) -> None:
    """Somebody else has answered a task of the courier with its own activity, as often as a worker has slots."""
    queue = "crowded"
    async with await temporal_server() as own:
        await COURIER.start(own.client, queue)
        further = [schedule(queue, "deliver_notifications", number) for number in range(1, 260)]
        for each in further:
            asked = each.schedule_activity_task_command_attributes
            asked.start_to_close_timeout.CopyFrom(Duration(seconds=3600))
            asked.heartbeat_timeout.CopyFrom(Duration(seconds=10))
        await hijack(own.client, queue, *further)
        async with running_hotline(own, tmp_path, task_queue=queue, sandbox=False) as hotline:
            courier = hotline.client.get_workflow_handle(COURIER.id)

            async def taken() -> int:
                pending = (await courier.describe()).raw_description.pending_activities
                return sum(bool(each.attempt > 1 or each.last_started_time.seconds) for each in pending)

            await until(taken, lambda count: count >= 200)
            complaint = await hotline.start(unwritten=True)
            await complaint.handle.signal("publish")
            await until(complaint.rows, bool)


async def test_many_workers_start_one_courier(server: WorkflowEnvironment, tmp_path: Path) -> None:
    async with with_courier(server, tmp_path) as (hotline, courier):
        others = await asyncio.gather(*(COURIER.start(hotline.client, hotline.settings.task_queue) for _ in range(5)))
        assert {other.first_execution_run_id for other in others} == {courier.first_execution_run_id}
        assert (await courier.describe()).id == COURIER.id


@pytest.mark.slow
async def test_the_next_worker_continues_the_courier(server: WorkflowEnvironment, tmp_path: Path) -> None:
    """Its worker ends in the middle of a run: the run ends as well, and the next begins where there is a worker."""
    async with running_hotline(server, tmp_path, task_queue="two-workers") as hotline:
        courier = await COURIER.start(hotline.client, hotline.settings.task_queue)
        await sent(await hotline.start(), 1)
    async with running_hotline(server, tmp_path, task_queue="two-workers") as hotline:
        await sent(await hotline.start(), 1)
        kinds = [event.event_type async for event in courier.fetch_history_events()]
        await courier.terminate("the test is over")
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED) == 1
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 2


async def test_what_cannot_be_delivered_is_flagged_on_the_case(server: WorkflowEnvironment, tmp_path: Path) -> None:
    tmp_path.joinpath("a-folder.log").mkdir()
    changes = {"notification_log": tmp_path / "a-folder.log", "courier_max_tries": 1}
    async with with_courier(server, tmp_path, **changes) as (hotline, _):
        complaint = await hotline.start()
        view = await until(complaint.view, lambda view: "undelivered" in view.flags)
        told = {row["action"]: json.loads(row["data"]) for row in await complaint.published(view.version)}
        assert (told["undelivered"]["channel"], told["undelivered"]["error"]) == ("log", "IsADirectoryError")
        [row] = await until(
            lambda: complaint.rows("notifications"), lambda rows: {row["status"] for row in rows} == {"dead"}
        )
        assert row["last_error"] == "log: IsADirectoryError"


CHANNELS = """
[channels.hook]
kind = "webhook"
url = "{url}"
secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

[[routes]]
to = "*"
channels = ["hook"]
"""


async def test_a_case_is_flagged_if_an_operators_channel_refuses(server: WorkflowEnvironment, tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    async with receiver() as hook:
        file.write_text(CHANNELS.format(url=hook.url), encoding="utf-8")
        async with with_courier(server, tmp_path, channels=file, courier_max_tries=1) as (hotline, _):
            complaint = await hotline.start()
            await sent(complaint, 1)
            [request] = hook.requests
            assert json.loads(request.body)["data"]["number"] == complaint.number
            hook.behave = hook.refuse
            await complaint.act(Dispatch(department="repair"))
            await until(complaint.view, lambda view: "undelivered" in view.flags)
            rows = await until(
                lambda: complaint.rows("notifications"), lambda rows: "dead" in {row["status"] for row in rows}
            )
            assert {row["last_error"] for row in rows} == {None, "hook: the receiver answered 500"}


async def test_a_case_that_has_ended_need_not_be_told(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.act(Refuse(reason="Not water."))
    await complaint.closed()
    notification = Undelivered(key="a key", channel="sms", error="HTTP 503")
    await report_undelivered(hotline.client, complaint.number, notification)
    await report_undelivered(hotline.client, "0000000000000", notification)


async def test_what_a_case_does_not_take_as_sealed_for_it_is_to_be_told_again(hotline: Hotline) -> None:
    """Its workflow was rebuilt meanwhile, or the clock of this worker is wrong."""
    complaint = await hotline.start()
    late = with_options(hotline.client, **sealing_by(KEY, timedelta(minutes=-6)))
    with pytest.raises(WorkflowUpdateFailedError):
        await report_undelivered(late, complaint.number, Undelivered(key="a key", channel="sms", error="HTTP 503"))


async def test_the_ui_shows_its_summary(server: WorkflowEnvironment, tmp_path: Path) -> None:
    async with with_courier(server, tmp_path) as (_, courier):
        described = await courier.describe()
        assert await described.static_summary() == "通知投递 Courier of notifications"


@pytest.mark.slow
async def test_the_courier_continues_as_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With short runs and a server that soon suggests a new run."""
    monkeypatch.setattr("activities.poller.RUN_TIME", timedelta(seconds=0.3))
    limit = "limit.historyCount.suggestContinueAsNew=20"
    async with (
        await temporal_server(limit) as own,
        with_courier(own, tmp_path, courier_poll_seconds=0.05) as (hotline, first),
    ):

        async def run_id() -> str:
            return (await hotline.client.get_workflow_handle(COURIER.id).describe()).run_id or ""

        await until(run_id, lambda run: run not in ("", first.first_execution_run_id))
        await sent(await hotline.start(), 1)


@pytest.mark.slow
@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_sign_of_life_counts_if_the_service_has_sealed_it(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    """Of somebody who has taken the activity of the surge watch, and sends heartbeats."""
    monkeypatch.setattr(temporal, "POLL_SECONDS", 4)
    monkeypatch.setattr(poller, "HEARTBEAT_TIMEOUT", timedelta(seconds=3))
    client, queue = server.client, f"signs-{is_ours}"
    health = temporal.TemporalHealth(client, queue, AsyncMock(return_value=None))
    if is_ours:
        async with running_hotline(server, tmp_path, task_queue=queue, sandbox=False):
            await SURGE_WATCH.start(client, queue)
            await asyncio.sleep(6)
            assert (await health.poller(SURGE_WATCH)).ok
    else:
        async with Worker(
            client, task_queue=queue, workflows=[SurgeWatchWorkflow], workflow_runner=runner(sandbox=False)
        ):
            await SURGE_WATCH.start(client, queue)
            service, polled = client.workflow_service, TaskQueue(name=queue)
            asked = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=polled, identity="nobody")
            token = (await service.poll_activity_task_queue(asked)).task_token
            beat = RecordActivityTaskHeartbeatRequest(namespace=client.namespace, task_token=token)
            for _ in range(6):
                await service.record_activity_task_heartbeat(beat)
                await asyncio.sleep(1)
            assert (await health.poller(SURGE_WATCH)).detail == temporal.FOREIGN_HEARTBEAT
    await client.get_workflow_handle(SURGE_WATCH.id).terminate()


def answer(**info: Any) -> RespondActivityTaskFailedByIdRequest:
    """The courier's activity has failed so."""
    failure = Failure(application_failure_info=ApplicationFailureInfo(type="x", **info))
    return RespondActivityTaskFailedByIdRequest(workflow_id=COURIER.id, activity_id="1", failure=failure)


def hurry(limit: str) -> UpdateActivityOptionsRequest:
    """Each attempt of the courier's activity has a millisecond."""
    options: dict[str, Any] = {limit: Duration(nanos=1_000_000)}
    return UpdateActivityOptionsRequest(
        execution=WorkflowExecution(workflow_id=COURIER.id),
        match_all=True,
        activity_options=ActivityOptions(**options),
        update_mask=FieldMask(paths=[limit]),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("respond_activity_task_failed_by_id", answer(non_retryable=True)),
        ("respond_activity_task_failed_by_id", answer(next_retry_delay=Duration(seconds=TEN_YEARS))),
        ("update_activity_options", hurry("start_to_close_timeout")),
        ("update_activity_options", hurry("heartbeat_timeout")),
    ],
    ids=["failed", "put off", "without time", "without time for a heartbeat"],
)
async def test_what_runs_for_ever_is_started_again_when_its_activity_is_ended_or_put_off(
    tmp_path: Path, call: str, message: Any
) -> None:
    """Somebody else has done that, by one plain message."""
    async with await temporal_server() as server, running_hotline(server, tmp_path) as hotline:
        client = hotline.client
        await COURIER.start(client, hotline.settings.task_queue)
        handle = client.get_workflow_handle(COURIER.id)

        async def looks() -> WorkflowExecutionDescription:
            await start_ended(client, hotline.settings.task_queue)
            return await handle.describe()

        def works(seen: WorkflowExecutionDescription) -> bool:
            started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            return any(each.state == started for each in seen.raw_description.pending_activities)

        first = await until(looks, works)
        assert (await looks()).run_id == first.run_id
        message.namespace = client.namespace
        await getattr(client.workflow_service, call)(message)
        await until(looks, lambda seen: seen.run_id != first.run_id and works(seen))
