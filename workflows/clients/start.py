"""Start of workflows for a request, once: the memo keeps the request, so that the same request finds the workflow."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio.client import Client, WorkflowExecution
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.run_status import if_found
from activities.sealing.stamps import UndecidedError
from domain.shared.value import Immutable

logger = logging.getLogger(__name__)

MEMO = "request"
"""Key of the memo by which the service marks the workflows that it starts: cases, incidents and rollouts."""
TASK_TIMEOUT = timedelta(seconds=2.5)
"""A task whose worker died is given to another after so long (the default is 10 s); a task takes milliseconds."""
RPC_TIMEOUT = timedelta(seconds=8)
"""Longest wait for one answer of Temporal; a caller may end it earlier."""


class Request(Immutable):
    """The key of a request, and the digest of its body."""

    key: str
    digest: str = ""


class KeyReusedError(ValueError):
    """The key of the request has started a workflow with another body."""


async def start_once(
    client: Client,
    request: Request,
    run: Any,  # noqa: ANN401 - as the SDK has it
    start: BaseModel,
    *,
    reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE,
    **options: Any,  # noqa: ANN401 - those of the SDK
) -> bool:
    """Start the workflow for the request. Returns False if its id is taken. Raises what the client raises.

    `request` is the one that started the first run under this id, as far as it is known. `reuse` tells which runs that
    have ended leave the id free; by default none does. `options` are those of `Client.start_workflow`.
    """
    options = {"rpc_timeout": RPC_TIMEOUT, "id_reuse_policy": reuse, "task_timeout": TASK_TIMEOUT, **options}
    try:
        await client.start_workflow(run, start, memo={MEMO: request}, **options)
    except WorkflowAlreadyStartedError:
        return False
    return True


async def warn_of_other(client: Client, request: Request, workflow_id: str, task_queue: str) -> bool:
    """Log a warning if a workflow that does not do what is asked for has the id. Returns False. Raises RPCError."""
    found = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
    if found.task_queue != task_queue or await request_of(found) != request:
        logger.warning(
            "workflow %s is not started: another, of type %s on task queue %s, has its id; terminate that, or delete it"
            " if it has ended",
            found.id,
            found.workflow_type,
            found.task_queue,
        )
    return False


async def request_of(found: WorkflowExecution) -> Request:
    """With an empty key if the memo has none."""
    # Of somebody else, or sealed with a key that this process does not have.
    with suppress(UndecidedError, ValidationError):
        request: Request = await found.memo_value(MEMO, Request(key=""), type_hint=Request)
        return request
    return Request(key="")


async def find_started(
    client: Client, request: Request, numbers: Iterable[str], workflow_id: Callable[[str], str]
) -> str | None:
    """None if this request has started a workflow under none of the numbers.

    `numbers` are the candidates that its key leads to, in the order in which they are tried. Raises KeyReusedError, and
    what the client raises.
    """
    for number in numbers:
        one = workflow_id(number)
        found = await if_found(client.get_workflow_handle(one).describe(rpc_timeout=RPC_TIMEOUT))
        if found is None:
            return None
        starter = await request_of(found)
        if not starter.key:  # somebody has taken the id of what the request started
            runs = client.list_workflows(f'WorkflowId = "{one}"', rpc_timeout=RPC_TIMEOUT)
            starter = next((each for each in [await request_of(run) async for run in runs] if each.key), starter)
        if starter.key == request.key:
            if starter.digest != request.digest:
                raise KeyReusedError(number)
            return number
    return None
