"""The one timer of a case. It is set at or before the next deadline: an early one rings nothing, and costs less."""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow


class DeadlineTimer:
    """Timer that calls `wake` at a deadline."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._at: datetime | None = None
        self._sleep: asyncio.Task[None] | None = None

    def set(self, deadline: datetime | None, state: str) -> None:
        """Set the timer for this deadline, or leave an earlier one. The UI shows `state` beside it."""
        # A timer whose time has passed is none, even before its event arrives: then it makes no difference if the
        # event arrives before an update or together with it.
        at = self._at if self._at and self._at > workflow.now() else None
        if deadline is None or (at and at <= deadline):
            return
        if self._sleep and at:
            self._sleep.cancel()
        self._at = deadline
        self._sleep = asyncio.create_task(self._wake_at(deadline, f"{state} → {deadline:%m-%d %H:%M:%S}Z"))

    async def _wake_at(self, deadline: datetime, summary: str) -> None:
        left = (deadline - workflow.now()).total_seconds()
        # The server's timers know whole milliseconds; rounded down, a timer would fire in vain.
        await workflow.sleep(math.ceil(max(left, 0) * 1000) / 1000, summary=summary)
        if self._at == deadline:
            self._at = None
        self._wake()
