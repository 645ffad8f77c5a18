"""Workflows of cases as Temporal lists and describes them."""

import json
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from temporalio.api.common.v1 import Payload
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowExecutionStatus

from activities import names, run_status
from activities.cases import BulkThrottle
from activities.recovery.other_workflows import OtherWorkflows, is_left
from activities.recovery.report import STARTED_AGAIN
from domain.shared.numbers import is_number

CHUNK = 500
"""Cases that are listed and compared together."""
RECENT_CHUNK = 50
"""The same of what changed lately: to find and sort them takes Temporal less than ten milliseconds."""
IS_OVER = 'ExecutionStatus IN ("Completed", "Terminated")'
"""Condition for cases that are over: a run that failed was refused at its start, and SQL has nothing of it."""
SHORTEST_PART = timedelta(seconds=0.5)
"""Shortest part, and the first."""


class CaseRun(NamedTuple):
    """The latest run of a case: when the case changed last, the run's status, start, id, and search attributes.

    `is_put_off`: Temporal began it later than at once, as after a run that failed, by somebody's cron schedule or retry
    policy. `changes`: when runs that have ended changed the case last, as far as they are listed together.
    """

    changed_at: datetime
    status: WorkflowExecutionStatus
    started_at: datetime
    run_id: str = ""
    shown: Mapping[str, Payload] = MappingProxyType({})
    is_put_off: bool = False
    changes: AbstractSet[datetime] = frozenset()

    @property
    def is_over(self) -> bool:
        """False while the workflow runs, or is paused."""
        return run_status.is_over(self.status)


class CaseWorkflows:
    """List of the workflows of cases on one task queue. Every page waits for people."""

    def __init__(self, client: Client, throttle: BulkThrottle, task_queue: str) -> None:
        self._client = client
        self._throttle = throttle
        self._of_cases = names.COMPLAINT_WORKFLOW, task_queue
        self._condition = f'WorkflowType = "{names.COMPLAINT_WORKFLOW}" AND TaskQueue = "{task_queue}"'
        self.others = OtherWorkflows(client, throttle, task_queue)

    async def changed_since(self, since: datetime, until: datetime) -> AsyncIterator[dict[str, CaseRun]]:
        """Yield the cases that changed from this instant on, in chunks by number. Raises RPCError.

        It goes back from `until` in parts in which few cases changed, and lists what changed after `until` last. For
        every page Temporal's SQLite sorts all that a query finds, and everybody waits; a count reads as many rows.
        """
        end, length = until, SHORTEST_PART
        while end > since:
            begin = max(since, end - length)
            condition = f'{names.CHANGED_AT} BETWEEN "{begin.isoformat()}" AND "{end.isoformat()}"'
            found = (await self._client.count_workflows(f"{self._condition} AND {condition}")).count
            if found > RECENT_CHUNK and length > SHORTEST_PART:
                length /= 2
                continue
            if found:
                async for chunk in self.chunks(condition):
                    yield chunk
            end = begin
            if found < RECENT_CHUNK / 2:
                length *= 2
        # A start that was refused may have given itself any date.
        async for chunk in self.chunks(f'{names.CHANGED_AT} > "{until.isoformat()}" AND ExecutionStatus != "Failed"'):
            yield chunk

    async def get(self, number: str) -> CaseRun | None:
        """Latest run of a case, as it is now; None if Temporal has none. Raises RPCError.

        One of another type or queue that runs is somebody else's: no worker of the service has it.
        """
        one = names.complaint_id(number)
        try:
            found = await run_status.describe_run(self._client, one)
        except run_status.UndecodableError:
            # The list does not have the failure.
            return next(iter([chunk[number] async for chunk in self.chunks(f'WorkflowId = "{one}"')]), None)
        if found is None:
            return None
        run = found.workflow_execution_info
        seen = self._seen(run)
        return None if not seen.is_over and (run.type.name, run.task_queue) != self._of_cases else seen

    async def has_left_task(self, number: str) -> bool | None:
        """Return True if no worker of the service gets its next task, None if it does not run. Raises RPCError."""
        await self._throttle.wait()
        try:
            found = await run_status.describe_run(self._client, names.complaint_id(number))
        except run_status.UndecodableError:  # somebody has given it a failure, and may keep its tasks as well
            return await run_status.is_listed(self._client, names.complaint_id(number)) or None
        if found is None or self._seen(found.workflow_execution_info).is_over:
            return None
        run = found.workflow_execution_info
        return is_left(found) or (run.type.name, run.task_queue) != self._of_cases

    async def terminate(self, number: str, run_id: str) -> str:
        """Terminate this run of a case that is over, if it has not ended; return the reason. Raises RPCError."""
        handle = self._client.get_workflow_handle(names.complaint_id(number), run_id=run_id)
        await run_status.if_found(handle.terminate(reason=STARTED_AGAIN))
        return STARTED_AGAIN

    async def chunks(self, condition: str) -> AsyncIterator[dict[str, CaseRun]]:
        """Yield the cases with a run that meets a condition of Temporal's lists, in chunks. Raises RPCError."""
        query, token = f"{self._condition} AND {condition}", b""
        while True:
            # The client's own `list_workflows` decodes all attributes: of a page, that stops a worker for 0.1 s.
            asked = ListWorkflowExecutionsRequest(
                namespace=self._client.namespace, page_size=CHUNK, next_page_token=token, query=query
            )
            await self._throttle.wait()
            page = await self._client.workflow_service.list_workflow_executions(asked, retry=True)
            chunk: dict[str, CaseRun] = {}
            for found in page.executions:
                number, seen = found.execution.workflow_id.removeprefix(names.complaint_id("")), self._seen(found)
                if not is_number(number):  # started by hand, under an id that the service does not give
                    continue
                # Earlier runs of a case may be listed as well.
                known = chunk.get(number, seen)
                latest = seen if known.changed_at < seen.changed_at or not seen.is_over else known
                chunk[number] = latest._replace(changes=known.changes | seen.changes)
            if chunk:
                yield chunk
            token = page.next_page_token
            if not token:
                return

    def _seen(self, found: WorkflowExecutionInfo) -> CaseRun:
        started_at = found.start_time.ToDatetime(UTC)
        # One that was started by hand has no such attribute before its first change.
        shown = found.search_attributes.indexed_fields.get(names.CHANGED_AT)
        changed_at = run_status.instant(json.loads(shown.data)) if shown and shown.data else started_at
        status = WorkflowExecutionStatus(found.status)
        is_put_off = found.execution_time.ToNanoseconds() > found.start_time.ToNanoseconds()
        attributes = found.search_attributes.indexed_fields
        changes = {changed_at} if run_status.is_over(status) else frozenset[datetime]()
        return CaseRun(changed_at, status, started_at, found.execution.run_id, attributes, is_put_off, changes)
