"""Group commit: batches of concurrent requests are written in one transaction, by one thread."""

import asyncio
import math
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
    batch: ProjectionBatch
    answer: Future[bool]
    """True if notifications were written."""


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
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="projection-writer")
        self._open = False
        self.submitted_at = -math.inf
        """Time of the last `submit`, by `time.monotonic`."""
        self.notifications_written = asyncio.Event()
        """Set after notifications were committed; its reader clears it."""

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what has been submitted, then end the thread."""
        self._open = False
        await asyncio.to_thread(self._thread.shutdown)

    async def submit(self, batch: ProjectionBatch) -> None:
        """Commit a batch. Raises SQLAlchemyError or NotRegisteredError; nothing of it is written then."""
        self.submitted_at = time.monotonic()
        job = _Job(batch, Future())
        self._jobs.put(job)
        self._begin(self._write_group)
        if await asyncio.wrap_future(job.answer):
            self.notifications_written.set()

    async def run(self, work: Callable[[WriteConnection], T]) -> T:
        """Run other work in a transaction of its own, in turn with the groups; return its result."""
        return await asyncio.wrap_future(self._begin(self._transaction, work))

    def _begin(self, function: Callable[..., T], *arguments: Any) -> Future[T]:  # noqa: ANN401 - the function's own
        if not self._open:
            raise RuntimeError("the writer takes work within its `async with` only")
        return self._thread.submit(function, *arguments)

    def _write_group(self) -> None:
        """Write the batches that wait, and those that come while it lingers. An earlier group may have had them all."""
        jobs: list[_Job] = []
        until = time.monotonic() + self._linger_seconds
        with suppress(queue.Empty):
            while len(jobs) < self._group_size:
                job = self._jobs.get(timeout=max(until - time.monotonic(), 0) if jobs else 0)
                # A job that was cancelled is left out: its activity timed out, and the retry brings it again.
                if job.answer.set_running_or_notify_cancel():
                    jobs.append(job)
        if jobs:
            self._write(jobs)

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write a group; if one of its batches fails, write each alone. If SQL is down, all of them fail."""
        batches = [job.batch for job in jobs]
        try:
            has_notifications = self._transaction(lambda connection: write(connection, batches)) > 0
        except Exception as error:  # noqa: BLE001 - its waiters get it
            if len(jobs) == 1 or isinstance(error, DOWN):
                _fail(jobs, error)
            else:
                self._write_singly(jobs)
            return
        for job in jobs:
            job.answer.set_result(has_notifications)

    def _write_singly(self, jobs: Sequence[_Job]) -> None:
        for place, job in enumerate(jobs, start=1):
            self._write([job])
            if isinstance(error := job.answer.exception(), DOWN):
                _fail(jobs[place:], error)
                return

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
