"""The group commit: what many cases publish at the same moment is one transaction, written by one thread."""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.case.batch import ProjectionBatch
from readmodel.database import WriteConnection, writing
from readmodel.projection import write

T = TypeVar("T")
DOWN = (OperationalError, InterfaceError, PoolTimeoutError)
"""What SQLAlchemy raises when the database, not the data, is the matter."""


class _Job(NamedTuple):
    work: Callable[[WriteConnection], Any] | ProjectionBatch
    answer: asyncio.Future[Any]


class _Done(NamedTuple):
    job: _Job
    result: Any = None
    error: Exception | None = None


class GroupWriter:
    """The one writer of a process: `async with GroupWriter(engine) as writer`.

    Args:
        engine: to write with; it stays the caller's to dispose of.
        group_size: most batches in one transaction.
        linger_seconds: how long to wait for company before a group is written.
    """

    def __init__(self, engine: Engine, *, group_size: int = 64, linger_seconds: float = 0.0) -> None:
        self._engine = engine
        self._group_size = group_size
        self._linger_seconds = linger_seconds
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="projection-writer", daemon=True)
        self.submitted_at = -math.inf
        """When a case last asked, by `time.monotonic`: somebody is being served."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.news = asyncio.Event()
        """Set whenever notifications were committed; whoever waits for it clears it."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what has been submitted, then end the thread."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    async def submit(self, batch: ProjectionBatch) -> None:
        """Return when the batch is committed. Raises what SQL raised, or NotRegisteredError; nothing is kept then."""
        self.submitted_at = time.monotonic()
        await self._ask(batch)

    async def run(self, work: Callable[[WriteConnection], T]) -> T:
        """Do something else in a transaction of its own, in turn with the groups; answer what it returns."""
        answer: T = await self._ask(work)
        return answer

    async def _ask(self, work: Callable[[WriteConnection], Any] | ProjectionBatch) -> Any:  # noqa: ANN401 - see the two above
        if self._closed or self._loop is None:
            raise RuntimeError("the writer takes work within its `async with` only")
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(_Job(work, answer))
        return await answer

    def _work(self) -> None:
        """The thread: take what is there, write it, tell the waiters; until told to end."""
        last = False
        while not last:
            jobs, last = self._take()
            batches = [job for job in jobs if isinstance(job.work, ProjectionBatch)]
            if batches:
                self._tell(*self._write(batches))
            for job in jobs:
                if not isinstance(job.work, ProjectionBatch):
                    self._tell([self._run(job, job.work)])

    def _take(self) -> tuple[list[_Job], bool]:
        """The next jobs, and whether they are the last. Waits for the first one only, or as long as it may linger."""
        taken = [self._jobs.get()]
        until = time.monotonic() + self._linger_seconds
        with suppress(queue.Empty):
            while taken[-1] is not None and len(taken) < self._group_size:
                taken.append(self._jobs.get(timeout=max(until - time.monotonic(), 0)))
        # Nobody waits any more for a job whose activity timed out: its retry brings it again.
        return [job for job in taken if job is not None and not job.answer.done()], taken[-1] is None

    def _write(self, jobs: Sequence[_Job]) -> tuple[list[_Done], int]:
        """Write a group, or each alone where one of them spoils it; with SQL down, all that wait are told."""
        batches = [job.work for job in jobs if isinstance(job.work, ProjectionBatch)]
        try:
            owed = self._transaction(lambda connection: write(connection, batches))
        except DOWN as error:
            return [_Done(job, error=error) for job in jobs], 0
        except Exception as error:  # noqa: BLE001 - whatever it is, its waiter is told, and the others go on
            if len(jobs) == 1:
                return [_Done(jobs[0], error=error)], 0
            return self._write_singly(jobs)
        return [_Done(job) for job in jobs], owed

    def _write_singly(self, jobs: Sequence[_Job]) -> tuple[list[_Done], int]:
        done: list[_Done] = []
        total = 0
        for place, job in enumerate(jobs):
            written, owed = self._write([job])
            done += written
            total += owed
            if isinstance(written[0].error, DOWN):
                return [*done, *(_Done(rest, error=written[0].error) for rest in jobs[place + 1 :])], total
        return done, total

    def _run(self, job: _Job, work: Callable[[WriteConnection], Any]) -> _Done:
        try:
            return _Done(job, result=self._transaction(work))
        except Exception as error:  # noqa: BLE001 - the waiter is told
            return _Done(job, error=error)

    def _transaction(self, work: Callable[[WriteConnection], T]) -> T:
        try:
            with writing(self._engine) as connection:
                return work(connection)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # The server went away while the connection lay in the pool, perhaps long ago: a new one may do.
        with writing(self._engine) as connection:
            return work(connection)

    def _tell(self, done: list[_Done], owed: int = 0) -> None:
        # A loop that is closed has no waiters.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer, done, owed)

    def _answer(self, done: list[_Done], owed: int) -> None:
        """On the loop: let the waiters go on."""
        for (_, answer), result, error in done:
            if answer.done():
                continue
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)
        if owed:
            self.news.set()
