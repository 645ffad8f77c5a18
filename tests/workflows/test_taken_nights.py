"""A night's start whose id somebody else has taken: Temporal leaves it out, and the next one makes up for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import ScheduleBackfill

from tests.support.hotline import running_hotline
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_period_end import NOBODYS_QUEUE, at_night, begun, started_by, write_case
from workflows.clients.upkeep import SCHEDULE, ensure_schedule

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
JUNE = datetime(2020, 6, 10, 2, tzinfo=UTC)
NIGHT = datetime(2020, 6, 30, 16, 20, tzinfo=UTC)


async def test_the_next_night_makes_up_for_one_whose_id_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await temporal_server() as server, running_hotline(server, tmp_path) as nightly:
        await ensure_schedule(nightly.client, nightly.settings.task_queue, "Asia/Shanghai")
        schedule = nightly.client.get_schedule_handle(SCHEDULE)
        assert await begun(nightly, schedule) == []
        at_night(monkeypatch, NIGHT)
        write_case(nightly, JUNE)
        taken = f"{SCHEDULE}-{NIGHT:%Y-%m-%dT%H:%M:%SZ}"
        await stranger(nightly.client).start_workflow("X", id=taken, task_queue=NOBODYS_QUEUE)
        for night in (NIGHT, NIGHT + timedelta(days=1)):
            await schedule.backfill(ScheduleBackfill(start_at=night - timedelta(minutes=1), end_at=night))
        assert await begun(nightly, schedule, starts=2) == ["assessment-2020-06"]
        assert started_by(await schedule.describe())[1].workflow_id == f"{SCHEDULE}-2020-07-01T16:20:00Z"
