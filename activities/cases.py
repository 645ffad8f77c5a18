"""Cases as activities reach them: batches that SQL is given, and the updates and queries that are sent to many cases.

Work on many cases asks a few at a time, so that other work on cases does not wait behind it, and none while people act.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import compress
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from activities.names import complaint_id
from activities.sealing.stamps import UndecidedError
from domain.case.state import ProjectionBatch
from readmodel.base.database import ReadConnection, WriteConnection, read_in_thread
from readmodel.projection import DivergedError, NotRegisteredError, RefusedBatchError
from readmodel.writer import SQL_DOWN, GroupWriter

T = TypeVar("T")


class Projection:
    """Writer of batches that cases publish, and of those that updates and registrations return to their sender.

    The senders are API, incidents and rollouts. `client` signals the cases whose batches SQL does not take within so
    many seconds.
    """

    def __init__(self, writer: GroupWriter, client: Client, seconds: float) -> None:
        self._writer = writer
        self._client = client
        self._seconds = seconds

    @activity.defn(name="publish")
    async def publish(self, batch: ProjectionBatch) -> None:
        """Commit the batch; run again, or late, write the same rows.

        Raises ApplicationError if SQL does not take it: Temporal tries again. SQL takes nothing of a run that has other
        events. The reconciler ends it, or reports its case.
        """
        with plain_errors():
            await self._writer.submit(batch)

    async def write(self, batch: ProjectionBatch) -> bool:
        """Return False if SQL does not take the batch in time: its case is to publish it.

        Raises DivergedError if SQL has other events of the case: it will never take these.
        """
        if await self._committed(self._writer.submit(batch)):
            return True
        await self.signal_publish(batch.number)
        return False

    async def write_all(self, batches: Iterable[ProjectionBatch]) -> None:
        """Write the batches together. One that SQL will never take is left to the reconciler's report."""
        await asyncio.gather(*map(self._write_or_leave, batches))

    async def _write_or_leave(self, batch: ProjectionBatch) -> None:
        with suppress(DivergedError):
            await self.write(batch)

    async def run(self, work: Callable[[WriteConnection], object]) -> bool:
        """Return False if SQL does not take it in time. Raises DivergedError."""
        return await self._committed(self._writer.run(work))

    async def _committed(self, work: Awaitable[object]) -> bool:
        try:
            async with asyncio.timeout(self._seconds):
                await work
        except (SQLAlchemyError, NotRegisteredError, TimeoutError):
            return False
        return True

    async def signal_publish(self, number: str) -> None:
        """Signal the case. One that has ended has published; if Temporal does not answer, the reconciler repairs."""
        handle = self._client.get_workflow_handle(complaint_id(number))
        with suppress(RPCError, RuntimeError):
            await handle.signal("publish", rpc_timeout=timedelta(seconds=self._seconds))


async def read(engine: Engine, query: Callable[[ReadConnection], T]) -> T:
    """Run a query in a thread. Raises ApplicationError if SQL does not answer it."""
    with plain_errors():
        return await read_in_thread(engine, query)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise errors of SQL without statement and data, as histories and logs hold nothing personal."""
    try:
        yield
    except RefusedBatchError as error:
        # The reconciler has written what is missing by one of the next tries, or reports the case.
        expected = ApplicationErrorCategory.BENIGN
        raise ApplicationError(str(error), type=type(error).__name__, category=expected) from None
    except DBAPIError as error:
        kind = type(error.orig).__name__
        text = f"SQL: {error.orig}" if isinstance(error, SQL_DOWN) else f"SQL refused it: {kind}"
        raise ApplicationError(text, type=kind) from None


QUIET_SECONDS = 0.15
"""Time after somebody's last action until work on many cases goes on: a dispatch often follows a call at once."""
LONGEST_SECONDS = 1.0
"""Longest wait, if people act all the time."""
ANSWER_SECONDS = 8.0
"""Longest wait for a case or an incident; another worker takes over from one that died sooner."""


class FanOut(NamedTuple):
    """Number of cases that are asked at the same time, and of those between two checkpoints."""

    concurrency: int
    checkpoint: int


FEW_AT_ONCE = FanOut(concurrency=2, checkpoint=20)
"""Callers come first. `bench/surge.py` measures how long a burst main takes meanwhile."""
MANY_AT_ONCE = FanOut(concurrency=16, checkpoint=64)
"""An operator waits for the end, and chooses the hour. Each of them steps aside for people as well."""
GONE = "gone"
REFUSED = "refused"
TRIES = 3
"""Attempt of the activity from which on a case that does not answer is left; earlier ones fail of it."""


class CaseAnswer(NamedTuple):
    """Answer of a case in one word, and the batch that it returned for SQL."""

    word: str
    batch: ProjectionBatch | None = None


class LeftCase(NamedTuple):
    """Result for a case that was left as it is: the reason, instead of an answer."""

    reason: str


class Answers(NamedTuple):
    """Number of cases by their answer, and the reasons why cases were left, by number."""

    counts: Counter[str]
    left: dict[str, str]


_PROGRESS = TypeAdapter(tuple[str, dict[str, int], dict[str, str]])
"""Heartbeat: the last case that is done, the answers, and the reasons why some were left."""
NO_ANSWER = LeftCase("It did not answer.")
"""Result for a case that does not answer: the others must not wait for it."""
Ask = Callable[[str], Awaitable[CaseAnswer | LeftCase]]
"""Updates the case of this number. Asked again, it returns the same."""


