"""The watch on a real server: a surge is suspected once, what a dispatcher dismissed needs as many new calls again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.names import incident_id
from domain.incident.actions import Dismiss
from domain.shared.numbers import days_around, incident_number_of, local_day
from readmodel.base.database import engine as engine_of
from readmodel.base.database import reading
from tests.support.causes import Cause, declare
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.outage import down
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from workflows.clients.incidents import suspected_by
from workflows.clients.upkeep import SURGE_WATCH
from workflows.singletons import SurgeWatchWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ENOUGH = 11
"""Calls of one service from one district that the default catalogue does not take for chance."""


@asynccontextmanager
async def watched(
    server: WorkflowEnvironment, folder: Path, **changes: Any
) -> AsyncIterator[tuple[Hotline, WorkflowHandle[SurgeWatchWorkflow, None]]]:
    """A hotline with a task queue and a watch of its own, which looks many times a second."""
    queue = f"watch-{folder.name}"
    async with running_hotline(server, folder, task_queue=queue, watch_seconds=0.1, **changes) as hotline:
        watch = await SURGE_WATCH.start(hotline.client, queue)
        try:
            yield hotline, watch
        finally:
            await watch.terminate("the test is over")


async def call(hotline: Hotline, count: int, district: str) -> None:
    """So many calls, all of them in SQL."""
    complaints = [await hotline.start(district=district) for _ in range(count)]
    await asyncio.gather(*(complaint.published(1) for complaint in complaints))


async def incidents_of(hotline: Hotline, count: int) -> list[Cause]:
    """All incidents that SQL knows, the oldest first, once they are so many."""

    def read() -> list[Cause]:
        with reading(hotline.engine) as connection:
            return [Cause(hotline, number) for number in connection.scalars(text(_BY_AGE))]

    return await until(lambda: asyncio.to_thread(read), lambda found: len(found) == count)


_BY_AGE = "SELECT number FROM incidents ORDER BY opened_at"


async def test_a_surge_is_suspected_once_however_often_it_is_looked_at(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with watched(server, tmp_path) as (hotline, _):
        await call(hotline, ENOUGH - 1, "shaxi")
        await call(hotline, ENOUGH - 1, "dachong")
        await call(hotline, 1, "shaxi")
        [cause] = await incidents_of(hotline, 1)
        # The look that finds the other district has seen more calls from the first.
        await call(hotline, ENOUGH, "shaxi")
        await call(hotline, 1, "dachong")
        same, other = await incidents_of(hotline, 2)
        assert (same.number, (await other.seen()).incident.scope.districts) == (cause.number, ("dachong",))
        incident = (await cause.seen()).incident
        assert (incident.state, incident.opened_by, incident.scope.districts) == ("suspected", "system", ("shaxi",))
        assert [row["recipient"] for row in await cause.messages()] == ["dispatcher", "supervisor"]


async def test_what_was_dismissed_is_suspected_again_after_as_many_new_calls(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with watched(server, tmp_path) as (hotline, _):
        await call(hotline, ENOUGH, "xiaolan")
        [first] = await incidents_of(hotline, 1)
        await first.act(Dismiss(reason="各有各的原因"))
        await first.published("suspect", "dismiss", "finish")
        await call(hotline, ENOUGH - 1, "xiaolan")
        # The look that finds another district has seen these.
        await call(hotline, ENOUGH, "banfu")
        await incidents_of(hotline, 2)
        await call(hotline, 1, "xiaolan")
        *_, second = await incidents_of(hotline, 3)
        since = (await second.seen()).incident.since
        assert since == (await first.seen()).incident.closed_at


async def test_calls_that_an_open_incident_explains_raise_no_suspicion(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with running_hotline(server, tmp_path, task_queue="explained", watch_seconds=0.1) as hotline:
        cause = await declare(hotline, "guzhen")
        await cause.published("declare")
        await call(hotline, ENOUGH, "guzhen")
        await call(hotline, ENOUGH, "huangpu")
        watch = await SURGE_WATCH.start(hotline.client, "explained")
        [known, suspected] = await incidents_of(hotline, 2)
        await watch.terminate("the test is over")
        assert known.number == cause.number
        assert (await suspected.seen()).incident.scope.districts == ("huangpu",)


async def test_a_suspicion_whose_numbers_are_taken_is_logged_and_holds_up_no_other(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("workflows.clients.incidents.MOST_DRAWS", 2)
    taken, key = set[str](), suspected_by("no_water", "nanlang", None)
    for day in {local_day(now := datetime.now(UTC)), *days_around(now)}:
        taken |= {incident_id(incident_number_of(day, key, draw)) for draw in range(2)}
    theirs = [await stranger(server.client).start_workflow("X", id=each, task_queue="nobody") for each in taken]
    async with watched(server, tmp_path) as (hotline, _):
        await call(hotline, ENOUGH, "nanlang")
        await until(lambda: asyncio.sleep(0, caplog.text), lambda seen: "no_water in nanlang: none of 2" in seen)
        await call(hotline, ENOUGH, "minzhong")
        [other] = await incidents_of(hotline, 1)
        assert (await other.seen()).incident.scope.districts == ("minzhong",)
    for each in theirs:
        await each.terminate()


async def test_sql_that_is_down_is_waited_for(server: WorkflowEnvironment, tmp_path: Path) -> None:
    async with watched(server, tmp_path) as (hotline, watch):
        await call(hotline, ENOUGH - 1, "sanjiao")
        database = engine_of(hotline.settings.database_url)
        with down(database):
            late = await hotline.start(district="sanjiao")
        database.dispose()
        await late.published(1)
        await incidents_of(hotline, 1)
        assert len((await watch.describe()).raw_description.pending_activities) == 1


async def _poller_runs(watch: WorkflowHandle[Any, None]) -> int:
    kinds = [event.event_type async for event in watch.fetch_history_events()]
    return kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)


async def _is_polling(watch: WorkflowHandle[Any, None]) -> bool:
    """Return True once a worker has the poller: one that is only scheduled is left to the next worker as it is."""
    pending = (await watch.describe()).raw_description.pending_activities
    return [each.state for each in pending] == [PendingActivityState.PENDING_ACTIVITY_STATE_STARTED]


async def test_many_workers_start_one_watch_and_the_next_worker_takes_it_over(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"task_queue": "two-watches", "watch_seconds": 0.1}
    async with running_hotline(server, tmp_path, **changes) as hotline:
        started = await asyncio.gather(*(SURGE_WATCH.start(hotline.client, "two-watches") for _ in range(5)))
        assert {each.first_execution_run_id for each in started} == {started[0].first_execution_run_id}
        watch = started[0]
        await call(hotline, 1, "sanxiang")
        await until(partial(_is_polling, watch), bool)
    async with running_hotline(server, tmp_path, **changes) as hotline:
        await call(hotline, ENOUGH - 1, "sanxiang")
        await incidents_of(hotline, 1)
        runs = await _poller_runs(watch)
        described = await watch.describe()
        await watch.terminate("the test is over")
    assert runs == 2
    assert await described.static_summary() == "来电监测 Watch for surges"


async def test_a_long_life_is_many_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a moment each, and a server that suggests a new run soon."""
    monkeypatch.setattr("activities.poller.RUN_TIME", timedelta(seconds=0.3))
    limit = "limit.historyCount.suggestContinueAsNew=20"
    async with await temporal_server(limit) as own, watched(own, tmp_path) as (hotline, first):

        async def run_id() -> str:
            return (await hotline.client.get_workflow_handle(SURGE_WATCH.id).describe()).run_id or ""

        await until(run_id, lambda run: run not in ("", first.first_execution_run_id))
        await call(hotline, ENOUGH, "tanzhou")
        await incidents_of(hotline, 1)
