"""One update for many cases: a few at a time, so that other work on cases does not wait behind them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.people_first import PeopleFirst
from domain.case.batch import ProjectionBatch


class Pace(NamedTuple):
    """Speed of a fan-out.

    Args:
        concurrency: cases that are asked at the same time.
        checkpoint: cases between two checkpoints.
    """

    concurrency: int
    checkpoint: int


GENTLE = Pace(concurrency=2, checkpoint=20)
"""Callers come first. `bench/surge.py` measures how long a burst main takes meanwhile."""
BRISK = Pace(concurrency=16, checkpoint=64)
"""An operator waits for the end, and chooses the hour. Each of them steps aside for people as well."""
GONE = "gone"
"""Answer of a case whose workflow has ended."""
SILENT = "silent"
"""Answer, with its number, of a case that does not answer: the others must not wait for it."""
REFUSED = "refused"
"""Answer of a case that refused the update."""
TRIES = 3
"""Attempts of the activity in which a case without an answer fails the attempt; from the last one on it is left."""

T = TypeVar("T")
Answer = tuple[str, ProjectionBatch | None]
"""Answer of a case in one word, and the batch that it returned for SQL."""
Ask = Callable[[str], Awaitable[Answer]]
"""Updates the case of this number. Asked again, it returns the same."""
Write = Callable[[Sequence[ProjectionBatch]], Awaitable[None]]
"""Writes batches together. A later attempt asks none of their cases again."""


async def fan_out(
    numbers: Sequence[str], ask: Ask, write: Write, people: PeopleFirst, pace: Pace = GENTLE
) -> tuple[Counter[str], tuple[str, ...]]:
    """Ask every case; return the count of each answer, and the numbers of the cases that did not answer.

    For an activity with a heartbeat time-out. Heartbeats are checkpoints: a later attempt continues from the last one.

    Raises:
        RPCError: Temporal does not answer; the activity is to be tried again.
        TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError: a case does not answer in time; the same.
        WorkflowUpdateFailedError: the worker of a case cannot read the update; the same.
    """
    details = activity.info().heartbeat_details
    done, answers = (int(details[0]), Counter[str](details[1])) if details else (0, Counter[str]())

    async def ask_one(number: str) -> Answer:
        await people.step_aside()
        answer = await _answer(ask, number)
        activity.heartbeat(done, dict(answers))
        return answer

    while done < len(numbers):
        group = numbers[done : done + pace.checkpoint]
        answered = await for_each(group, ask_one, pace.concurrency)
        await write([batch for _, batch in answered if batch])
        answers.update(answer for answer, _ in answered)
        done += len(group)
        activity.heartbeat(done, dict(answers))
    silent = [answer for answer in answers if answer.startswith(SILENT)]
    for answer in silent:
        del answers[answer]
    return answers, tuple(answer.removeprefix(SILENT) for answer in silent)


async def for_each(numbers: Iterable[str], work: Callable[[str], Awaitable[T]], concurrency: int) -> list[T]:
    """Do the work for each number, so many at the same time; return the results in order. Raises the first error."""
    waiting, results = enumerate(numbers), dict[int, T]()

    async def work_in_turn() -> None:
        for place, number in waiting:
            results[place] = await work(number)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work_in_turn())
    except ExceptionGroup as failed:
        # One stands for all: another attempt meets the others again.
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [results[place] for place in sorted(results)]


async def _answer(ask: Ask, number: str) -> Answer:
    try:
        return await ask(number)
    except (WorkflowUpdateFailedError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        if is_refusal(error):
            return REFUSED, None
        # The SDK turns the cancellation of a task of the group into an error of its own.
        if (task := asyncio.current_task()) and task.cancelling():
            raise asyncio.CancelledError from None
        if activity.info().attempt < TRIES:
            raise
        return SILENT + number, None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return GONE, None
        # Temporal answers so for a case whose workflow task fails again and again.
        if error.status is RPCStatusCode.FAILED_PRECONDITION and activity.info().attempt >= TRIES:
            return SILENT + number, None
        raise


def is_refusal(error: Exception) -> bool:
    """Return True if the workflow itself says no. Otherwise its worker, of another release, cannot read the update."""
    cause = error.cause if isinstance(error, WorkflowUpdateFailedError) else None
    return isinstance(cause, ApplicationError) and ":" in (cause.type or "")
