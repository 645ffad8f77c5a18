"""The way to Temporal: start a case, act on it, look at it. Temporal's errors become problems here."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.problems import ProblemError, refusal, unavailable
from domain.case.case import Case
from domain.case.command import Command
from domain.case.intake import Registration
from domain.case.views import CaseView, Outcome
from domain.customers.customer import KNOWN, Recognised
from domain.shared.actors import Actor
from workflows.complaint import ComplaintWorkflow
from workflows.messages import TASK_TIMEOUT, ComplaintStart
from workflows.presentation.complaint import attributes, summary, urgency, workflow_id
from workflows.requests import MEMO, KeyReusedError, Request, find_started
from workflows.updates import UPDATE_OF

log = logging.getLogger("hotline.api")

QUERY_SECONDS = 3.0
"""Longest wait for a workflow that is asked in the place of SQL."""
RETRY_SECONDS = 2
"""When a client may come back: about what a worker or server needs to be up again."""
POLL_SECONDS = 75
"""A worker that has not asked for tasks for so long is gone: a poll lasts 60 s at most."""
T = TypeVar("T")


class Gateway:
    """Temporal, as the API needs it. Every call ends within its time, with an answer or a ProblemError."""

    def __init__(self, client: Client, task_queue: str, timeout_seconds: float) -> None:
        self._client = client
        self._task_queue = task_queue
        self._timeout = timeout_seconds
        self._rpc_timeout = timedelta(seconds=timeout_seconds)
        self._query_timeout = min(QUERY_SECONDS, timeout_seconds)

    async def start(self, registration: Registration, case: Case, request: Request, seconds: float = math.inf) -> bool:
        """Make the registration durable, within so many seconds; False where its number is taken."""
        within = min(self._timeout, seconds)
        try:
            async with answering(within, "The registration"):
                if within <= 0:
                    raise TimeoutError
                await self._client.start_workflow(
                    ComplaintWorkflow.run,
                    ComplaintStart(source=registration),
                    id=workflow_id(registration.number),
                    task_queue=self._task_queue,
                    static_summary=summary(case),
                    search_attributes=attributes(case),
                    memo={MEMO: request},
                    task_timeout=TASK_TIMEOUT,
                    priority=urgency(case),
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    rpc_timeout=timedelta(seconds=within),
                )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def registered_by(self, request: Request, numbers: Iterable[str]) -> str | None:
        """Return the first of a day's candidates that this request registered; None if there is none."""
        async with answering(self._timeout, "The registration"):
            return await find_started(self._client, request, numbers, workflow_id)

    async def started_as(self, number: str) -> Case:
        """The case as its workflow started, out of the first event of the history: this needs no worker."""
        handle = self._client.get_workflow_handle(workflow_id(number))
        async with answering(self._timeout, "The case"):
            async for event in handle.fetch_history_events(page_size=1, rpc_timeout=self._rpc_timeout):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (start,) = await self._client.data_converter.decode(payloads, [ComplaintStart])
                source: Case | Registration = start.source
                return source if isinstance(source, Case) else Case.register(source)[0]
        raise LookupError(f"the history of case {number} is empty")

    async def act(self, number: str, command: Command[Any], refused: ProblemError | None = None) -> Outcome | None:
        """Do what is asked; None where no workflow carries such a case (any more). `refused`: see `carry_out`."""
        handle = self._client.get_workflow_handle(workflow_id(number))
        return await carry_out(handle, command, Outcome, self._timeout, refused)

    async def recognise(self, number: str, known: Recognised) -> None:
        """Tell a case what is known of its caller; one that has ended needs to know nothing. Raises ProblemError."""
        handle = self._client.get_workflow_handle(workflow_id(number))
        async with answering(self._timeout, "The caller"):
            try:
                await handle.execute_update(
                    ComplaintWorkflow.recognise, known, id="recognise", rpc_timeout=self._rpc_timeout
                )
            except WorkflowUpdateFailedError as error:
                if not isinstance(error.cause, ApplicationError) or error.cause.type != KNOWN:
                    raise
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

    async def case(self, number: str, actor: Actor) -> CaseView | None:
        """The live case as `actor` sees it; None where there is none. Raises ProblemError where nobody can tell."""
        handle = self._client.get_workflow_handle(workflow_id(number))
        return await ask(handle, "case", [actor], CaseView, self._query_timeout, "The case")

    async def alive(self, seconds: float) -> bool:
        """Whether Temporal answers within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                return await self._client.service_client.check_health(timeout=timedelta(seconds=seconds))
        except (TimeoutError, RPCError, RuntimeError):
            return False

    async def worker_seen(self, seconds: float) -> float | None:
        """Seconds since a worker last asked for workflow tasks; None where none has, lately."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=self._task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            async with asyncio.timeout(seconds):
                found = await self._client.workflow_service.describe_task_queue(request)
        except (TimeoutError, RPCError, RuntimeError):
            return None
        now = datetime.now(UTC)
        ages = [(now - poller.last_access_time.ToDatetime(UTC)).total_seconds() for poller in found.pollers]
        return min((age for age in ages if age < POLL_SECONDS), default=None)


