"""Pages of a workflow that works on many cases: it lists the next numbers, and asks each of the cases."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow

from workflows.entity import LOWEST, RETRY

LIST_TIMEOUT = timedelta(seconds=30)
PAGE_TIMEOUT = timedelta(minutes=30)
HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""Longer than a few cases that do not answer may take; a worker that died with a page is noticed this late."""
Argument = TypeVar("Argument")
Result = TypeVar("Result")


async def next_numbers(
    activity: Callable[[Any, Argument], Awaitable[list[str]]], query: Argument, after: str
) -> list[str]:
    """Return the numbers that come after this one; none after the last."""
    return await workflow.execute_activity_method(
        activity,
        query,
        start_to_close_timeout=LIST_TIMEOUT,
        retry_policy=RETRY,
        priority=LOWEST,
        summary=f"which cases come after {after or 'the first'} 后续工单",
    )


async def ask_page(
    activity: Callable[[Any, Argument], Awaitable[Result]], page: Argument, numbers: list[str], what: str
) -> Result:
    """Ask the cases of a page by an activity that fans out; `what` is done to them, in Chinese, in its summary."""
    return await workflow.execute_activity_method(
        activity,
        page,
        start_to_close_timeout=PAGE_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RETRY,
        priority=LOWEST,
        # After the workflow was ended, it changes no case any more.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"{len(numbers)} cases to {numbers[-1]} {what}",
    )
