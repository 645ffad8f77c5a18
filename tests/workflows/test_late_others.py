"""Incidents, assessments and others that somebody has wait, as their worker, or that Temporal does not run."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.command.v1 import Command, ContinueAsNewWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import RetryPolicy, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import CommandType, TaskQueueKind, TaskQueueType
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    ResetActivityRequest,
    UpdateActivityOptionsRequest,
    UpdateTaskQueueConfigRequest,
)
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from activities.recovery import other_workflows
from activities.recovery.report import ReconcilerReport
from activities.reports import ReportActivities
from activities.run_status import RUNNING, is_listed
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.withdraw import Withdraw
from domain.reports.report import ReportKind
from hotline.recovery.rebuild_workflows import STARTED
from hotline.temporal.converter import runner
from readmodel.base.database import engine
from tests.support import lost
from tests.support.bulk import order_handover, put_in_force
from tests.support.causes import declare
from tests.support.hotline import PATIENCE_SECONDS, Complaint, Hotline, running_hotline, until
from tests.support.months import RunningMonth
from tests.support.reconciler import advance_clock
from tests.workflows.test_hijacked_tasks import hijack, ours, schedule
from tests.workflows.test_late_cases import QUEUE, TEN_YEARS, timer, waiting_cases
from tests.workflows.test_no_cases import nested, start_raw
from tests.workflows.test_pretender import PLAIN, asked, told
from tests.workflows.test_rebuild_workflows import rebuilder
from workflows.bulk import HandoverWorkflow
from workflows.clients.bulk import start_handover, start_rollout
from workflows.clients.periods import report_workflow_id, start_report
from workflows.clients.start import Request
from workflows.clients.upkeep import INSTALLATION, RECONCILER, SURGE_WATCH, last_report
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.workflow import IncidentWorkflow
from workflows.singletons import ReportWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
NOBODYS_QUEUE = "nobody-polls"


@pytest.fixture(autouse=True)
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    advance_clock(monkeypatch)


@asynccontextmanager
async def at_work(elsewhere: Hotline) -> AsyncIterator[tuple[Hotline, Callable[[], Awaitable[list[str]]]]]:
    """The hotline of the queue QUEUE, with a reconciler, and what that lists as stuck."""
    settings: dict[str, Any] = {"task_queue": QUEUE, "reconcile_seconds": 0.1}
    async with running_hotline(elsewhere.server, elsewhere.settings.data_dir, **settings) as ours:
        await RECONCILER.start(ours.client, QUEUE)

        async def stuck() -> list[str]:
            return (await last_report(ours.client) or ReconcilerReport()).stuck

        yield ours, stuck


async def report(client: Client, day: int, *commands: Command) -> str:
    """Begin a report, and answer its first task with these commands; return its id."""
    period = f"2026-01-0{day}"
    assert await start_report(client, QUEUE, ReportKind.DAILY, period)
    await hijack(client, QUEUE, *commands)
    return report_workflow_id(ReportKind.DAILY, period)


def making(queue: str, seconds: int = 60, name: str = "make_report") -> Command:
    command = schedule(queue, name, 1)
    limit = command.schedule_activity_task_command_attributes.start_to_close_timeout
    limit.CopyFrom(Duration(seconds=seconds))
    return command


async def change(client: Client, workflow: str, path: str, options: ActivityOptions) -> None:
    request = UpdateActivityOptionsRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow),
        type="make_report",
        activity_options=options,
        update_mask=FieldMask(paths=[path]),
    )
    await client.workflow_service.update_activity_options(request)


async def forged_reports(waiting: Hotline) -> list[str]:
    """Reports that wait for years: for an activity that somebody has taken or moved elsewhere, or for a timer."""
    client = waiting.client
    taken = await report(client, 1, making(QUEUE, TEN_YEARS))
    await asked(waiting)
    prolonged = await report(client, 2, making(QUEUE))
    await change(
        client, prolonged, "start_to_close_timeout", ActivityOptions(start_to_close_timeout=Duration(seconds=TEN_YEARS))
    )
    await asked(waiting)
    moved = await report(client, 3, making(QUEUE))
    await change(client, moved, "task_queue.name", ActivityOptions(task_queue=TaskQueue(name=NOBODYS_QUEUE)))
    scheduled = await report(client, 4, making(NOBODYS_QUEUE))
    slept = await report(client, 5, making(QUEUE), timer(1, TEN_YEARS))
    await asked(waiting)
    unknown = await report(client, 7, making(QUEUE, name="whatever"))
    garbled, seldom = making(QUEUE), making(QUEUE)
    garbled.schedule_activity_task_command_attributes.input.payloads.append(PLAIN)
    pause = Duration(seconds=other_workflows.LONGEST_PAUSE_SECONDS - 10)
    policy = RetryPolicy(initial_interval=pause, backoff_coefficient=1, maximum_interval=pause)
    seldom.schedule_activity_task_command_attributes.retry_policy.CopyFrom(policy)
    refused = [await report(client, 8, garbled), await report(client, 9, seldom)]
    return [taken, prolonged, moved, scheduled, slept, unknown, *refused]


async def answered_with_nothing(waiting: Hotline) -> list[str]:
    """Others of which somebody has answered the first task, with no command."""
    client, catalogue = waiting.client, waiting.catalogue
    asleep = [await report(client, 6)]
    handover = await start_handover(client, QUEUE, await order_handover(waiting, "1" * 32), Request(key="1" * 32))
    await hijack(client, QUEUE)
    rollout = await start_rollout(client, QUEUE, put_in_force(waiting, catalogue))
    await hijack(client, QUEUE)
    await SURGE_WATCH.start(client, QUEUE)
    await hijack(client, QUEUE)
    return [*asleep, handover.id, rollout.id, SURGE_WATCH.id]


async def test_what_waits_for_nothing_that_comes_is_listed_until_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_workflows, "REFUSALS", 1)
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client = waiting.client
        put_off = [*await forged_reports(waiting), *await answered_with_nothing(waiting)]
        month = await RunningMonth.begin(waiting, "2026-01", sample_per_agent=0)
        await hijack(client, QUEUE)
        cause = await declare(waiting, "west")
        await hijack(client, QUEUE)
        begun = [month.handle.id, cause.handle.id]
        await INSTALLATION.start(client, QUEUE)
        async with at_work(elsewhere) as (_, stuck):
            await until(stuck, sorted([*put_off, *begun]).__eq__)
            # The next task does what was left out.
            await month.handle.signal("recompute")
            await cause.handle.signal("linked")
            await until(stuck, sorted(put_off).__eq__)
            await month.reaches("open", "compute", "publish")
            await cause.published("declare")
            for each in put_off:
                await lost.terminate(client, each)
            await until(stuck, [].__eq__)


@pytest.mark.parametrize("limit", ["start_to_close_timeout", "heartbeat_timeout"])
async def test_what_has_no_time_for_its_activity_is_listed_until_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Somebody has given each attempt of it a millisecond, by one plain message."""
    monkeypatch.setattr(other_workflows, "REFUSALS", 1)
    made = ReportActivities._made

    def slowly(*arguments: Any) -> Any:
        time.sleep(1)
        return made(*arguments)

    monkeypatch.setattr(ReportActivities, "_made", slowly)
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client = waiting.client
        assert await start_report(client, QUEUE, ReportKind.DAILY, "2026-01-01")
        hurried = client.get_workflow_handle(report_workflow_id(ReportKind.DAILY, "2026-01-01"))

        async def is_asked() -> bool:
            return bool((await hurried.describe()).raw_description.pending_activities)

        async with ours(client, QUEUE, ReportWorkflow):
            await until(is_asked, bool)
        options: dict[str, Any] = {limit: Duration(nanos=1_000_000)}
        await change(client, hurried.id, limit, ActivityOptions(**options))
        async with at_work(elsewhere) as (_, stuck):
            await until(stuck, [hurried.id].__eq__)
            restored = ResetActivityRequest(
                namespace=client.namespace,
                execution=WorkflowExecution(workflow_id=hurried.id),
                id="1",
                restore_original_options=True,
            )
            await client.workflow_service.reset_activity(restored)
            with pytest.raises(WorkflowFailureError):  # the day has no cases
                await asyncio.wait_for(hurried.result(), PATIENCE_SECONDS)
            await until(stuck, [].__eq__)


