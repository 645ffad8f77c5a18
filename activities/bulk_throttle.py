"""Throttle of work on many cases: it waits while people act on a case, or the API of this machine serves them."""

import asyncio
import math
import time
from collections.abc import Callable

QUIET_SECONDS = 0.15
"""Time after somebody's last action until work on many cases goes on: a dispatch often follows a call at once."""
LONGEST_SECONDS = 1.0
"""Longest wait, if people act all the time."""


class BulkThrottle:
    """Throttle of one process. It is told when people register a case or send a command.

    Args:
        serves_people: returns True while the API of this machine serves people, which it knows earlier.
        clock: returns the present time in seconds.
    """

    def __init__(
        self, serves_people: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._serves_people = serves_people
        self._clock = clock
        self._acted_at = self._free_until = -math.inf

    def note_action(self) -> None:
        self._acted_at = self._clock()

    async def wait(self) -> None:
        """Wait until nobody has acted for `QUIET_SECONDS`, at most `LONGEST_SECONDS`.

        After a wait of some time, calls of the same time return at once: work on many cases keeps half of the time.
        """
        now = began = self._clock()
        while self._free_until <= now < min(self._quiet_at(), began + LONGEST_SECONDS):
            await asyncio.sleep(min(self._acted_at + QUIET_SECONDS, began + LONGEST_SECONDS) - now)
            now = self._clock()
        self._free_until = max(self._free_until, now + (now - began))

    def _quiet_at(self) -> float:
        if self._serves_people():
            self.note_action()
        return self._acted_at + QUIET_SECONDS
