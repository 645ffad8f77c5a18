"""Cases of which somebody keeps the tasks or puts off the next run are listed, and come back."""

import asyncio
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.client import Client

from activities.names import complaint_id
from activities.recovery.report import MOST_REPORTED, ReconcilerReport
from domain.case.actions.reinstate import Reinstate
from domain.case.actions.withdraw import Withdraw
from hotline.recovery.rebuild_workflows import STARTED
from readmodel.base.database import engine
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import terminate
from tests.support.reconciler import advance_clock
from tests.workflows.test_hijacked_tasks import hijack, ours
from tests.workflows.test_late_cases import QUEUE, TEN_YEARS, timer, waiting_cases
from tests.workflows.test_late_others import NOBODYS_QUEUE, at_work, keep_tasks, next_run, rests, suspended
from tests.workflows.test_no_cases import nested, start_raw
from tests.workflows.test_pretender import asked, told
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.upkeep import last_report
from workflows.complaint.workflow import ComplaintWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
YEARS = Duration(seconds=TEN_YEARS)


@pytest.fixture(autouse=True)
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    advance_clock(monkeypatch)


async def own_attributes(complaint: Complaint) -> SearchAttributes:
    """Return the attributes of a case that anybody can copy."""
    shown = (await complaint.handle.describe()).raw_info.search_attributes.indexed_fields
    return SearchAttributes(
        indexed_fields={name: value for name, value in shown.items() if not name.startswith(("Temporal", "BuildIds"))}
    )


async def put_off(client: Client, complaint: Complaint, queue: str) -> None:
    """Answer the next task of a case: its next run begins in ten years."""
    command = next_run(queue, TEN_YEARS, ComplaintWorkflow.__name__)
    attributes = command.continue_as_new_workflow_execution_command_attributes
    attributes.search_attributes.CopyFrom(await own_attributes(complaint))
    await complaint.handle.signal("publish")
    await hijack(client, QUEUE, command)


async def replace(client: Client, complaint: Complaint) -> None:
    """End a case, and start another one under its id in ten years."""
    shown: dict[str, Any] = {"search_attributes": await own_attributes(complaint)}
    await complaint.handle.terminate()
    await start_raw(client, ComplaintWorkflow.__name__, complaint.handle.id, QUEUE, workflow_start_delay=YEARS, **shown)


def cancelled(timer_id: str) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_CANCEL_TIMER,
        cancel_timer_command_attributes=CancelTimerCommandAttributes(timer_id=timer_id),
    )


async def overdue(hotline: Hotline, then: int = 1) -> Complaint:
    """A case that has missed a promise; the others fall due after `then` seconds."""
    terms = hotline.catalogue.terms("no_water", "west", datetime.now(UTC))
    budgets = chain([1], repeat(then))
    soon = tuple(
        each.model_copy(update={"budget_seconds": seconds})
        for each, seconds in zip(terms.promises, budgets, strict=False)
    )
    complaint = await hotline.start(terms=terms.model_copy(update={"promises": soon}))
    await until(lambda: complaint.rows("cases"), lambda rows: bool(rows[0]["overdue"]))
    return complaint


async def are_rebuilt(hotline: Hotline, *complaints: Complaint) -> None:
    owner = engine(hotline.settings.database_url)
    for each in complaints:
        await terminate(hotline.client, each.handle.id)
        assert await rebuilder(hotline, owner).one(each.number) == STARTED
    owner.dispose()


