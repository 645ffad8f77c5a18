"""Workflows that a sweep found to stand still, until they go on."""

import logging
from collections.abc import Awaitable, Callable
from itertools import islice

logger = logging.getLogger(__name__)

ASKED_AGAIN = 100
"""Workflows that one look asks again: somebody can have thousands stand still."""


class Watched:
    """Workflows, by id or number, of which each look asks some again, in turn."""

    def __init__(self) -> None:
        self._ids = dict[str, None]()

    def add(self, each: str) -> None:
        self._ids.setdefault(each)

    async def ask_again(self, stands_still: Callable[[str], Awaitable[bool]]) -> list[str]:
        """Return what is left when those that go on are dropped. Raises what `stands_still` raises."""
        if len(self._ids) > ASKED_AGAIN:
            logger.warning("%d workflows stand still, of which %d are asked again", len(self._ids), ASKED_AGAIN)
        for each in [*islice(self._ids, ASKED_AGAIN)]:
            stands = await stands_still(each)
            del self._ids[each]
            if stands:
                self._ids[each] = None
        return [*self._ids]
