"""A requested cancellation, the Temporal UI's most prominent button, is a fact for the record and ends nothing."""

import asyncio
from collections.abc import Callable

from temporalio import workflow

LONGEST_REASON = 2000


async def wait_or_note(condition: Callable[[], bool], note: Callable[[str], None]) -> None:
    """Wait for the condition; a cancellation that is requested meanwhile is noted, with its reason, and swallowed.

    Temporal cancels the main coroutine once, wherever it waits: it must wait nowhere else.
    """
    try:
        await workflow.wait_condition(condition)
    except asyncio.CancelledError:
        reason = workflow.cancellation_reason()
        if reason is None:  # a worker that forgets the workflow cancels as well
            raise
        # PostgreSQL keeps no NUL.
        note(reason.replace("\0", "")[:LONGEST_REASON])