async def test_an_activity_that_no_worker_gets_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here by a limit; Temporal's AdminService, on the same port, removes its task as well."""
    advance_clock(monkeypatch, 3601)
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client, kind, command = waiting.client, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, making(QUEUE)
        limit = UpdateTaskQueueConfigRequest(namespace=client.namespace, task_queue=QUEUE, task_queue_type=kind)
        limit.update_queue_rate_limit.rate_limit.requests_per_second = 0
        await client.workflow_service.update_task_queue_config(limit)
        command.schedule_activity_task_command_attributes.retry_policy.maximum_interval.seconds = 10
        held = await report(client, 1, command)
        async with at_work(elsewhere) as (_, stuck):
            await until(stuck, [held].__eq__)


def next_run(queue: str, in_seconds: int = 0, kind: str = "IncidentWorkflow") -> Command:
    """End a run, and have the next one begin on this queue, after this time."""
    return Command(
        command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
        continue_as_new_workflow_execution_command_attributes=ContinueAsNewWorkflowExecutionCommandAttributes(
            workflow_type=WorkflowType(name=kind),
            task_queue=TaskQueue(name=queue),
            backoff_start_interval=Duration(seconds=in_seconds),
        ),
    )


def rests(found: WorkflowExecutionDescription) -> bool:
    raw = found.raw_description
    return not (raw.pending_activities or raw.pending_workflow_task.attempt)


