"""Records histories of new paths: `python -m tests.replay.record`, or with the names of the paths wanted.

A history that is there is not written again: delete its file first, for a change of the workflows that is meant.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory

from activities.sealing import stamps
from domain.reports.report import ReportKind
from tests.replay.assessment_paths import assessment, assessment_without_inspections, period_end
from tests.replay.change_paths import CHANGE_PATHS
from tests.replay.follow_up_paths import FOLLOW_UP_PATHS
from tests.replay.incident_paths import INCIDENT_PATHS
from tests.replay.link_paths import LINK_PATHS
from tests.replay.long_paths import DYNAMIC_CONFIG, LONG, SETTINGS, with_short_runs
from tests.replay.paths import PATHS
from tests.replay.settlement_paths import SETTLEMENT_PATHS
from tests.replay.write_paths import WRITE_PATHS
from tests.support.batches import call, project, published
from tests.support.bulk import order_handover, put_in_force
from tests.support.causes import Cause
from tests.support.histories import opened
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from workflows.bulk import CatalogueRolloutWorkflow
from workflows.clients.bulk import start_handover, start_rollout
from workflows.clients.periods import report_handle, start_report
from workflows.clients.start import Request
from workflows.clients.upkeep import COURIER, INSTALLATION, RECONCILER, SURGE_WATCH, claim

HISTORIES = Path(__file__).parent / "histories"
ROOT = Path(__file__).parents[2]
AFTER_ITS_FIRST_TASK = 4
"""Events of a workflow that only waits."""


Record = Callable[[Hotline], Awaitable[WorkflowHistory]]


async def record(names: list[str], *dynamic_config: str, **settings: Any) -> None:
    """Play these paths, and keep their histories."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            await temporal_server(*dynamic_config) as server,
            running_hotline(server, Path(folder), **settings) as hotline,
        ):
            for name in names:
                played = opened(await RECORDS[name](hotline))
                # Traces of failures name files; where this checkout lies is nobody's matter.
                kept = played.to_json().replace(f"{ROOT}/", "")
                (HISTORIES / f"{name}.json").write_text(f"{kept}\n", encoding="utf-8")
                print(f"recorded {name}")  # noqa: T201 - a command that says what it does


def of_path(play: Callable[[Hotline], Awaitable[Complaint | Cause]]) -> Record:
    """The history of a complaint, or of an incident, that went this way."""

    async def recorded(hotline: Hotline) -> WorkflowHistory:
        return await (await play(hotline)).handle.fetch_history()

    return recorded


def of_poller(start: Callable[[Client, str], Awaitable[WorkflowHandle[Any, None]]]) -> Record:
    """The history of a workflow that runs for ever, and has begun its first run."""

    async def recorded(hotline: Hotline) -> WorkflowHistory:
        handle = await start(hotline.client, hotline.settings.task_queue)
        await until(handle.describe, lambda seen: len(seen.raw_description.pending_activities) == 1)
        return await handle.fetch_history()

    return recorded


async def catalogue(hotline: Hotline) -> WorkflowHistory:
    """The history of a rollout over two open cases, one of which is reached by the second pass."""
    slower = hotline.catalogue.model_copy(update={"time_scale": 0.5, "name": "Slower", "name_zh": "放慢"})
    start = put_in_force(hotline, slower, settle_seconds=3600)
    await (await hotline.start()).published(1)
    running = await start_rollout(hotline.client, hotline.settings.task_queue, start)
    await until(lambda: running.query(CatalogueRolloutWorkflow.progress), lambda at: at.counts.get("changed") == 1)
    await (await hotline.start()).published(1)
    await hotline.server.fast_forward(running, timedelta(seconds=3601))
    await running.result()
    return await running.fetch_history()


async def handover(hotline: Hotline) -> WorkflowHistory:
    """The history of a handover of two cases, in pages of one."""
    for complaint in [await hotline.start() for _ in range(2)]:
        await complaint.published(1)
    start, request = await order_handover(hotline, "0" * 32, page=1), Request(key="")
    running = await start_handover(hotline.client, hotline.settings.task_queue, start, request)
    await running.result()
    return await running.fetch_history()


async def report(hotline: Hotline) -> WorkflowHistory:
    """The history of the report of a day with one case."""
    project(hotline.settings.database_url, published(call(1, datetime(2025, 9, 8, 1, tzinfo=UTC)), ("dispatch",)))
    await start_report(hotline.client, hotline.settings.task_queue, ReportKind.DAILY, "2025-09-08")
    running = report_handle(hotline.client, ReportKind.DAILY, "2025-09-08")
    await running.result()
    return await running.fetch_history()


async def installation(hotline: Hotline) -> WorkflowHistory:
    """The history of the workflow that shows to which installation Temporal belongs."""
    await claim(hotline.client, hotline.settings.task_queue, "0" * 16)
    handle = hotline.client.get_workflow_handle(INSTALLATION.id)
    return await until(handle.fetch_history, lambda found: len(found.events) == AFTER_ITS_FIRST_TASK)


async def installation_elsewhere(hotline: Hotline) -> WorkflowHistory:
    """The history of that workflow in the place of another, where it is refused."""
    queue = hotline.settings.task_queue
    handle = await stranger(hotline.client).start_workflow("InstallationWorkflow", id="elsewhere", task_queue=queue)
    with suppress(WorkflowFailureError):
        await handle.result()
    return await handle.fetch_history()


_OF_CASES = PATHS | CHANGE_PATHS | FOLLOW_UP_PATHS | SETTLEMENT_PATHS | LINK_PATHS | WRITE_PATHS
RECORDS: dict[str, Record] = {
    "catalogue": catalogue,  # before there are cases of other paths, which a rollout would call on as well
    "handover": handover,
    "assessment": assessment,
    "assessment_without_inspections": assessment_without_inspections,
    "period_end": period_end,
    "report": report,
    "installation": installation,
    "installation_elsewhere": installation_elsewhere,
    **{name: of_path(play) for name, play in _OF_CASES.items()},
    **{name: of_path(play) for name, play in INCIDENT_PATHS.items()},
    "courier": of_poller(COURIER.start),
    "reconciler": of_poller(RECONCILER.start),
    "watch": of_poller(SURGE_WATCH.start),
    **LONG,
}


async def main(names: list[str]) -> None:
    """Record the paths of these names that have no history yet; all such paths if none is named."""
    # As in tests/conftest.py: paths skip the time of a workflow alone, and what they send then is sealed long before.
    stamps.ACCEPTED_WITHIN = timedelta.max
    missing = [name for name in names or RECORDS if not (HISTORIES / f"{name}.json").exists()]
    if usual := [name for name in missing if name not in LONG]:
        await record(usual)
    if long := [name for name in missing if name in LONG]:
        with pytest.MonkeyPatch.context() as monkeypatch:
            with_short_runs(monkeypatch)
            await record(long, DYNAMIC_CONFIG, **SETTINGS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