class BulkThrottle:
    """Throttle of one process. It is told when people register a case or send a command.

    `serves_people` returns True while the API of this machine serves people, which it knows earlier.
    """

    def __init__(
        self, serves_people: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._serves_people = serves_people
        self._clock = clock
        self._acted_at = self._free_until = -math.inf

    def note_action(self) -> None:
        self._acted_at = self._clock()

    async def wait(self) -> None:
        """Wait until nobody has acted for `QUIET_SECONDS`, at most `LONGEST_SECONDS`.

        After a wait of some time, calls of the same time return at once: work on many cases keeps half of the time.
        """
        now = began = self._clock()
        while self._free_until <= now < min(self._quiet_at(), began + LONGEST_SECONDS):
            await asyncio.sleep(min(self._acted_at + QUIET_SECONDS, began + LONGEST_SECONDS) - now)
            now = self._clock()
        self._free_until = max(self._free_until, now + (now - began))

    def _quiet_at(self) -> float:
        if self._serves_people():
            self.note_action()
        return self._acted_at + QUIET_SECONDS


class CaseUpdates:
    """Sender of the updates and queries of incidents, rollouts and handovers."""

    def __init__(self, projection: Projection, throttle: BulkThrottle, client: Client) -> None:
        self._projection = projection
        self._throttle = throttle
        self._client = client

    async def send(self, number: str, name: str, argument: Any, answer: type, once: str | None = None) -> Any:  # noqa: ANN401 - the update's own
        """Send an update; if one with the id `once` was sent before, return its answer.

        Raises as `ask_all`; UndecidedError, ValidationError if somebody else has answered: Temporal keeps the answer.
        """
        handle = self._client.get_workflow_handle(complaint_id(number))
        async with asyncio.timeout(ANSWER_SECONDS):
            return await handle.execute_update(name, argument, result_type=answer, id=once)

    async def is_linked(self, number: str, *incidents: str | None) -> bool | None:
        """None if the case does not answer, False if there is none."""
        handle = self._client.get_workflow_handle(complaint_id(number))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                case: dict[str, Any] = await handle.query("case", result_type=dict)
        except RPCError as error:
            return False if error.status is RPCStatusCode.NOT_FOUND else None
        # Rejected: it is paused. Undecided, or of another shape: somebody else's worker has answered.
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError, TimeoutError, UndecidedError, ValidationError):
            return None
        return case.get("incident") in incidents

    async def unlinked(self, numbers: Sequence[str], incident: str, *progress: str) -> list[str]:
        """Cases that say that they are not linked to the incident; a silent one is none of them.

        For an activity with a heartbeat time-out and this progress. 200 cases take two minutes at most.
        """

        async def ask(number: str) -> bool:
            await self._throttle.wait()
            says_no = await self.is_linked(number, incident) is False
            activity.heartbeat(*progress)
            return says_no

        return [*compress(numbers, await for_each(numbers, ask, MANY_AT_ONCE.concurrency))]

    async def ask_all(self, numbers: Sequence[str], ask: Ask, fan_out: FanOut = FEW_AT_ONCE) -> Answers:
        """Write what the cases return; return the counts of their answers, and why cases were left.

        For an activity with a heartbeat time-out. Heartbeats are checkpoints: a later attempt continues from the last
        one, and asks no case again whose batch was written.

        Raises RPCError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError if Temporal or a case does not answer,
        and WorkflowUpdateFailedError if a worker cannot read the update: the activity is to be tried again.
        """
        last, counts, left = "", Counter[str](), dict[str, str]()
        with suppress(ValidationError):  # none, or what somebody else has told
            last, counted, left = _PROGRESS.validate_python(activity.info().heartbeat_details)
            counts.update(counted)
        # A search for cases finds those no longer that are done.
        done = numbers.index(last) + 1 if last in numbers else 0

        def note_checkpoint() -> None:
            activity.heartbeat(last, dict(counts), dict(left))

        async def ask_one(number: str) -> CaseAnswer | LeftCase:
            await self._throttle.wait()
            result = await _answer(ask, number)
            note_checkpoint()
            return result

        while done < len(numbers):
            group = numbers[done : done + fan_out.checkpoint]
            results = await for_each(group, ask_one, fan_out.concurrency)
            answers = [each for each in results if isinstance(each, CaseAnswer)]
            await self._projection.write_all([batch for _, batch in answers if batch])
            counts.update(word for word, _ in answers)
            left |= {
                number: each.reason for number, each in zip(group, results, strict=True) if isinstance(each, LeftCase)
            }
            done, last = done + len(group), group[-1]
            note_checkpoint()
        return Answers(counts, left)


async def for_each(numbers: Iterable[str], work: Callable[[str], Awaitable[T]], concurrency: int) -> list[T]:
    """Do so many at the same time; return the results in order. Raises the first error."""
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


async def _answer(ask: Ask, number: str) -> CaseAnswer | LeftCase:
    try:
        return await ask(number)
    except (WorkflowUpdateFailedError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        if is_refusal(error):
            return CaseAnswer(REFUSED)
        # The SDK turns the cancellation of a task of the group into an error of its own.
        if (task := asyncio.current_task()) and task.cancelling():
            raise asyncio.CancelledError from None
        if activity.info().attempt < TRIES:
            raise
        return NO_ANSWER
    except (UndecidedError, ValidationError):  # somebody else's worker has answered, or one of another release
        return NO_ANSWER
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return CaseAnswer(GONE)
        # Temporal answers so for a case whose workflow task fails again and again.
        if error.status is RPCStatusCode.FAILED_PRECONDITION and activity.info().attempt >= TRIES:
            return NO_ANSWER
        raise


def is_refusal(error: Exception) -> bool:
    """Return True if the workflow itself says no, False if its worker, of another release, cannot read the update."""
    cause = error.cause if isinstance(error, WorkflowUpdateFailedError) else None
    return isinstance(cause, ApplicationError) and ":" in (cause.type or "")
