"""A reconciler that compares at once, for tests."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities import poller
from activities.recovery import other_workflows, reconcile
from activities.recovery.case_workflows import CaseWorkflows
from activities.recovery.report import ReconcilerReport
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.temporal import temporal_server
from workflows.clients.upkeep import RECONCILER, last_report


def refuse_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Temporal refuse to list workflows."""

    async def refuses(_: CaseWorkflows, __: str) -> AsyncIterator[Any]:
        for nothing in list[Any]():
            yield nothing
        raise RPCError("visibility is away", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(CaseWorkflows, "chunks", refuses)


def reconcile_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reconciler act half a second after a change, and sweep as often."""
    monkeypatch.setattr(reconcile, "GRACE", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "OVERLAP", timedelta(seconds=1))
    monkeypatch.setattr(reconcile, "SWEEP_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "SWEEP_ENDED_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0)
    # The SDK sends a heartbeat, and with it the report, after four fifths of this time at the earliest.
    monkeypatch.setattr(poller, "HEARTBEAT_TIMEOUT", timedelta(seconds=3))
    monkeypatch.setattr(poller, "HEARTBEAT_SECONDS", 0.5)


def advance_clock(monkeypatch: pytest.MonkeyPatch, seconds: int = other_workflows.LONGEST_PAUSE_SECONDS + 1) -> None:
    """Let a reconciler see every workflow as if it had rested for so long."""
    monkeypatch.setattr(other_workflows, "time", SimpleNamespace(time=lambda: time.time() + seconds))
    monkeypatch.setattr(reconcile, "STUCK_AFTER", timedelta(seconds=1))


@asynccontextmanager
async def running_reconciled(folder: Path) -> AsyncIterator[Hotline]:
    """A hotline on a server of its own, whose list has nothing but its cases, with a reconciler that acts at once."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        reconcile_at_once(monkeypatch)
        async with await temporal_server() as server, running_hotline(server, folder, reconcile_seconds=0.1) as running:
            await RECONCILER.start(running.client, running.settings.task_queue)
            yield running


async def has_swept(client: Client) -> None:
    """Wait until a sweep of the reconciler has ended."""
    lately = datetime.now(UTC) - reconcile.SWEEP_EVERY / 2

    def is_swept(seen: ReconcilerReport | None) -> bool:
        return bool(seen and seen.unswept_since and seen.unswept_since > lately)

    await until(lambda: last_report(client), is_swept)
