"""Workflows that wait, or come back, as they should are not listed as stuck."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest, UnpauseActivityRequest
from temporalio.client import Client

from activities.names import assessment_id
from activities.recovery import other_workflows
from activities.recovery.report import ReconcilerReport
from domain.case.actions.comment import Comment
from domain.case.actions.withdraw import Withdraw
from domain.case.automatic import left_out
from domain.case.progress import Progress
from domain.case.state import CaseState
from domain.incident.actions import Inform
from hotline.recovery.rebuild_workflows import STARTED
from readmodel.base.database import engine
from tests.support.bulk import order_handover, put_in_force
from tests.support.causes import OVER, declare
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.lost import pause, reset, unpause
from tests.support.months import RunningMonth
from tests.support.reconciler import advance_clock, reconcile_at_once, running_reconciled
from tests.support.rows import execute
from tests.support.temporal import temporal_server
from tests.workflows.test_late_others import suspended
from tests.workflows.test_rebuild_workflows import rebuilder
from workflows.clients.bulk import start_handover, start_rollout
from workflows.clients.start import Request
from workflows.clients.upkeep import RECONCILER, SURGE_WATCH, last_report

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
UNREADABLE = "2026-03"
CASES = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reconciled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        advance_clock(monkeypatch)
        async with running_reconciled(tmp_path_factory.mktemp("sound")) as running:
            yield running


async def report(client: Client) -> ReconcilerReport:
    return await last_report(client) or ReconcilerReport()


async def swept(client: Client) -> ReconcilerReport:
    """Return the report of a sweep that began after now, and of a look after it."""
    for _ in range(2):
        await until(lambda: report(client), _is_swept_after(datetime.now(UTC)))
    return await report(client)


def _is_swept_after(at: datetime) -> Callable[[ReconcilerReport], bool]:
    return lambda seen: seen.unswept_since is not None and seen.unswept_since > at


async def nothing(_: Hotline) -> None:
    """A new installation has no rows."""


async def incident_without_cases(hotline: Hotline) -> None:
    await (await declare(hotline, "west")).published("declare")


async def incident_that_was_rebuilt(hotline: Hotline) -> None:
    cause = await declare(hotline, "east")
    await cause.published("declare")
    await cause.handle.terminate()
    owner = engine(hotline.settings.database_url)
    assert await rebuilder(hotline, owner).one(cause.number) == STARTED
    owner.dispose()


async def incident_that_was_reset(hotline: Hotline) -> None:
    cause = await declare(hotline, "north")
    await cause.act(Inform(message="抢修中"))
    await cause.published("declare", "inform")
    await reset(hotline.client, cause.handle.id)


async def suspended_case_under_a_busy_worker(hotline: Hotline) -> None:
    await suspended(hotline)
    await asyncio.gather(*(hotline.start() for _ in range(20)))


async def closed_case(hotline: Hotline) -> None:
    await (await hotline.start()).act(Withdraw(reason="用户撤销"))


async def overdue_case(hotline: Hotline) -> None:
    terms = hotline.catalogue.terms("no_water", "west", datetime.now(UTC))
    soon = tuple(each.model_copy(update={"budget_seconds": 1}) for each in terms.promises)
    complaint = await hotline.start(terms=terms.model_copy(update={"promises": soon}))
    await until(lambda: complaint.rows("cases"), lambda rows: bool(rows[0]["overdue"]))


async def case_that_was_paused(hotline: Hotline) -> None:
    complaint = await suspended(hotline)
    await pause(hotline.client, complaint.handle.id)
    await complaint.handle.signal("publish")
    await until(lambda: report(hotline.client), lambda seen: seen.paused == [complaint.number])
    await unpause(hotline.client, complaint.handle.id)
    await complaint.act(Comment(note="又开始了"))


async def poller_that_was_paused(hotline: Hotline) -> None:
    client, watch = hotline.client, WorkflowExecution(workflow_id=SURGE_WATCH.id)
    await SURGE_WATCH.start(client, hotline.settings.task_queue)

    async def is_asked_for() -> bool:
        return bool((await client.get_workflow_handle(watch.workflow_id).describe()).raw_description.pending_activities)

    await until(is_asked_for, bool)
    where: dict[str, Any] = {"namespace": client.namespace, "execution": watch, "type": "watch_surges"}
    await client.workflow_service.pause_activity(PauseActivityRequest(**where))
    await until(lambda: report(client), lambda seen: seen.stuck == [SURGE_WATCH.id])
    await client.workflow_service.unpause_activity(UnpauseActivityRequest(**where))


async def case_whose_settlement_is_left_out(hotline: Hotline) -> None:
    def refuse_settled(_: CaseState, after: CaseState) -> None:
        if after.settled:
            Progress.model_validate({})

    cause = await declare(hotline, "south")
    case = await hotline.start(district="south", incident=cause.number)
    await cause.waits_for(1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(left_out, "check", refuse_settled)
        await cause.act(OVER)
        await until(cause.timeline, lambda rows: [row["action"] for row in rows][-1:] == ["finish"])
    assert "comment" in (await case.rows("cases"))[0]["document"]
    assert [row["action"] for row in await case.published(4)].count("left_out") == 2


async def assessment_that_waits(hotline: Hotline) -> None:
    month = await RunningMonth.begin(hotline, "2026-02", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")


async def assessment_that_cannot_be_read(hotline: Hotline) -> None:
    month = await RunningMonth.begin(hotline, UNREADABLE, sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    owner = engine(hotline.settings.database_url)
    execute(owner, "UPDATE assessments SET document = '{}' WHERE number = :number", number=UNREADABLE)
    owner.dispose()


STATES: tuple[Callable[[Hotline], Awaitable[None]], ...] = (
    nothing,
    incident_without_cases,
    incident_that_was_rebuilt,
    incident_that_was_reset,
    suspended_case_under_a_busy_worker,
    closed_case,
    overdue_case,
    case_that_was_paused,
    poller_that_was_paused,
    case_whose_settlement_is_left_out,
    assessment_that_waits,
    assessment_that_cannot_be_read,
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_what_is_sound_is_not_listed(reconciled: Hotline, state: Callable[[Hotline], Awaitable[None]]) -> None:
    await state(reconciled)
    found = await swept(reconciled.client)
    named = [assessment_id(UNREADABLE)] if state is assessment_that_cannot_be_read else []
    assert [*found.unreadable] == named
    # A task that just waits for its worker counts as old, by this clock.
    await until(lambda: report(reconciled.client), lambda seen: seen.stuck == [], within=15)


async def test_a_rollout_and_a_handover_of_many_pages_are_not_listed(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take longer than a workflow may rest."""
    longest = 5
    monkeypatch.setattr(other_workflows, "time", time)
    monkeypatch.setattr(other_workflows, "LONGEST_PAUSE_SECONDS", longest)
    await asyncio.gather(*(reconciled.start() for _ in range(CASES)))
    client, queue, began_at, listed = reconciled.client, reconciled.settings.task_queue, time.monotonic(), list[str]()
    rollout = await start_rollout(client, queue, put_in_force(reconciled, reconciled.catalogue, page=1))
    order = await order_handover(reconciled, "3" * 32, page=1)
    handover = await start_handover(client, queue, order, Request(key="3" * 32))
    both = asyncio.gather(rollout.result(), handover.result())
    while not both.done():
        listed += (await report(client)).stuck
        await asyncio.sleep(0.1)
    counts, progress = await both
    assert time.monotonic() - began_at > longest
    assert (sum(counts.values()) >= CASES, progress.handed_over >= CASES) == (True, True)
    assert not {rollout.id, handover.id}.intersection(listed)


async def test_after_an_hour_without_a_worker_the_list_empties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reconcile_at_once(monkeypatch)
    async with await temporal_server() as server:
        async with running_hotline(server, tmp_path, reconcile_seconds=0.1) as before:
            await RECONCILER.start(before.client, before.settings.task_queue)
            cause, asleep = await declare(before, "west"), await suspended(before)
            await cause.published("declare")
            month = await RunningMonth.begin(before, "2026-02", sample_per_agent=0)
            await month.reaches("open", "compute", "publish")
        await cause.handle.signal("linked")
        await asleep.handle.signal("publish")
        advance_clock(monkeypatch, 3600)
        async with running_hotline(server, tmp_path, reconcile_seconds=0.1) as after:
            await swept(after.client)
            await until(lambda: report(after.client), lambda seen: seen.stuck == [], within=15)