async def keep_tasks(client: Client, handle: WorkflowHandle[Any, Any], signal: str) -> None:
    """Answer a task of the workflow, and have those that follow wait for a worker that has gone."""
    kept = TaskQueue(name=f"kept-{uuid.uuid4().hex}", kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=QUEUE)
    poll = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=kept, identity="nobody")
    polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(poll))

    async def is_polled() -> bool:
        asked = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=kept, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        )
        return bool((await client.workflow_service.describe_task_queue(asked)).pollers)

    # Else Temporal gives the tasks to any worker.
    await until(is_polled, bool)
    await handle.signal(signal)
    years = Duration(seconds=TEN_YEARS)
    sticky = StickyExecutionAttributes(worker_task_queue=kept, schedule_to_start_timeout=years)
    await hijack(client, QUEUE, sticky=sticky)
    polling.cancel()
    await handle.signal(signal)


async def suspended(hotline: Hotline) -> Complaint:
    """A case without a wake date, which SQL has."""
    complaint = await hotline.start()
    for body in (Dispatch(department="repair"), SignFor(), Suspend(reason="等用户")):
        await complaint.act(body)
    return complaint


async def test_a_lost_incident_or_assessment_is_listed_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were terminated, deleted, or go on elsewhere or in ten years; another one is sound.

    So it is with a suspended and a withdrawn case, of which nothing falls due.
    """
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client = waiting.client
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE) as first:
            causes = [await declare(first, "west") for _ in range(7)]
            for cause in causes:
                await cause.published("declare")
            month = await RunningMonth.begin(first, "2026-02", sample_per_agent=0)
            await month.reaches("open", "compute", "publish")
            asleep, withdrawn, sound = [await suspended(first) for _ in range(3)]
            await withdrawn.act(Withdraw(reason="用户撤销"))
            for handle in (
                month.handle,
                asleep.handle,
                withdrawn.handle,
                sound.handle,
                *(cause.handle for cause in causes),
            ):
                await until(handle.describe, rests)
        ended, deleted, moved, late, slept, kept, _ = causes
        for cause, command in (
            (moved, next_run(NOBODYS_QUEUE)),
            (late, next_run(QUEUE, TEN_YEARS)),
            (slept, timer(9, TEN_YEARS)),
        ):
            await cause.handle.signal("linked")
            await hijack(client, QUEUE, command)
        await hijack(client, NOBODYS_QUEUE)
        await keep_tasks(client, kept.handle, "linked")
        await keep_tasks(client, asleep.handle, "publish")
        await keep_tasks(client, withdrawn.handle, "publish")
        await lost.terminate(client, ended.handle.id)
        await lost.delete(client, deleted.handle.id)
        await month.handle.terminate()
        async with at_work(elsewhere) as (ours, stuck):
            of_cases, of_causes = (
                sorted([asleep.number, withdrawn.number]),
                sorted(each.handle.id for each in causes[:-1]),
            )
            await until(stuck, [*of_cases, *of_causes, month.handle.id].__eq__)
            assert await month.resume()
            for handle in (asleep.handle, withdrawn.handle, *(cause.handle for cause in causes[2:-1])):
                await handle.terminate()
            owner = engine(ours.settings.database_url)
            for number in (asleep.number, withdrawn.number, *(cause.number for cause in causes[:-1])):
                assert await rebuilder(ours, owner).one(number) == STARTED
            owner.dispose()
            await until(stuck, [].__eq__)


async def test_what_goes_on_elsewhere_is_listed_if_the_service_has_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one, the first run is gone. A stranger's has always been there, though its id is like one of the service."""
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client, away = waiting.client, NOBODYS_QUEUE
        rollout = await start_rollout(client, QUEUE, put_in_force(waiting, waiting.catalogue))
        first_run = (await rollout.describe()).run_id
        await hijack(client, QUEUE, next_run(away, kind="CatalogueRolloutWorkflow"))
        order = await order_handover(waiting, "1" * 32)
        handover = await start_handover(client, QUEUE, order, Request(key="1" * 32))
        await hijack(client, QUEUE, next_run(away, TEN_YEARS, "ComplaintWorkflow"))
        made = await report(client, 1, next_run(away, kind="ReportWorkflow"))
        cause = await declare(waiting, "west")
        await hijack(client, QUEUE, next_run(away))
        await SURGE_WATCH.start(client, QUEUE)
        await hijack(client, QUEUE, next_run(away, kind="SurgeWatchWorkflow"))
        theirs = await start_raw(client, "CatalogueRolloutWorkflow", "catalogue-rollout-theirs", away)
        for _ in range(5):
            await hijack(client, away, next_run(away, kind="CatalogueRolloutWorkflow"))
        run = WorkflowExecution(workflow_id=rollout.id, run_id=first_run)
        gone = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=run)
        await client.workflow_service.delete_workflow_execution(gone)
        moved = [rollout.id, handover.id, made, cause.handle.id, SURGE_WATCH.id]
        async with at_work(elsewhere) as (ours, stuck):
            # The incident is first once the reconciler has written it to SQL.
            await until(stuck, lambda listed: sorted(listed) == sorted(moved))
            for each in moved:
                await lost.terminate(client, each)
            await until(stuck, [cause.handle.id].__eq__)
            owner = engine(ours.settings.database_url)
            assert await rebuilder(ours, owner).one(cause.number) == STARTED
            owner.dispose()
            await until(stuck, [].__eq__)
        assert (await theirs.describe()).status is RUNNING


