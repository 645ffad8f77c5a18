"""Writing of batches to the read model: of what cases publish by an activity, and of what updates return."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError

from activities.names import complaint_id
from domain.case.state import ProjectionBatch
from readmodel.base.database import ReadConnection, WriteConnection, read_in_thread
from readmodel.projection import DivergedError, NotRegisteredError, RefusedBatchError
from readmodel.writer import DOWN, GroupWriter

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
        """Return True once it is committed; otherwise its case is to publish it. Raises DivergedError, for good."""
        if await self._committed(self._writer.submit(batch)):
            return True
        await self.tell_to_publish(batch.number)
        return False

    async def write_all(self, batches: Iterable[ProjectionBatch]) -> None:
        """Write the batches together. One that SQL will never take is left to the reconciler's report."""
        await asyncio.gather(*map(self._write_or_leave, batches))

    async def _write_or_leave(self, batch: ProjectionBatch) -> None:
        with suppress(DivergedError):
            await self.write(batch)

    async def run(self, work: Callable[[WriteConnection], object]) -> bool:
        """Return True once other work is committed, False if SQL does not take it in time. Raises DivergedError."""
        return await self._committed(self._writer.run(work))

    async def _committed(self, work: Awaitable[object]) -> bool:
        try:
            async with asyncio.timeout(self._seconds):
                await work
        except (SQLAlchemyError, NotRegisteredError, TimeoutError):
            return False
        return True

    async def tell_to_publish(self, number: str) -> None:
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
        text = f"SQL: {error.orig}" if isinstance(error, DOWN) else f"SQL refused it: {kind}"
        raise ApplicationError(text, type=kind) from None
