"""Workflows of cases as Temporal lists and describes them, for the reconciler."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

CHUNK = 500
"""Cases that are listed and compared together."""
SLICE = 50
"""The same, where callers would wait: less than ten milliseconds."""
SHORTEST = timedelta(seconds=0.5)
"""Part of the time that is not halved any more."""
RUNNING = WorkflowExecutionStatus.RUNNING


class Seen(NamedTuple):
    """The latest run of a case: when the case changed last, the run's status, and its start."""

    changed_at: datetime
    status: WorkflowExecutionStatus | None
    started_at: datetime

    @property
    def runs(self) -> bool:
        """True while the workflow runs."""
        return self.status is RUNNING


class CaseWorkflows:
    """List of the workflows of cases.

    Args:
        client: client of Temporal.
        prefix: beginning of the workflow ids, before the number of the case.
        condition: condition of the list for the workflows of cases.
        changed_at: the search attribute with the time of the last change.
    """

    def __init__(self, client: Client, prefix: str, condition: str, changed_at: SearchAttributeKey[datetime]) -> None:
        self._client = client
        self._prefix = prefix
        self._condition = condition
        self._key = changed_at

    async def changed_since(self, since: datetime, until: datetime) -> AsyncIterator[dict[str, Seen]]:
        """Yield the cases that changed from this instant on, in chunks by number. Raises RPCError.

        The time up to `until` is halved until few cases changed in each part: for every page Temporal's SQLite sorts
        all that a query finds, and everybody waits. What changes meanwhile comes last.
        """
        parts = [(since, until)]
        while parts:
            begin, end = parts.pop()
            condition = f'{self._key.name} BETWEEN "{begin.isoformat()}" AND "{end.isoformat()}"'
            found = await self._client.count_workflows(f"{self._condition} AND {condition}")
            if found.count > SLICE and end - begin > SHORTEST:
                middle = begin + (end - begin) / 2
                parts += [(middle, end), (begin, middle)]
            elif found.count:
                async for chunk in self._chunks(condition):
                    yield chunk
        async for chunk in self._chunks(f'{self._key.name} > "{until.isoformat()}"'):
            yield chunk

    def running(self) -> AsyncIterator[dict[str, Seen]]:
        """Yield the cases whose workflows run, in chunks by number. Raises RPCError."""
        return self._chunks('ExecutionStatus = "Running"')

    def ended(self) -> AsyncIterator[dict[str, Seen]]:
        """Yield the cases whose workflows have ended and that Temporal still has. Raises RPCError."""
        return self._chunks('ExecutionStatus IN ("Completed", "Terminated")')

    async def get(self, number: str) -> Seen | None:
        """Return the latest run of a case, as it is now; None if Temporal has none. Raises RPCError."""
        try:
            found = await self._client.get_workflow_handle(f"{self._prefix}{number}").describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None
        return self._seen(found)

    async def _chunks(self, condition: str) -> AsyncIterator[dict[str, Seen]]:
        chunk: dict[str, Seen] = {}
        async for found in self._client.list_workflows(f"{self._condition} AND {condition}", page_size=CHUNK):
            number, seen = found.id.removeprefix(self._prefix), self._seen(found)
            # Earlier runs of a case may be listed as well.
            if number not in chunk or chunk[number].changed_at < seen.changed_at or seen.runs:
                chunk[number] = seen
            if len(chunk) == CHUNK:
                yield chunk
                chunk = {}
        if chunk:
            yield chunk

    def _seen(self, found: WorkflowExecution) -> Seen:
        # One that was started by hand has no such attribute before its first change.
        changed_at = found.typed_search_attributes.get(self._key) or found.start_time
        return Seen(changed_at, found.status, found.start_time)
