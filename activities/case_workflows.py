"""Workflows of cases as Temporal lists and describes them, for the reconciler."""

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

CHUNK = 500
"""Cases that are listed and compared together."""
SLICE = 50
"""The same, where callers would wait: less than ten milliseconds."""
RUNNING = WorkflowExecutionStatus.RUNNING


class Seen(NamedTuple):
    """The latest run of a case: when the case changed last, and the run's status."""

    changed_at: datetime
    status: WorkflowExecutionStatus | None

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

        Their changes are asked for by slices of the time up to `until`: for each page Temporal's SQLite sorts all that
        a query finds, and everybody waits. The last slice has no end.
        """
        key = self._key.name
        count = await self._client.count_workflows(f'{self._condition} AND {key} >= "{since.isoformat()}"')
        slices = max(1, -(-count.count // SLICE))
        begins = [since + (until - since) * place / slices for place in range(slices)]
        for begin, end in zip_longest(begins, begins[1:]):
            before = f' AND {key} < "{end.isoformat()}"' if end else ""
            async for chunk in self._chunks(f'{key} >= "{begin.isoformat()}"{before}'):
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
        yield chunk

    def _seen(self, found: WorkflowExecution) -> Seen:
        # One that was started by hand has no such attribute before its first change.
        return Seen(found.typed_search_attributes.get(self._key) or found.start_time, found.status)
