"""Workflows that somebody else makes wait for years, as their worker, are listed as stuck."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command, RecordMarkerCommandAttributes, StartTimerCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PollActivityTaskQueueResponse,
    ResetActivityRequest,
)
from temporalio.worker import Worker

from activities.recovery import other_workflows, reconcile
from activities.recovery.report import ReconcilerReport
from hotline.recovery.rebuild_workflows import STARTED
from hotline.temporal.converter import runner
from readmodel.base.database import engine
from tests.support.causes import OVER, Cause, declare
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import reset
from tests.support.reconciler import reconcile_at_once
from tests.support.temporal import temporal_server
from tests.workflows.test_hijacked_tasks import hijack
from tests.workflows.test_pretender import asked, told
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.upkeep import RECONCILER, last_report
from workflows.incident.workflow import IncidentWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
QUEUE = "late"
TEN_YEARS = 10 * 366 * 24 * 3600


def timer(number: int, seconds: int) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_START_TIMER,
        start_timer_command_attributes=StartTimerCommandAttributes(
            timer_id=str(number), start_to_fire_timeout=Duration(seconds=seconds)
        ),
    )


def next_try_in(seconds: int) -> Command:
    """The note of a worker that telling the incident has failed, and is tried again after this time."""
    never = {"seconds": 0, "nanos": 0}
    known = {"seq": 1, "attempt": 1, "activity_id": "1", "activity_type": "tell_incident", "activation_index": 1}
    times = {"complete_time": never, "original_schedule_time": never, "backoff": {"seconds": seconds, "nanos": 0}}
    note = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(known | times).encode())
    return Command(
        command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
        record_marker_command_attributes=RecordMarkerCommandAttributes(
            marker_name="core_local_activity",
            details={"data": Payloads(payloads=[note])},
            failure=Failure(message="-", application_failure_info=ApplicationFailureInfo(type="-")),
        ),
    )


@asynccontextmanager
async def waiting_cases(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Hotline, Hotline]]:
    """A hotline at work on another queue, and one for cases that nobody works on yet."""
    reconcile_at_once(monkeypatch)
    monkeypatch.setattr(reconcile, "STUCK_AFTER", timedelta(seconds=1))
    async with await temporal_server() as server, running_hotline(server, folder, task_queue="another") as elsewhere:
        settings = elsewhere.settings.model_copy(update={"task_queue": QUEUE})
        yield elsewhere, Hotline(server, settings, elsewhere.engine, elsewhere.projection, elsewhere.client)


async def is_listed_until_it_is_lost(late: Complaint, ours: Hotline) -> None:
    """A rebuild brings it back, and so the timer: lost is worse than stuck."""

    async def look() -> ReconcilerReport:
        return await last_report(ours.client) or ReconcilerReport()

    report = await until(look, lambda seen: bool(seen.stuck))
    assert report.stuck == [late.number]
    assert not report.lost
    await late.handle.terminate()
    await until(look, lambda seen: seen.stuck == [] and [*seen.lost] == [late.number])


async def test_a_case_that_does_not_notice_what_falls_due_is_listed_as_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        terms = waiting.catalogue.terms("no_water", "west", datetime.now(UTC))
        soon = tuple(each.model_copy(update={"budget_seconds": 2}) for each in terms.promises)
        late = await waiting.start(terms=terms.model_copy(update={"promises": soon}))
        await hijack(waiting.client, QUEUE, timer(1, TEN_YEARS))
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE, reconcile_seconds=0.1) as ours:
            in_time = await ours.start()
            await RECONCILER.start(ours.client, QUEUE)
            await is_listed_until_it_is_lost(late, ours)
            assert (await in_time.view()).version == 1


async def test_a_case_that_has_not_told_its_incident_is_listed_as_stuck_when_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        cause = await declare(elsewhere, "west")
        late = await waiting.start(incident=cause.number)
        await hijack(waiting.client, QUEUE, timer(1, 7200), next_try_in(TEN_YEARS), timer(2, TEN_YEARS))
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE, reconcile_seconds=0.1) as ours:
            assert (await late.view()).incident == cause.number
            in_time = await ours.start(incident=cause.number)
            await cause.waits_for(1)
            await RECONCILER.start(ours.client, QUEUE)
            await cause.act(OVER)
            await in_time.published(3)
            await is_listed_until_it_is_lost(late, ours)
            owner = engine(ours.settings.database_url)
            assert await rebuilder(ours, owner).one(late.number) == STARTED
            owner.dispose()
            back = again(ours, late)
            assert (await until(back.view, lambda seen: seen.incident is None)).version == 2
            assert [row["action"] for row in await back.published(2)] == ["register", "link_incident"]


async def test_incidents_that_do_not_go_on_are_listed_until_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An activity is put off for ten years, paused, or was asked for by the run before a reset; a fourth one fails."""
    monkeypatch.setattr(other_workflows, "REFUSALS", 1)
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client, causes = waiting.client, dict[str, Cause]()

        async def fail(task: PollActivityTaskQueueResponse, delay: int) -> None:
            later = ApplicationFailureInfo(type="x", next_retry_delay=Duration(seconds=delay))
            await told(waiting, task.task_token, Failure(application_failure_info=later))

        async with Worker(
            client, task_queue=QUEUE, workflows=[IncidentWorkflow], workflow_runner=runner(sandbox=False)
        ):
            for delay in (TEN_YEARS, 1, 1, 1):
                cause = await declare(waiting, "west")
                while (task := await asked(waiting)).workflow_execution.workflow_id != cause.handle.id:
                    await fail(task, 1)  # of an incident before, whose second has passed
                await fail(task, delay)
                causes[cause.handle.id] = cause
            put_off, paused, refused, _ = causes
            await causes[refused].handle.signal("linked")
            await reset(client, refused, task=1)
        await client.workflow_service.pause_activity(
            PauseActivityRequest(
                namespace=client.namespace, execution=WorkflowExecution(workflow_id=paused), type="publish_incident"
            )
        )
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE, reconcile_seconds=0.1) as ours:
            await RECONCILER.start(ours.client, QUEUE)

            async def stuck() -> list[str]:
                return (await last_report(ours.client) or ReconcilerReport()).stuck

            # In any order: those that the reconciler has written to SQL are first.
            await until(stuck, lambda listed: sorted(listed) == sorted([put_off, paused, refused]))
            await client.workflow_service.reset_activity(
                ResetActivityRequest(
                    namespace=client.namespace,
                    execution=WorkflowExecution(workflow_id=put_off),
                    type="publish_incident",
                )
            )
            await causes[put_off].published("declare")
            await until(stuck, lambda listed: sorted(listed) == sorted([paused, refused]))
            # A sweep writes what it had not published. Without a workflow it stays in the list.
            await causes[refused].handle.terminate()
            await causes[refused].published("declare")
            owner = engine(ours.settings.database_url)
            assert await rebuilder(ours, owner).one(causes[refused].number) == STARTED
            owner.dispose()
            await until(stuck, [paused].__eq__)
