"""Answers and errors of Temporal, as answers and problems of the API that claim no more than is known."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import client
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
WORKFLOW_PAUSED = declare("workflow-paused", HTTPStatus.SERVICE_UNAVAILABLE, "Workflow paused")
TEMPORAL_ERRORS = (TEMPORAL_UNAVAILABLE, NO_ANSWER, WORKFLOW_PAUSED, OPERATOR_NEEDED)
KEY_REUSED = declare(
    "idempotency-key-reused", HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key used for another request"
)
QUERY_SECONDS = 3.0
"""Longest wait for the answer to a query."""
RETRY_SECONDS = 2
"""Pause before a client tries again: about the time that a worker or server needs to start."""
T = TypeVar("T")


class UntrustedAnswerError(ProblemError):
    """Problem of an answer that somebody else has given, or that cannot be opened; the action may have been done."""


async def answer_or_none(call: Awaitable[T]) -> T | None:
    """None if no workflow has the id (any more). Raises ProblemError for an unreadable answer, and RPCError."""
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
        raise UntrustedAnswerError(TEMPORAL_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)}) from None


@asynccontextmanager
async def answering(seconds: float, what: str) -> AsyncIterator[None]:
    """End the block within these seconds. Raises a ProblemError that claims no more than is known."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, client.RPCTimeoutOrCancelledError):
        raise _no_answer(what, seconds) from None
    except client.WorkflowQueryFailedError as error:
        log.warning("a query failed: %s", error)
        raise unavailable(TEMPORAL_UNAVAILABLE, f"{what} cannot be read at the moment.", RETRY_SECONDS) from None
    except client.WorkflowQueryRejectedError:
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
    """Give the request a key of its own if the client has sent none."""
    return Request(key=key or uuid.uuid4().hex, digest=digest_of(body.model_dump_json()))


def key_reused(where: str) -> ProblemError:
    """`where` begins with the entity on which the key was used before for something else."""
    return _reused(f"This Idempotency-Key was already used on this {where}.")


def _reused(detail: str) -> ProblemError:
    return ProblemError(
        KEY_REUSED,
        detail,
        accepted=[("相同的内容", "the same body"), ("新的 Idempotency-Key", "a new Idempotency-Key")],
    )


def _no_answer(what: str, seconds: float) -> ProblemError:
    detail = (
        f"{what} got no answer within {seconds:.0f} s. Send the same again. A registration or an action may still"
        " happen: with the same Idempotency-Key, the answer tells what became of it."
    )
    return unavailable(NO_ANSWER, detail, RETRY_SECONDS)


def _paused(what: str) -> ProblemError:
    detail = f"{what} was not taken: somebody has paused the workflow in Temporal. An administrator unpauses it there."
    return unavailable(WORKFLOW_PAUSED, f"{detail} Send it again then.", RETRY_SECONDS)


def other_release(why: str) -> ProblemError:
    detail = (
        f"API and worker seem to be of different releases, as in an upgrade: {why}. Send the same again later; with the"
        " same Idempotency-Key, an action is not done twice."
    )
    return unavailable(TEMPORAL_UNAVAILABLE, detail, RETRY_SECONDS)


def refused_update(error: client.WorkflowUpdateFailedError) -> BaseException:
    """Refusal of the entity as a problem; the error itself if it is a fault of ours."""
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
