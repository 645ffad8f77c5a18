"""The one timer of a case, at or before its next deadline: an early one rings nothing, and costs less than a new."""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow


class Alarm:
    """Wakes the case: `wake` is called when the time has come."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._at: datetime | None = None
        self._sleep: asyncio.Task[None] | None = None

    def arm(self, deadline: datetime | None, state: str) -> None:
        """Be awake at the deadline. `state` says in the UI what the timer is for."""
        # A timer whose time has passed is none, whether the case has heard of it or not: then it makes no difference
        # if the case hears of it before an update or together with it.
        at = self._at if self._at and self._at > workflow.now() else None
        if deadline is None or (at and at <= deadline):
            return
        if self._sleep and at:
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
