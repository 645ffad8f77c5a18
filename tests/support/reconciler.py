"""A reconciler that compares at once, for tests."""

from datetime import timedelta

import pytest

from activities import reconcile, shift
from workflows import shifts


def reconcile_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reconciler act half a second after a change, and sweep as often."""
    monkeypatch.setattr(reconcile, "GRACE", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "LOOK_BACK", timedelta(seconds=1))
    monkeypatch.setattr(reconcile, "SWEEP_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "SWEEP_ENDED_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0)
    # The SDK sends a heartbeat, and with it the report, after four fifths of this time at the earliest.
    monkeypatch.setattr(shifts, "HEARTBEAT_TIMEOUT", timedelta(seconds=3))
    monkeypatch.setattr(shift, "HEARTBEAT_SECONDS", 0.5)
