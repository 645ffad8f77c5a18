"""Fixtures that every folder of tests may ask for."""

import gc

pytest_plugins = ["tests.support.databases", "tests.support.temporal"]


def pytest_collection_finish() -> None:
    """Leave what was loaded out of all later garbage collections.

    It is over a million objects, and a collection of them holds up a workflow for longer than the two seconds after which
    the SDK takes it for dead.
    """
    gc.collect()
    gc.freeze()
