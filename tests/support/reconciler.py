"""A reconciler that compares at once, for tests."""

from datetime import timedelta

import pytest

from activities import reconcile


def reconcile_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reconciler act half a second after a change, and sweep as often."""
    monkeypatch.setattr(reconcile, "GRACE", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "LOOK_BACK", timedelta(seconds=1))
    monkeypatch.setattr(reconcile, "SWEEP_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "SWEEP_ENDED_EVERY", timedelta(seconds=0.5))
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0)
