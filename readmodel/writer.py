"""Group commit: batches of concurrent requests are written in one transaction, by one thread."""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
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
"""Errors of SQLAlchemy if the database is down."""


class _Job(NamedTuple):
    work: Callable[[WriteConnection], Any] | ProjectionBatch
    answer: Future[Any]


class GroupWriter:
    """The one writer of a process: `async with GroupWriter(engine) as writer`.

    Args:
        engine: engine to write with; the caller disposes of it.
        group_size: most batches in one transaction.
        linger_seconds: time to wait for further batches before a group is written.
    """

    def __init__(self, engine: Engine, *, group_size: int = 64, linger_seconds: float = 0.0) -> None:
        self._engine = engine
        self._group_size = group_size
        self._linger_seconds = linger_seconds
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="projection-writer", daemon=True)
        self.submitted_at = -math.inf
        """Time of the last `submit`, by `time.monotonic`."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.notifications_written = asyncio.Event()
        """Set after notifications were committed; its reader clears it."""

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
        """Commit a batch. Raises SQLAlchemyError or NotRegisteredError; nothing of it is written then."""
        self.submitted_at = time.monotonic()
        await self._ask(batch)

    async def run(self, work: Callable[[WriteConnection], T]) -> T:
        """Run other work in a transaction of its own, in turn with the groups; return its result."""
        answer: T = await self._ask(work)
        return answer

    async def _ask(self, work: Callable[[WriteConnection], Any] | ProjectionBatch) -> Any:  # noqa: ANN401 - see the two above
        if self._closed or self._loop is None:
            raise RuntimeError("the writer takes work within its `async with` only")
        answer: Future[Any] = Future()
        self._jobs.put(_Job(work, answer))
        return await asyncio.wrap_future(answer)

    def _run(self) -> None:
        """Run jobs in the thread until the last one."""
        last = False
        while not last:
            jobs, last = self._take()
            self._write([job for job in jobs if isinstance(job.work, ProjectionBatch)])
            for job in jobs:
                if not isinstance(job.work, ProjectionBatch):
                    self._run_alone(job, job.work)

    def _take(self) -> tuple[list[_Job], bool]:
        """Return the next jobs, and True if they are the last. Wait for the first one, then only linger."""
        taken = [self._jobs.get()]
        until = time.monotonic() + self._linger_seconds
        with suppress(queue.Empty):
            while taken[-1] is not None and len(taken) < self._group_size:
                taken.append(self._jobs.get(timeout=max(until - time.monotonic(), 0)))
        # A job that was cancelled is left out: its activity timed out, and the retry brings it again.
        jobs = [job for job in taken if job is not None and job.answer.set_running_or_notify_cancel()]
        return jobs, taken[-1] is None

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write a group; if one of its batches fails, write each alone. If SQL is down, all of them fail."""
        batches = [job.work for job in jobs if isinstance(job.work, ProjectionBatch)]
        if not batches:
            return
        try:
            has_notifications = self._transaction(lambda connection: write(connection, batches)) > 0
        except Exception as error:  # noqa: BLE001 - its waiters get it
            if len(jobs) == 1 or isinstance(error, DOWN):
                _fail(jobs, error)
            else:
                self._write_singly(jobs)
            return
        for job in jobs:
            job.answer.set_result(None)
        if has_notifications and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.notifications_written.set)

    def _write_singly(self, jobs: Sequence[_Job]) -> None:
        for place, job in enumerate(jobs, start=1):
            self._write([job])
            if isinstance(error := job.answer.exception(), DOWN):
                _fail(jobs[place:], error)
                return

    def _run_alone(self, job: _Job, work: Callable[[WriteConnection], Any]) -> None:
        try:
            job.answer.set_result(self._transaction(work))
        except Exception as error:  # noqa: BLE001 - its waiter gets it
            job.answer.set_exception(error)

    def _transaction(self, work: Callable[[WriteConnection], T]) -> T:
        try:
            with writing(self._engine) as connection:
                return work(connection)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # The pooled connection was dead, perhaps for long: a new one may do.
        with writing(self._engine) as connection:
            return work(connection)


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        job.answer.set_exception(error)
