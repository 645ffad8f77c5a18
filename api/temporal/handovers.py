"""Client of the workflows of handovers."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from activities.run_status import is_over
from api.edge.problems import ProblemError
from api.temporal.client import QUERY_SECONDS, answer_unless_gone, answering
from api.temporal.clock import ClockCheck
from domain.case.bulk import Handover, HandoverProgress
from workflows.bulk import HandoverStart, HandoverWorkflow
from workflows.clients.bulk import handover_workflow_id, start_handover
from workflows.clients.start import Request, find_started

SOON = 1.5
"""Seconds that a request waits for the end of a handover: few cases are handed over within it."""


@dataclass(frozen=True, slots=True)
class HandoverClient:
    """Client of the workflows of handovers; a start gets its answer within `timeout` seconds."""

    client: Client
    task_queue: str
    timeout: float
    clock_check: ClockCheck

    async def is_started(self, request: Request) -> bool:
        """Return True if this request has started a handover. Raises ProblemError, also if its key had another body."""
        async with answering(self.timeout, "The handover"):
            return await find_started(self.client, request, [request.key], handover_workflow_id) is not None

    async def start(self, handover: Handover, request: Request) -> None:
        """Make the handover durable. Raises ProblemError."""
        await self.clock_check.require()
        async with answering(self.timeout, "The handover"):
            await start_handover(self.client, self.task_queue, HandoverStart.of(handover), request)

    async def wait(self, handover_id: str) -> HandoverProgress | None:
        """Return the progress at the end of the handover, or after SOON; None if no worker tells it. Raises nothing."""
        with suppress(TimeoutError, RPCError, RuntimeError, WorkflowFailureError, ValidationError):
            async with asyncio.timeout(SOON):
                return await self._handle(handover_id).result()
        with suppress(ProblemError):
            return await self.progress(handover_id)
        return None

    async def progress(self, handover_id: str) -> HandoverProgress | None:
        """Return the progress; None if there is no such handover. Raises ProblemError."""
        handle, timeout = self._handle(handover_id), timedelta(seconds=QUERY_SECONDS)
        async with answering(QUERY_SECONDS, "The handover"):
            if (found := await answer_unless_gone(handle.describe(rpc_timeout=timeout))) is None:
                return None
            if found.status is WorkflowExecutionStatus.COMPLETED:
                return await answer_unless_gone(handle.result())
            at = await handle.query(HandoverWorkflow.progress, rpc_timeout=timeout)
            ended = at and is_over(found.status)
            return at.model_copy(update={"state": "ended"}) if at and ended else at

    def _handle(self, handover_id: str) -> WorkflowHandle[HandoverWorkflow, HandoverProgress]:
        return self.client.get_workflow_handle(handover_workflow_id(handover_id), result_type=HandoverProgress)
