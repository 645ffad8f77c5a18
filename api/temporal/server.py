"""Temporal's server: its errors, as problems that claim no more than is known; its clock; how far workers are behind.

By Temporal's clock everything that happens to a case is timed. No call tells its time: answers carry instants of the
past alone, and neither headers nor trailers have one. A poll is the one call without effects of which Temporal notes
the time, and shows it to all who ask for the pollers.
"""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollWorkflowTaskQueueRequest
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.names import NO_HANDLER, UNDECODED, UNSEALED
from activities.run_status import if_found
from activities.sealing.stamps import UndecidedError
from api.edge.problems import NO_ANSWER, OPERATOR_NEEDED, ProblemError, declare, operator_needed, refusal, unavailable
from api.sign_in.security import digest_of
from domain.shared.errors import OperatorError
from workflows.clients.start import KeyReusedError, Request

log = logging.getLogger("hotline.api")

TEMPORAL_UNAVAILABLE = declare("temporal-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Temporal unavailable")
PAUSED = declare("workflow-paused", HTTPStatus.SERVICE_UNAVAILABLE, "Workflow paused")
TEMPORAL_ERRORS = (TEMPORAL_UNAVAILABLE, NO_ANSWER, PAUSED, OPERATOR_NEEDED)
KEY_REUSED = declare(
    "idempotency-key-reused", HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key used for another request"
)
QUERY_SECONDS = 3.0
"""Longest wait for the answer to a query."""
RETRY_SECONDS = 2
"""Pause before a client tries again: about the time that a worker or server needs to start."""
T = TypeVar("T")


class NotTakenError(ProblemError):
    """Problem of an answer that somebody else has given, or that cannot be opened; the action may have been done."""


async def answer_or_none(call: Awaitable[T]) -> T | None:
    """Return the answer of a workflow; None if no workflow has the id (any more). Raises ProblemError, RPCError."""
    try:
        return await if_found(call)
    except ValidationError as error:
        # Without what was answered, which may be personal.
        faults = [(fault["loc"], fault["type"]) for fault in error.errors(include_url=False, include_input=False)]
        log.error("an answer of a workflow cannot be read: %s", faults)  # noqa: TRY400 - the trace would quote it
        raise other_release("the API cannot read the answer") from None
    except UndecidedError as error:
        log.error("an answer of a workflow is not taken: %s", error)  # noqa: TRY400 - the trace says no more
        detail = "The answer was not sealed for this request with a key of this API: see the log. Send it again later."
        raise NotTakenError(TEMPORAL_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)}) from None


