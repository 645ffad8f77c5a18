"""Effort of property tests: as many examples as fit into a short wait; in CI always the same ones."""

import os

from hypothesis import settings

# A deadline per example would fail on a busy machine, and say nothing about the code.
settings.register_profile("default", max_examples=60, stateful_step_count=40, deadline=None)
settings.register_profile(
    "ci", parent=settings.get_profile("default"), derandomize=True, database=None, print_blob=True
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
