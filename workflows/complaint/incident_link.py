"""The link of a case to its incident: the case tells the incident that it belongs to it, by a local activity.

That is in the history of the case once the incident has it in its own. The incident keeps the number, so it knows its
cases with SQL down as well. An incident that has ended cannot be told: then the case leaves it.
"""

from collections.abc import Coroutine
from typing import Any

from temporalio import workflow

from activities.incidents.messages import CaseSignal, IncidentMessages
from workflows.kit.entity import PUBLISH_TIMEOUT, RETRY

LINKED, UNLINKED = "linked", "unlinked"


class IncidentLink:
    """Link of one case. `told` is the incident that knows of the case, or is being told."""

    def __init__(self, number: str, told: str | None) -> None:
        self._number = number
        self.told = told
        self._ended: str | None = ""
        self._broken: str | None = None

    def telling(self, incident: str | None) -> Coroutine[Any, Any, None] | None:
        """Return the task that tells a changed incident; None if it knows, or had ended when it was told."""
        if incident != self._ended:
            self._ended = ""
        if incident in (self.told, self._ended):
            return None
        left, self.told = self.told, incident
        return self._tell(left, incident)

    def take_broken(self) -> str | None:
        """Return the incident that had ended when it was told, once; None if there is none."""
        broken, self._broken = self._broken, None
        return broken

    async def _tell(self, left: str | None, joined: str | None) -> None:
        if left:
            await self._signal(left, UNLINKED)
        if joined and not await self._signal(joined, LINKED):
            self._broken = self._ended = joined
            self.told = None

    async def _signal(self, incident: str, signal: str) -> bool:
        """Return False if the incident has ended."""
        return await workflow.execute_local_activity_method(
            IncidentMessages.signal,
            CaseSignal(incident=incident, signal=signal, number=self._number),
            start_to_close_timeout=PUBLISH_TIMEOUT,
            retry_policy=RETRY,
            summary=f"{signal} {incident}",
        )