async def test_a_failure_that_the_client_cannot_read_stops_no_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has given it for an incident, a handover, and a case that was terminated before another one."""
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client, failure = waiting.client, nested(98)
        workflows = [IncidentWorkflow, HandoverWorkflow, ComplaintWorkflow]
        failure.application_failure_info.next_retry_delay.CopyFrom(Duration(seconds=TEN_YEARS))
        async with Worker(client, task_queue=QUEUE, workflows=workflows, workflow_runner=runner(sandbox=False)):
            cause = await declare(waiting, "west")
            first = await asked(waiting)
            order = await order_handover(waiting, "2" * 32)
            handover = await start_handover(client, QUEUE, order, Request(key="2" * 32))
            second = await asked(waiting)
            one, other = await waiting.start(), await waiting.start()
            await one.act(Comment(note="还没来"), unwritten=True)
            await one.handle.signal("publish")
            for task in (first, second, await asked(waiting)):
                await told(waiting, task.task_token, failure)
        for complaint in (one, other):
            await complaint.handle.terminate()
        async with at_work(elsewhere) as (ours, stuck):
            for complaint in (one, other):
                await until(complaint.lost, lambda mark: mark == "ended")
            await until(stuck, [handover.id, cause.handle.id].__eq__)
            assert not await is_listed(client, 'theirs"')
            for each in (cause.handle.id, handover.id):
                await lost.terminate(client, each)
            await until(stuck, [cause.handle.id].__eq__)
            owner = engine(ours.settings.database_url)
            assert await rebuilder(ours, owner).one(cause.number) == STARTED
            owner.dispose()
            await until(stuck, [].__eq__)
