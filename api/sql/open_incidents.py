"""Open incidents that new complaints are linked to at intake, as SQL last told."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from domain.incident.opening import Scope

log = logging.getLogger("hotline.api")

FRESH_SECONDS = 1.0
"""Longest age of what is known: a complaint of the first second after a confirmation is linked by the search."""

Taking = Callable[[], Awaitable[Sequence[tuple[str, Scope]]]]
"""Returns the incidents that new cases are linked to, with their scopes. Raises what SQL raised."""


class OpenIncidents:
    """Open incidents, read from SQL once a second at most.

    Args:
        taking: reads them from SQL.
        seconds: longest wait of an intake; 0 links nothing on intake.
    """

    def __init__(self, taking: Taking, seconds: float) -> None:
        self._taking = taking
        self._seconds = seconds
        self._known: Sequence[tuple[str, Scope]] = ()
        self._asked_at = -FRESH_SECONDS

    async def covering(self, service: str, district: str | None) -> str | None:
        """Return the number of the oldest open incident whose scope has both, or None. Raises nothing."""
        if self._seconds and time.monotonic() - self._asked_at >= FRESH_SECONDS:
            # Noted first: intakes of the same instant go by what was known before.
            self._asked_at = time.monotonic()
            try:
                async with asyncio.timeout(self._seconds):
                    self._known = await self._taking()
            except Exception as error:  # noqa: BLE001 - no error of SQL may keep a caller waiting
                log.warning("SQL does not tell which incidents are open: %s", type(error).__name__)
        return next((number for number, scope in self._known if scope.covers(service, district)), None)
