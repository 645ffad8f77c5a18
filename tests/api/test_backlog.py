"""Intake and the backlog of the workers: registrations wait a moment while many wait, and are taken all the same."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client

import worker
from api.temporal import server
from api.temporal.server import Backlog
from tests.support.api import CALL, running_api
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CASES = 8


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MANY_TASKS", 2)
    monkeypatch.setattr(server, "BACKLOG_CHECK_SECONDS", 0.05)


@pytest.mark.slow
async def test_calls_are_registered_while_more_wait_than_workers_can_take(temporal: Client, tmp_path: Path) -> None:
    """Nobody is refused, with a worker or without; the backlog is what Temporal counts, and it goes."""
    async with running_api(temporal, f"sqlite:///{tmp_path / 'hotline.db'}", tmp_path, at_work=False) as made:
        taken = await asyncio.gather(*(made.register() for _ in range(CASES)))
        assert [answer.status_code for answer in taken] == [201] * CASES
        queue = Backlog(temporal, made.settings.task_queue)
        assert await until(queue._waiting, lambda count: count >= CASES) == CASES
        assert (await made.register(CALL)).status_code == 201
        async with worker.running(temporal, made.settings):
            await until(queue._waiting, lambda count: count == 0)
            assert (await made.register()).status_code == 201


async def test_with_temporal_away_nobody_waits() -> None:
    away = await Client.connect("127.0.0.1:1", lazy=True)
    await Backlog(away, "hotline").ease()
