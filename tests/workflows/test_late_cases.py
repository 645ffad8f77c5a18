"""A case whose timer somebody else has set for years later, as its worker, is listed as stuck."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command, StartTimerCommandAttributes
from temporalio.api.enums.v1 import CommandType

from activities import reconcile
from activities.reconcile_report import Report
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.reconciler import reconcile_at_once
from tests.support.temporal import temporal_server
from tests.workflows.test_hijacked_tasks import hijack
from workflows.clients.singletons import RECONCILER, last_report

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUEUE = "late"
IN_TEN_YEARS = Command(
    command_type=CommandType.COMMAND_TYPE_START_TIMER,
    start_timer_command_attributes=StartTimerCommandAttributes(
        timer_id="1", start_to_fire_timeout=Duration(seconds=10 * 366 * 24 * 3600)
    ),
)


async def test_a_case_that_does_not_notice_what_falls_due_is_listed_as_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile_at_once(monkeypatch)
    monkeypatch.setattr(reconcile, "STUCK_AFTER", timedelta(seconds=1))
    async with await temporal_server() as server, running_hotline(server, tmp_path, task_queue="another") as elsewhere:
        settings = elsewhere.settings.model_copy(update={"task_queue": QUEUE})
        waiting = Hotline(server, settings, elsewhere.engine, elsewhere.sender, elsewhere.client)
        terms = waiting.catalogue.terms("no_water", "west", datetime.now(UTC))
        soon = tuple(each.model_copy(update={"budget_seconds": 2}) for each in terms.promises)
        late = await waiting.start(terms=terms.model_copy(update={"promises": soon}))
        await hijack(waiting.client, QUEUE, IN_TEN_YEARS)

        async def look() -> Report:
            return await last_report(waiting.client) or Report()

        async with running_hotline(server, tmp_path, task_queue=QUEUE, reconcile_seconds=0.1) as ours:
            in_time = await ours.start()
            await RECONCILER.start(ours.client, QUEUE)
            report = await until(look, lambda seen: bool(seen.stuck))
            assert report.stuck == [late.number]
            assert not report.lost
            # Lost is worse: a rebuild brings it back, and so the timer.
            await late.handle.terminate()
            await until(look, lambda seen: seen.stuck == [] and [*seen.lost] == [late.number])
            assert (await in_time.view()).version == 1
