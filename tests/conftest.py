"""Fixtures that every folder of tests may ask for."""

import gc
from typing import Any

import pytest
from temporalio.worker._workflow import _WorkflowWorker

pytest_plugins = [f"tests.support.{name}" for name in ("databases", "once", "tables", "temporal")]

PATIENCE_SECONDS = 60.0
"""Time after which the SDK breaks off a workflow. A busy machine may stand still for longer than its own two seconds,
and a worker whose workflow was broken off in a bad moment never ends."""
_begin = _WorkflowWorker.__init__


def _begin_patiently(self: Any, *args: Any, **kwargs: Any) -> None:
    _begin(self, *args, **kwargs)
    self._deadlock_timeout_seconds = PATIENCE_SECONDS


_WorkflowWorker.__init__ = _begin_patiently  # type: ignore[method-assign]  # the SDK has no setting for it


def pytest_collection() -> None:
    """Collect no garbage while modules are loaded, of which nothing is garbage."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


def pytest_collection_finish() -> None:
    """Leave what was loaded, over a million objects, out of all later garbage collections, and have fewer of them."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