@asynccontextmanager
async def answering(seconds: float, what: str) -> AsyncIterator[None]:
    """Within these seconds, or a problem that claims no more than is known."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, RPCTimeoutOrCancelledError):
        raise _no_answer(what, seconds) from None
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        log.warning("a query failed: %s", error)
        raise unavailable("temporal-unavailable", f"{what} cannot be read at the moment.", RETRY_SECONDS) from None
    except KeyReusedError:
        detail = "This Idempotency-Key was sent before with another body. Send a new key with a new body."
        accepted = ["the same body", "a new Idempotency-Key"]
        raise ProblemError("idempotency-key-reused", detail, accepted=accepted) from None
    except (RPCError, RuntimeError) as error:
        if isinstance(error, RPCError) and error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
            raise _no_answer(what, time.monotonic() - began) from None
        log.warning("Temporal is not available: %s", error)
        detail = f"{what} was not taken: Temporal does not answer. Send the same again, with the same Idempotency-Key."
        raise unavailable("temporal-unavailable", detail, RETRY_SECONDS) from None


async def ask(
    handle: WorkflowHandle[Any, Any], query: str, arguments: Sequence[Any], answer: type[T], seconds: float, what: str
) -> T | None:
    """Return what the workflow answers to a query; None if there is no such workflow. Raises ProblemError."""
    async with answering(seconds, what):
        try:
            timeout = timedelta(seconds=seconds)
            found: T | None = await handle.query(query, args=arguments, result_type=answer, rpc_timeout=timeout)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
    return found


async def carry_out(
    handle: WorkflowHandle[Any, Any],
    command: Command[Any],
    outcome: type[T],
    seconds: float,
    refused: ProblemError | None,
) -> T | None:
    """Send a command, and return its outcome; None if no workflow takes it (any more). Raises ProblemError.

    `refused` is what a check in front of the workflow has found. It is raised unless the workflow knows the command's
    key: what was carried out is answered again, whatever has changed since. Asking leaves nothing in the history.
    """
    found = None if refused else await _update(handle, command, outcome, seconds)
    if found is None and command.key:
        asked = [command.key, command.actor]
        found = await ask(handle, "done", asked, outcome, min(QUERY_SECONDS, seconds), "The action")
    if found is None and refused:
        raise refused
    return found


async def _update(
    handle: WorkflowHandle[Any, Any], command: Command[Any], outcome: type[T], seconds: float
) -> T | None:
    async with answering(seconds, "The action"):
        try:
            found: T = await handle.execute_update(
                UPDATE_OF[type(command.body)],
                command,
                id=command.key or None,
                result_type=outcome,
                rpc_timeout=timedelta(seconds=seconds),
            )
        except WorkflowUpdateFailedError as error:
            raise refused_by(error) from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
    return found


def _no_answer(what: str, seconds: float) -> ProblemError:
    detail = (
        f"{what} got no answer within {seconds:.0f} s. It may still happen: send the same again, with the same"
        " Idempotency-Key, and the answer tells what became of it."
    )
    return unavailable("no-answer-in-time", detail, RETRY_SECONDS)


def refused_by(error: WorkflowUpdateFailedError) -> BaseException:
    """What the case said; anything else is a fault of ours."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or ":" not in (cause.type or ""):
        return error
    kind, _, code = str(cause.type).partition(":")
    facts = cause.details[0] if cause.details else {}
    return refusal(kind, code, cause.message, facts)
