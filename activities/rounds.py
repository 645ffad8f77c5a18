"""Calling on many cases with one matter: a few at a time, so that no case of another matter has to wait behind them."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode


class Pace(NamedTuple):
    """How fast a round goes: how many cases at the same time, and how long it rests after them.

    `rest` is a share of the time that they took. After so many `handfuls` it tells Temporal how far it is.
    """

    at_once: int
    rest: float
    handfuls: int = 1


GENTLE = Pace(at_once=1, rest=0.3, handfuls=20)
"""The telephone comes first: a round goes at this pace, and holds still while somebody is served. `bench/surge.py` says
how long a burst main takes meanwhile: 1.4 to 1.6 times as long; with sixteen cases at once and no rest, four."""
BRISK = Pace(at_once=16, rest=0.0)
"""Somebody waits for the round, and chooses the hour."""
GONE = "gone"
"""The answer of a case whose workflow has ended."""
SILENT = "silent"
"""The answer, with its number, of a case that does not answer: the others must not wait for it."""
TRIES = 3
"""As often a round is begun again because of a case that does not answer, before it is left."""
REFUSED = "refused"
"""The answer of a case that would not do it."""

Ask = Callable[[str], Awaitable[str]]
"""Do it to the case of this number, and answer in one word what came of it. Asked again, it answers the same."""
Finish = Callable[[], Awaitable[None]]
"""Do what the answers of the cases asked so far leave to do. After that, a later try asks none of them again."""


Served = Callable[[], float]
"""When this worker last wrote for a case that somebody acts on; by `time.monotonic`."""
QUIET_SECONDS = 0.1
"""For so long after that a round holds still: what is done in one go, a call and its dispatch, then has the machine."""
LONGEST_WAIT_SECONDS = 0.3
"""However busy the telephone is, a round goes on at a few cases a second."""


async def call_on(
    numbers: Sequence[str],
    ask: Ask,
    pace: Pace = GENTLE,
    finish: Finish | None = None,
    served: Served | None = None,
) -> Counter[str]:
    """Ask every case, and count their answers. For an activity with a heartbeat time-out.

    Now and then it tells Temporal how far it is: a later try goes on from there.

    Raises:
        RPCError: Temporal does not answer; the activity is to be tried again.
        TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError: a case does not answer in time; the same.
    """
    done, answers = _progress()
    clock = asyncio.get_running_loop().time
    while done < len(numbers):
        finished = done, dict(answers)
        until = min(done + pace.at_once * pace.handfuls, len(numbers))
        while done < until:
            if served:
                await _quiet(served)
            began = clock()
            handful = numbers[done : min(done + pace.at_once, until)]
            answers.update(await _together(ask, handful))
            done += len(handful)
            activity.heartbeat(*finished)  # alive, however long one of them takes
            await asyncio.sleep(pace.rest * (clock() - began))
        if finish:
            await finish()
        activity.heartbeat(done, dict(answers))
    return answers


async def _quiet(served: Served) -> None:
    ends = time.monotonic() + LONGEST_WAIT_SECONDS
    while (left := min(served() + QUIET_SECONDS, ends) - time.monotonic()) > 0:  # noqa: ASYNC110 - nobody tells of quiet
        await asyncio.sleep(left)


async def _together(ask: Ask, numbers: Sequence[str]) -> list[str]:
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_answer(ask, number)) for number in numbers]
    except ExceptionGroup as failed:
        # One stands for all: what the others met is the same matter, and is met again by the next try.
        raise failed.exceptions[0] from None
    return [task.result() for task in asked]


def take_silent(answers: Counter[str]) -> list[str]:
    """The numbers of the cases that did not answer, which leave the answers."""
    silent = [answer for answer in answers if answer.startswith(SILENT)]
    for answer in silent:
        del answers[answer]
    return [answer.removeprefix(SILENT) for answer in silent]


def _progress() -> tuple[int, Counter[str]]:
    details = activity.info().heartbeat_details
    return (int(details[0]), Counter(details[1])) if details else (0, Counter())


async def _answer(ask: Ask, number: str) -> str:
    try:
        return await ask(number)
    except WorkflowUpdateFailedError:
        return REFUSED
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        if activity.is_cancelled():
            raise asyncio.CancelledError from None
        if activity.info().attempt < TRIES:
            raise
        return SILENT + number
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return GONE
        raise
