"""The one timer of a case, at or before its next deadline: an early one rings nothing, and costs less than a new."""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow


class Alarm:
    """Wakes the case.

    Args:
        wake: called when the time has come.
        past_counts: a timer whose time has passed is none, whether the case has heard of it or not: then it makes
            no difference if it hears before an update or together with it. A run from before waits to hear.
    """

    def __init__(self, wake: Callable[[], None], *, past_counts: bool) -> None:
        self._wake = wake
        self._past_counts = past_counts
        self._at: datetime | None = None
        self._sleep: asyncio.Task[None] | None = None

    def arm(self, deadline: datetime | None, state: str) -> None:
        """Be awake at the deadline. `state` says in the UI what the timer is for."""
        at = None if self._past_counts and self._at and self._at <= workflow.now() else self._at
        if deadline is None or (at and at <= deadline):
            return
        if self._sleep and (at or not self._past_counts):
            self._sleep.cancel()
        self._at = deadline
        self._sleep = asyncio.create_task(self._wake_at(deadline, f"{state} → {deadline:%m-%d %H:%M:%S}Z"))

    async def _wake_at(self, deadline: datetime, summary: str) -> None:
        left = (deadline - workflow.now()).total_seconds()
        # Whole milliseconds, rounded up: the server's timers know no finer ones, and an early one would be for nothing.
        await workflow.sleep(math.ceil(max(left, 0) * 1000) / 1000, summary=summary)
        if self._at == deadline:
            self._at = None
        self._wake()
