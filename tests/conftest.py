"""Fixtures that every folder of tests may ask for."""

import gc
import os

pytest_plugins = ["tests.support.databases", "tests.support.temporal"]

# A machine that stands still for two seconds is no deadlock, for which the SDK would break off workflow and worker.
os.environ["TEMPORAL_DEBUG"] = "1"


def pytest_collection_finish() -> None:
    """Leave what was loaded, over a million objects, out of all later garbage collections."""
    gc.collect()
    gc.freeze()
