"""Answers of Temporal about workflows that it may not have."""

from collections.abc import Awaitable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

T = TypeVar("T")


async def unless_gone(call: Awaitable[T]) -> T | None:
    """Return the answer of a call, or None if Temporal has no such workflow (any more). Raises RPCError."""
    try:
        return await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