async def test_a_case_whose_tasks_or_next_run_somebody_keeps_is_listed_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So far from due that no promise tells it."""
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client = waiting.client
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE) as first:
            kept = await overdue(first)
            asleep, withdrawn, moved, replaced, fresh = [await suspended(first) for _ in range(4)] + [
                await first.start()
            ]
            for each in (withdrawn, moved):
                await each.act(Withdraw(reason="用户撤销"))
            for each in (kept, asleep, withdrawn, moved, replaced, fresh):
                await until(each.handle.describe, rests)
        await keep_tasks(client, kept.handle, "publish")
        for each, queue in ((asleep, QUEUE), (withdrawn, QUEUE), (moved, NOBODYS_QUEUE)):
            await put_off(client, each, queue)
        for each in (replaced, fresh):
            await replace(client, each)
        unsound = kept, asleep, withdrawn, moved, replaced, fresh
        async with at_work(elsewhere) as (service, stuck):
            await overdue(service)  # a sound one
            await until(stuck, sorted(each.number for each in unsound).__eq__)
            await are_rebuilt(service, *unsound)
            await until(stuck, [].__eq__)


async def test_a_case_that_has_missed_a_promise_is_listed_when_it_does_not_notice_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE) as first:
            sound, late = await overdue(first), await overdue(first, then=20)
        history = await late.handle.fetch_history()
        started = [each.timer_started_event_attributes.timer_id for each in history.events]
        await late.handle.signal("publish")
        await hijack(waiting.client, QUEUE, cancelled(next(filter(None, reversed(started)))), timer(99, TEN_YEARS))
        async with at_work(elsewhere) as (service, stuck):
            await until(stuck, [late.number].__eq__)
            await are_rebuilt(service, late)
            await until(stuck, [].__eq__)
            assert (await sound.view()).overdue


async def test_a_closed_case_that_somebody_completes_is_listed_and_can_be_reopened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE) as first:
            completed, sound = await suspended(first), await suspended(first)
            for each in (completed, sound):
                await each.act(Withdraw(reason="用户撤销"))
                await until(each.handle.describe, rests)
        await completed.handle.signal("publish")
        complete = CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
        await hijack(
            waiting.client,
            QUEUE,
            Command(
                command_type=complete,
                complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(),
            ),
        )
        async with at_work(elsewhere) as (service, stuck):
            await until(stuck, [completed.number].__eq__)
            owner = engine(service.settings.database_url)
            assert await rebuilder(service, owner).one(completed.number) == STARTED
            owner.dispose()
            await until(stuck, [].__eq__)
            assert (await again(service, completed).act(Reinstate(reason="撤销有误"))).action == "reinstate"


async def test_a_kept_case_with_a_failure_that_cannot_be_read_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client, failure = waiting.client, nested(98)
        failure.application_failure_info.next_retry_delay.CopyFrom(YEARS)
        async with ours(client, QUEUE, ComplaintWorkflow):
            complaint = await suspended(waiting)
            await complaint.handle.signal("publish")
            await told(waiting, (await asked(waiting)).task_token, failure)
            await asyncio.sleep(1)
        await keep_tasks(client, complaint.handle, "publish")
        async with at_work(elsewhere) as (service, stuck):
            await until(stuck, [complaint.number].__eq__)
            await are_rebuilt(service, complaint)
            await until(stuck, [].__eq__)


async def test_the_first_named_are_cases_however_many_others_somebody_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting_cases(tmp_path, monkeypatch) as (elsewhere, waiting):
        client = waiting.client
        async with running_hotline(elsewhere.server, tmp_path, task_queue=QUEUE) as first:
            complaint = await suspended(first)
            await until(complaint.handle.describe, rests)
        await keep_tasks(client, complaint.handle, "publish")
        for place in range(MOST_REPORTED):
            await start_raw(client, "X", f"!{place}", QUEUE, workflow_start_delay=YEARS)
            number = f"{place:013}"
            await start_raw(client, ComplaintWorkflow.__name__, complaint_id(number), QUEUE, workflow_start_delay=YEARS)
        async with at_work(elsewhere):

            async def report() -> ReconcilerReport:
                return await last_report(client) or ReconcilerReport()

            seen = await until(report, lambda seen: seen.stuck_count > 2 * MOST_REPORTED)
            assert seen.stuck[:2] == [complaint.number, f"{0:013}"]