@asynccontextmanager
async def answering(seconds: float, what: str) -> AsyncIterator[None]:
    """End the block within these seconds. Raises a ProblemError that claims no more than is known."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, RPCTimeoutOrCancelledError):
        raise _no_answer(what, seconds) from None
    except WorkflowQueryFailedError as error:
        log.warning("a query failed: %s", error)
        raise unavailable(TEMPORAL_UNAVAILABLE, f"{what} cannot be read at the moment.", RETRY_SECONDS) from None
    except WorkflowQueryRejectedError:
        raise _paused(what) from None
    except KeyReusedError:
        raise _reused(
            "This Idempotency-Key was sent before with another body. Send a new key with a new body."
        ) from None
    except OperatorError as error:
        raise operator_needed(error) from None
    except (RPCError, RuntimeError) as error:
        status = error.status if isinstance(error, RPCError) else None
        if status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
            raise _no_answer(what, time.monotonic() - began) from None
        if status is RPCStatusCode.FAILED_PRECONDITION:
            if "paused" in str(error):  # Temporal has no code of its own for it
                raise _paused(what) from None
            log.warning("no worker computes the workflow: %s", error)
            detail = f"{what} was not taken: no worker has finished the last task of the workflow. Send it again later."
            raise unavailable(NO_ANSWER, detail, RETRY_SECONDS) from None
        log.warning("Temporal is not available: %s", error)
        detail = f"{what} got no answer from Temporal. Send the same again, with the same Idempotency-Key."
        raise unavailable(TEMPORAL_UNAVAILABLE, detail, RETRY_SECONDS) from None


def request_of(key: str, body: BaseModel) -> Request:
    """Return the request that starts a workflow, with a key of its own if the client has sent none."""
    return Request(key=key or uuid.uuid4().hex, digest=digest_of(body.model_dump_json()))


def key_reused(where: str) -> ProblemError:
    """Return the problem of a key that was used before for something else, on the entity that `where` begins with."""
    return _reused(f"This Idempotency-Key was already used on this {where}.")


def _reused(detail: str) -> ProblemError:
    return ProblemError(KEY_REUSED, detail, accepted=["the same body", "a new Idempotency-Key"])


def _no_answer(what: str, seconds: float) -> ProblemError:
    detail = (
        f"{what} got no answer within {seconds:.0f} s. Send the same again. A registration or an action may still"
        " happen: with the same Idempotency-Key, the answer tells what became of it."
    )
    return unavailable(NO_ANSWER, detail, RETRY_SECONDS)


def _paused(what: str) -> ProblemError:
    detail = f"{what} was not taken: somebody has paused the workflow in Temporal. An administrator unpauses it there."
    return unavailable(PAUSED, f"{detail} Send it again then.", RETRY_SECONDS)


def other_release(why: str) -> ProblemError:
    detail = (
        f"API and worker seem to be of different releases, as in an upgrade: {why}. Send the same again later; with the"
        " same Idempotency-Key, an action is not done twice."
    )
    return unavailable(TEMPORAL_UNAVAILABLE, detail, RETRY_SECONDS)


def refused_update(error: WorkflowUpdateFailedError) -> BaseException:
    """Return the refusal of the entity as a problem; the error itself if it is a fault of ours."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == UNSEALED:
        log.error("a worker does not take what this API seals: %s", cause.message)
        detail = "The worker does not accept what this API seals: see the log. Nothing was done; send it again later."
        return unavailable(TEMPORAL_UNAVAILABLE, detail, RETRY_SECONDS)
    if isinstance(cause, ApplicationError) and (UNDECODED in cause.message or NO_HANDLER in cause.message):
        log.error("a workflow does not take an action: %s", cause.message)
        return other_release("the worker does not take the action")
    if not isinstance(cause, ApplicationError) or ":" not in (cause.type or ""):
        return error
    kind, _, code = str(cause.type).partition(":")
    facts = cause.details[0] if cause.details else {}
    return refusal(kind, code, cause.message, facts)


CLOCK_OFF = declare("clock-off", HTTPStatus.SERVICE_UNAVAILABLE, "Clock off")
TOLERANCE = timedelta(seconds=60)
"""Largest accepted difference: far more than a measurement may err, and a fifth of the shortest promise (5 min)."""
MEASURE_EVERY_SECONDS = 30.0
"""Age from which a measurement is renewed, beside the request that finds it so old."""
FRESH_SECONDS = 1.0
"""Age up to which a measurement is believed if the clock seems off, or Temporal did not answer."""
WITHIN_SECONDS = 1.0
"""Longest measurement, and so its largest error."""
CLOCK_RETRY_SECONDS = 10
"""Pause before a client tries again: another process may answer then."""
QUEUE = "hotline-clock"
"""Task queue without tasks. It is sticky, which on a cluster means that it has one partition."""
_POLL_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 0.005

TemporalTime = Callable[[], Awaitable[datetime | None]]


