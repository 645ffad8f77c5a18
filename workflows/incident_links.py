"""How a case tells incidents that it belongs to them: by signals, one at a time, in the case's own history.

An incident keeps what it is told, so it knows its cases with SQL down as well. One that has ended takes no signal: then
the link is broken, and the case goes its own way.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

LINKED, UNLINKED = "linked", "unlinked"


def incident_id(number: str) -> str:
    """The workflow of an incident."""
    return f"incident-{number}"


class Link:
    """The link of one case. `told` is the incident that knows of the case."""

    def __init__(self, number: str, told: str | None) -> None:
        self._number = number
        self.told = told
        self._ended: str | None = ""
        self._telling: asyncio.Task[bool] | None = None

    def follow(self, incident: str | None) -> None:
        """Begin to tell, where the case was linked to another incident or to none. One that had ended hears once."""
        if incident != self._ended:
            self._ended = ""
        if self._telling is None and incident not in (self.told, self._ended):
            left, self.told = self.told, incident
            self._telling = asyncio.create_task(self._tell(left, incident))

    def settled(self) -> bool:
        """What was begun is done."""
        return self._telling is not None and self._telling.done()

    def idle(self) -> bool:
        """Nothing is being told."""
        return self._telling is None

    def broken(self) -> str | None:
        """The incident that had ended when it was told; asked once, when all is told."""
        if self._telling is None or not self._telling.done():
            return None
        known, self._telling = self._telling.result(), None
        if known:
            return None
        self._ended, self.told = self.told, None
        return self._ended

    async def _tell(self, left: str | None, joined: str | None) -> bool:
        if left:
            await self._signal(left, UNLINKED)
        return joined is None or await self._signal(joined, LINKED)

    async def _signal(self, incident: str, name: str) -> bool:
        try:
            await workflow.get_external_workflow_handle(incident_id(incident)).signal(name, self._number)
        except FailureError:
            return False
        return True
