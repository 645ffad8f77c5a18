"""Run of a workflow that goes on for ever: one activity, shift after shift (`activities.shift`)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow

from activities.shift import SHIFT
from workflows.entity import RETRY

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Time after which another worker takes over from one that died."""


async def run_shifts(activity: Callable[..., Awaitable[Any]], summary: str, result: str, *before: object) -> NoReturn:
    """Run the activity, one shift after the other; continue as new when the history has grown.

    `result` is the text with what the last shift returned, in place of `{0}`. If the activity takes what the shift
    `before` returned, each takes that of the last one.
    """
    while not workflow.info().is_continue_as_new_suggested():
        found = await workflow.execute_activity_method(
            activity,
            args=before,
            start_to_close_timeout=2 * SHIFT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            summary=summary,
        )
        before = (found,) if before else ()
        workflow.set_current_details(f"{result.format(found)} ({workflow.now():%Y-%m-%d %H:%M:%S} UTC)")
    workflow.continue_as_new(args=before)
