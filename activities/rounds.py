"""Calling on many cases with one matter: a few at a time, so that no case of another matter has to wait behind them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode


class Pace(NamedTuple):
    """How fast a round goes: how many cases at the same time, and how long it rests after them.

    `rest` is a share of the time that they took.
    """

    at_once: int
    rest: float


GENTLE = Pace(at_once=1, rest=0.7)
"""The telephone comes first. Measured on two cores: with it a burst main takes about twice as long as on an idle
service; with sixteen cases at once and no rest four times."""
BRISK = Pace(at_once=16, rest=0.0)
"""Somebody waits for the round, and chooses the hour."""
GONE = "gone"
"""The answer of a case whose workflow has ended."""
REFUSED = "refused"
"""The answer of a case that would not do it."""

Ask = Callable[[str], Awaitable[str]]
"""Do it to the case of this number, and answer in one word what came of it. Asked again, it answers the same."""


async def call_on(numbers: Sequence[str], ask: Ask, pace: Pace = GENTLE) -> Counter[str]:
    """Ask every case, and count their answers. For an activity with a heartbeat time-out.

    After each handful it tells Temporal how far it is: a later try goes on from there.

    Raises:
        RPCError: Temporal does not answer; the activity is to be tried again.
        WorkflowUpdateRPCTimeoutOrCancelledError: a case does not answer in time; the same.
    """
    done, answers = _progress()
    clock = asyncio.get_running_loop().time
    while done < len(numbers):
        began = clock()
        handful = numbers[done : done + pace.at_once]
        answers.update(await _together(ask, handful))
        done += len(handful)
        activity.heartbeat(done, dict(answers))
        await asyncio.sleep(pace.rest * (clock() - began))
    return answers


async def _together(ask: Ask, numbers: Sequence[str]) -> list[str]:
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_answer(ask, number)) for number in numbers]
    except ExceptionGroup as failed:
        # One stands for all: what the others met is the same matter, and is met again by the next try.
        raise failed.exceptions[0] from None
    return [task.result() for task in asked]


def _progress() -> tuple[int, Counter[str]]:
    details = activity.info().heartbeat_details
    return (int(details[0]), Counter(details[1])) if details else (0, Counter())


async def _answer(ask: Ask, number: str) -> str:
    try:
        return await ask(number)
    except WorkflowUpdateFailedError:
        return REFUSED
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return GONE
        raise
