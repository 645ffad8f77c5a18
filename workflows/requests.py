"""What a workflow was started by: its memo keeps the request, so that the same request finds it again."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

MEMO = "request"
RPC_TIMEOUT = timedelta(seconds=8)
"""Longest wait for one answer of Temporal; a caller may end it earlier."""


class Request(BaseModel):
    """The key of a request, and the digest of its body."""

    model_config = ConfigDict(frozen=True)

    key: str
    digest: str = ""


class KeyReusedError(ValueError):
    """The key of the request has started a workflow with another body."""


async def find_started(
    client: Client, request: Request, numbers: Iterable[str], workflow_id: Callable[[str], str]
) -> str | None:
    """Return the number that this request has started a workflow under; None if it has started none.

    `numbers` are the candidates that its key leads to, in the order in which they are tried. Raises KeyReusedError,
    and what the client raises.
    """
    for number in numbers:
        found = await _request_of(client, workflow_id(number))
        if found is None:
            return None
        if found.key == request.key:
            if found.digest != request.digest:
                raise KeyReusedError(number)
            return number
    return None


async def _request_of(client: Client, workflow: str) -> Request | None:
    try:
        found = await client.get_workflow_handle(workflow).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    request: Request = await found.memo_value(MEMO, Request(key=""), type_hint=Request)
    return request
