"""Group commit: batches of concurrent requests are written in one transaction, by one thread."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.case.state import ProjectionBatch
from readmodel.base.database import WriteConnection, writing
from readmodel.projection import write

A = TypeVar("A")
T = TypeVar("T")
SQL_DOWN = (OperationalError, InterfaceError, PoolTimeoutError)


class _Job(NamedTuple):
    batch: ProjectionBatch
    answer: asyncio.Future[None]


class GroupWriter:
    """Writer of the batches of a process: `async with GroupWriter(engine) as writer`. For one event loop.

    A transaction has `group_size` batches at most.
    """

    def __init__(self, engine: Engine, *, group_size: int = 64) -> None:
        self._engine = engine
        self._group_size = group_size
        self._waiting: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="projection-writer")
        self._open = False
        self.notifications_written = asyncio.Event()
        """Set after notifications were committed; its reader clears it."""

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        if self._writing:
            await asyncio.shield(self._writing)
        await asyncio.to_thread(self._thread.shutdown)

    async def submit(self, batch: ProjectionBatch) -> None:
        """Commit a batch. Raises SQLAlchemyError or RefusedBatchError; nothing of it is written then."""
        self._require_open()
        loop = asyncio.get_running_loop()
        job = _Job(batch, loop.create_future())
        self._waiting.append(job)
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write_groups())
        await job.answer

    async def run(self, work: Callable[[WriteConnection], T]) -> T:
        """Run other work in a transaction of its own, in turn with the groups; return its result."""
        self._require_open()
        return await self._in_thread(self._transaction, work)

    def _require_open(self) -> None:
        if not self._open:
            raise RuntimeError("the writer takes work within its `async with` only")

    async def _in_thread(self, function: Callable[[A], T], argument: A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, argument)

    async def _write_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._group_size], self._waiting[self._group_size :]
            # A job that was cancelled is left out: its activity timed out, and the retry brings it again.
            jobs = [job for job in group if not job.answer.done()]
            answers = await self._in_thread(self._write, [job.batch for job in jobs]) if jobs else []
            for job, answer in zip(jobs, answers, strict=True):
                if answer is True:
                    self.notifications_written.set()
                if job.answer.done():
                    continue
                if isinstance(answer, Exception):
                    job.answer.set_exception(answer)
                else:
                    job.answer.set_result(None)

    def _write(self, batches: Sequence[ProjectionBatch]) -> Sequence[bool | Exception]:
        """Write a group, or each batch alone if one fails; return the answers. If SQL is down, all fail."""
        try:
            has_notifications = self._transaction(lambda connection: write(connection, batches)) > 0
        except Exception as error:  # noqa: BLE001 - its waiters get it
            if len(batches) > 1 and not isinstance(error, SQL_DOWN):
                return self._write_singly(batches)
            return [error] * len(batches)
        return [has_notifications] * len(batches)

    def _write_singly(self, batches: Sequence[ProjectionBatch]) -> Sequence[bool | Exception]:
        answers: list[bool | Exception] = []
        for place, batch in enumerate(batches, start=1):
            answers += self._write([batch])
            if isinstance(answers[-1], SQL_DOWN):
                return answers + answers[-1:] * (len(batches) - place)
        return answers

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
