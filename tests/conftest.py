"""Fixtures that every folder of tests may ask for."""

import gc
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker._workflow import _WorkflowWorker

from activities.sealing import stamps
from readmodel.base import database

pytest_plugins = [f"tests.support.{name}" for name in ("databases", "once", "tables")]

PATIENCE_SECONDS = 60.0
"""Time after which the SDK breaks off a workflow. A busy machine may stand still for longer than its own two seconds,
and a worker whose workflow was broken off in a bad moment never ends."""
LONG = (
    "test_schema",
    "test_walk_in_the_temporal_ui",
    "test_kill_writing",
    "test_demo_views",
    "test_lost_storage",
    "test_lost_workflows",
    "test_processes",
    "test_temporal_ui",
    "test_power_loss",
    "test_surge",
    "test_bench",
    "test_kill",
)
"""Files of `tests/e2e` that take minutes, the longest first."""
NIGHT = ("test_handovers", "test_outages", "test_write_path", "test_write_faults", "test_desk_intake")
"""Files that run on PostgreSQL at night alone: their statements run there in `tests/readmodel` and by other tests."""
FOLDERS = ("e2e", "workflows", "api", "readmodel", "replay", "unit", "docs")
"""Folders, that with the longest files first."""
ACCEPTED_WITHIN = stamps.ACCEPTED_WITHIN
CONNECT_SECONDS = database.CONNECT_SECONDS
# Temporal's server takes less of a processor if it collects garbage at five times the heap in use, not at twice.
os.environ.setdefault("GOGC", "400")
_begin = _WorkflowWorker.__init__


def _begin_patiently(self: Any, *args: Any, **kwargs: Any) -> None:
    _begin(self, *args, **kwargs)
    self._deadlock_timeout_seconds = PATIENCE_SECONDS


_WorkflowWorker.__init__ = _begin_patiently  # type: ignore[method-assign]  # the SDK has no setting for it
# Tests skip the time of a workflow alone. What is sent after a skip is sealed long before by that time.
stamps.ACCEPTED_WITHIN = timedelta.max
# PostgreSQL begins a process for each connection, which takes a busy machine more than the service's two seconds.
database.CONNECT_SECONDS = int(PATIENCE_SECONDS)


@pytest.fixture
def accepted_within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge by a workflow's clock when an update was sealed, as the service does: for a test that skips no time."""
    monkeypatch.setattr(stamps, "ACCEPTED_WITHIN", ACCEPTED_WITHIN)


@pytest.fixture
def connect_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a connection to SQL as long as the service does."""
    monkeypatch.setattr(database, "CONNECT_SECONDS", CONNECT_SECONDS)


def pytest_collection() -> None:
    """Collect no garbage while modules are loaded, of which nothing is garbage."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one at the end.

    Mark what runs on PostgreSQL as slow.
    """
    items.sort(key=lambda item: _place(item.path))
    for item in items:
        parameters, fixtures = item.name.partition("[")[2].rstrip("]").split("-"), getattr(item, "fixturenames", ())
        if "postgresql" in parameters or any("postgresql" in name for name in fixtures):
            item.add_marker(pytest.mark.night if item.path.stem in NIGHT else pytest.mark.slow)


def _place(file: Path) -> int:
    """Return the place of a file in the order of the run."""
    if file.stem in LONG and file.parent.name == "e2e":
        return LONG.index(file.stem) - len(LONG)
    return FOLDERS.index(file.parent.name)


def pytest_collection_finish() -> None:
    """Leave what was loaded, over a million objects, out of all later garbage collections, and have fewer of them."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
