"""Since when the reconciler has ended no sweep, as it tells in its report."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.poller import RunOverError
from activities.recovery.reconcile import SWEEP_EVERY, Reconciler, Repairs
from activities.recovery.report import ReconcilerReport


async def told(*beats: ReconcilerReport, before: datetime | None = None) -> datetime | None:
    """Return what a worker tells that begins after these heartbeats and report, and ends in its first sweep."""
    environment = ActivityEnvironment()
    details = [datetime.now(UTC), *(beat.model_dump(mode="json") for beat in beats)]
    environment.info = replace(environment.info, heartbeat_details=details if beats else ())
    away: Any = Mock()
    away.others.unreadable = {}
    away.changed_since.side_effect = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    async def over() -> int:
        environment.worker_shutdown()
        raise RunOverError

    reconciler = Reconciler(away, away, away, away, Repairs(away, over), 3600)
    report: ReconcilerReport = await environment.run(reconciler.reconcile, ReconcilerReport(unswept_since=before))
    return report.unswept_since


async def test_since_when_no_sweep_has_ended_is_told_also_by_the_next_worker() -> None:
    lately = datetime.now(UTC) - SWEEP_EVERY / 2
    assert await told(ReconcilerReport(unswept_since=lately), before=lately - timedelta(days=1)) == lately


async def test_workers_that_die_one_after_the_other_have_no_further_hour() -> None:
    begun = datetime.now(UTC) - timedelta(days=1)
    assert await told(ReconcilerReport(unswept_since=begun)) == begun
    assert await told(ReconcilerReport(unswept_since=begun), before=begun - timedelta(days=1)) == begun


async def test_a_worker_that_begins_has_an_hour_for_its_first_sweep() -> None:
    begun = datetime.now(UTC)
    for since in (await told(), await told(before=begun - timedelta(days=1))):
        assert since
        assert begun - SWEEP_EVERY <= since <= datetime.now(UTC) - SWEEP_EVERY
