"""Status of workflow runs, and their events, also where Temporal's client cannot decode what the server answers.

The client knows neither the status *Paused* nor instants that Python has not. A paused run takes signals, and neither
updates nor queries; its timers wait until somebody unpauses it.
"""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, cast

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.converter import _search_attributes
from temporalio.service import RPCError, RPCStatusCode

RUNNING = WorkflowExecutionStatus.RUNNING
NOT_OVER = 'ExecutionStatus IN ("Running", "Paused")'
"""Condition of Temporal's lists for runs that are not over."""
IS_PAUSED = 'ExecutionStatus = "Paused"'
_PROBLEMS = '"category=WorkflowTaskFailed", "category=WorkflowTaskTimedOut"'
STUCK = (
    f'(ExecutionStatus = "Running" AND (TemporalReportedProblems IN ({_PROBLEMS}) OR TemporalPauseInfo IS NOT NULL'
    ' OR TemporalWorkflowVersioningBehavior = "Pinned"))'
)
"""Condition of Temporal's lists for runs that do not go on."""
UNPAUSE = "Unpause the workflow in the Temporal UI, or with `temporal workflow unpause`: what fell due happens then."
"""Remedy of a paused run."""
T = TypeVar("T")


def _paused() -> WorkflowExecutionStatus:
    """Member of the client's enumeration, which is added to it if it has none."""
    value = int(Status.WORKFLOW_EXECUTION_STATUS_PAUSED)
    members = cast("Any", WorkflowExecutionStatus)
    if value not in tuple(members):
        added = int.__new__(members, value)
        added._name_, added._value_ = "PAUSED", value
        # Enum's own way to find a member that was not declared.
        members._missing_ = classmethod(lambda _, asked: added if asked == value else None)
    return WorkflowExecutionStatus(value)


PAUSED = _paused()


def instant(text: str) -> datetime:
    """Read the instant in a search attribute; the first of all if it is none that Python has.

    Temporal takes the year 0, which somebody else may give to a workflow: that must not stop a list of all others.
    """
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


# The client decodes the attributes of whatever it lists or describes.
cast("Any", _search_attributes)._get_iso_datetime_parser = lambda: instant  # noqa: SLF001 - it has no other way in


def is_over(status: WorkflowExecutionStatus | None) -> bool:
    """Return True as well if there is no run; a paused one goes on."""
    return status not in (RUNNING, PAUSED)


def is_lost(status: WorkflowExecutionStatus | None) -> bool:
    """Return True if Temporal has no run of an entity that is not over, or its latest run was ended by hand."""
    return is_over(status) and status is not WorkflowExecutionStatus.COMPLETED


async def none_on(status: RPCStatusCode, call: Awaitable[T]) -> T | None:
    """None if Temporal refuses the call with this status. Raises RPCError."""
    try:
        return await call
    except RPCError as error:
        if error.status is status:
            return None
        raise


async def if_found(call: Awaitable[T]) -> T | None:
    """None if Temporal answers NOT_FOUND. Raises RPCError."""
    return await none_on(RPCStatusCode.NOT_FOUND, call)


async def is_not_found(call: Awaitable[object]) -> bool:
    """Raise RPCError, unless it is NOT_FOUND."""
    try:
        await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        raise
    return False


async def describe_run(client: Client, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse | None:
    """Describe this run, or the latest one; None if Temporal has none. Raises as `ask_temporal`."""
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    asked = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    return await ask_temporal(partial(client.workflow_service.describe_workflow_execution, asked))


class UndecodableError(RPCError):
    """Error for an answer that the client cannot decode: somebody has given a failure that is nested too deep."""


async def ask_temporal(call: Callable[..., Awaitable[T]]) -> T | None:
    """Retry the call if there is no answer; None if Temporal answers NOT_FOUND.

    Raises RPCError: UndecodableError at once, for which the client itself would try for ten seconds.
    """
    try:
        return await _decoded(call())
    except UndecodableError:
        raise
    except RPCError:
        return await _decoded(call(retry=True))


async def _decoded(call: Awaitable[T]) -> T | None:
    try:
        return await if_found(call)
    except RPCError as error:
        if error.status is RPCStatusCode.INTERNAL and "failed to decode" in error.message:
            raise UndecodableError(error.message, error.status, error.raw_grpc_status) from None
        raise


async def latest_run(client: Client, workflow_id: str) -> str:
    """Empty if there is none. Raises RPCError."""
    try:
        found = await describe_run(client, workflow_id)
    except UndecodableError:  # the list has no failures; it may lag
        return "".join([run.run_id async for run in client.list_workflows(_with_id(workflow_id), limit=1)])
    return found.workflow_execution_info.execution.run_id if found else ""


async def is_listed(client: Client, workflow_id: str) -> bool:
    """Return True if Temporal's list, which has no failures, has a run of this workflow that is not over."""
    return (await client.count_workflows(f"{_with_id(workflow_id)} AND {NOT_OVER}")).count > 0


def _with_id(workflow_id: str) -> str:
    return f"WorkflowId = {json.dumps(workflow_id, ensure_ascii=False)}"


logger = logging.getLogger(__name__)


class UnreadableError(Exception):
    """Error for a history that this release cannot read."""


class ForeignError(UnreadableError):
    """Error for the history of a workflow that the service has not started."""


class UnopenedError(UnreadableError):
    """Error for a history that is sealed with a key that this process does not have."""


async def read_events(client: Client, run: WorkflowExecution, size: int = 0) -> AsyncIterator[HistoryEvent]:
    """Yield the events of a run, of which a page has `size` transactions, or as many as fit; none of a deleted one.

    Temporal takes a failure that is nested deeper than its clients read: no worker goes on after such an answer, and
    what was before it is yielded. Raises ForeignError if the start has one.
    """
    asked = GetWorkflowExecutionHistoryRequest(namespace=client.namespace, execution=run, maximum_page_size=size)
    while True:
        try:
            page = await ask_temporal(partial(client.workflow_service.get_workflow_execution_history, asked))
        except UndecodableError:
            if asked.maximum_page_size != 1:
                asked.maximum_page_size = 1
                continue
            if not asked.next_page_token:
                raise ForeignError("its start cannot be decoded") from None
            left = "the history of %s, run %s, is read up to what cannot be decoded"
            logger.warning(left, run.workflow_id, run.run_id)
            return
        for event in page.history.events if page else ():
            yield event
        if not page or not page.next_page_token:
            return
        asked.next_page_token = page.next_page_token


async def first_event_at(client: Client, workflow: str, run_id: str) -> datetime | None:
    """Instant at which the history of a run begins, for one that was reset long before its start.

    None if it is gone, or its start cannot be decoded, which is none of the service. Raises RPCError.
    """
    with suppress(ForeignError):
        first = await anext(read_events(client, WorkflowExecution(workflow_id=workflow, run_id=run_id), size=1), None)
        return first.event_time.ToDatetime(UTC) if first else None
    return None