@dataclass
class ClockCheck:
    """Comparison of a clock with Temporal's time; `temporal_time` returns None if Temporal does not answer.

    Temporal's time of the last measurement goes on by the monotonic clock, so that a step of this process's clock is
    noticed at once.
    """

    clock: Callable[[], datetime]
    temporal_time: TemporalTime
    _measured: tuple[datetime, float] | None = None
    _tried_at: float = -math.inf
    _measuring: asyncio.Task[None] | None = None

    async def offset(self) -> timedelta | None:
        """Return how far the clock is ahead of Temporal's, negative if it is behind; None if that is not known."""
        offset = self._offset()
        is_doubtful = offset is None or is_off(offset)
        age = time.monotonic() - self._tried_at
        if self._measuring is None and age > (FRESH_SECONDS if is_doubtful else MEASURE_EVERY_SECONDS):
            self._measuring = asyncio.create_task(self._measure())
        if is_doubtful and self._measuring:
            await asyncio.shield(self._measuring)
        return self._offset()

    async def require(self) -> None:
        """Raise ProblemError if the clock is known to be off by more than the tolerance."""
        offset = await self.offset()
        if is_off(offset):
            detail = (
                f"{describe(offset)} Nothing was changed. Send the same again, with the same Idempotency-Key, when the"
                " clock is set."
            )
            raise unavailable(CLOCK_OFF, detail, CLOCK_RETRY_SECONDS)

    async def close(self) -> None:
        """End a measurement that is under way."""
        if self._measuring:
            self._measuring.cancel()
            await asyncio.wait([self._measuring])

    def _offset(self) -> timedelta | None:
        if self._measured is None:
            return None
        at, monotonic = self._measured
        return self.clock() - at - timedelta(seconds=time.monotonic() - monotonic)

    async def _measure(self) -> None:
        self._tried_at = time.monotonic()
        try:
            if at := await self.temporal_time():
                self._measured = at, self._tried_at
        finally:
            self._measuring = None


def is_off(offset: timedelta | None) -> bool:
    """Return True if the offset is known, and larger than the tolerance."""
    return offset is not None and abs(offset) > TOLERANCE


def describe(offset: timedelta | None) -> str:
    """Return the offset in words; if it is too large, what is accepted and what to do."""
    if offset is None:
        return "Temporal's time cannot be read, so that this process's clock is not checked."
    seconds = offset.total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    found = f"The clock of this API process is {abs(seconds):.0f} s {side} Temporal's"
    if is_off(offset):
        return f"{found}; at most {TOLERANCE.total_seconds():.0f} s are accepted. Set the clocks, for example by NTP."
    return f"{found}."


async def temporal_time(client: Client) -> datetime | None:
    """Return Temporal's time during the call; None if it does not answer within `WITHIN_SECONDS`.

    The poll is for a queue of its own, so that it takes no task and needs no worker; it is given up at once.
    """
    queue, poller = TaskQueue(name=QUEUE, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY), uuid.uuid4().hex
    asked = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=poller)
    look = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    )
    service = client.workflow_service
    poll = asyncio.ensure_future(
        service.poll_workflow_task_queue(asked, retry=False, timeout=timedelta(seconds=_POLL_SECONDS))
    )
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not poll.done():
                for each in (await service.describe_task_queue(look)).pollers:
                    if each.identity == poller:
                        return each.last_access_time.ToDatetime(UTC)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
    except (TimeoutError, RPCError, RuntimeError):
        pass
    finally:
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    return None


MANY = 50
"""Cases whose first task waits: a worker needs about a second for them."""
LONGEST_WAIT_SECONDS = 1.0
"""Time after which a registration waits no longer. Without a worker, each waits so long and is taken all the same."""
LOOK_EVERY_SECONDS = 0.25


@dataclass
class Backlog:
    """Backlog of the workers' task queue, as Temporal estimates it. One question serves all registrations that wait."""

    client: Client
    task_queue: str
    _count: int = 0
    _looked_at: float = -LOOK_EVERY_SECONDS

    async def ease(self) -> None:
        """Wait while many tasks wait, for `LONGEST_WAIT_SECONDS` and a last look. Raises nothing."""
        ends = time.monotonic() + LONGEST_WAIT_SECONDS
        while await self._waiting() > MANY and time.monotonic() < ends:  # noqa: ASYNC110 - Temporal tells nobody of it
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _waiting(self) -> int:
        if time.monotonic() - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            request = DescribeTaskQueueRequest(
                namespace=self.client.namespace,
                task_queue=TaskQueue(name=self.task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                report_stats=True,
            )
            within = timedelta(seconds=LONGEST_WAIT_SECONDS)
            try:
                found = await self.client.workflow_service.describe_task_queue(request, timeout=within)
            except (RPCError, RuntimeError):
                self._count = 0
            else:
                self._count = found.stats.approximate_backlog_count
        return self._count
