"""The activity by which cases publish their events to the read model, and access to it for other activities."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.case.batch import ProjectionBatch
from readmodel.database import ReadConnection, reading
from readmodel.writer import DOWN, GroupWriter

T = TypeVar("T")


class Projection:
    """The activity `publish`. Run again, or late, it writes the same rows."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer

    @activity.defn(name="publish")
    async def publish(self, batch: ProjectionBatch) -> None:
        """Commit the batch. Raises ApplicationError if SQL does not take it: Temporal tries again."""
        with plain_errors():
            await self._writer.submit(batch)


async def read(engine: Engine, query: Callable[[ReadConnection], T]) -> T:
    """Run a query in a thread. Raises ApplicationError if SQL does not answer it."""

    def run() -> T:
        with reading(engine) as connection:
            return query(connection)

    with plain_errors():
        return await asyncio.to_thread(run)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise errors of SQL without statement and data: histories and logs hold nothing personal."""
    try:
        yield
    except DBAPIError as error:
        kind = type(error.orig).__name__
        text = f"SQL: {error.orig}" if isinstance(error, DOWN) else f"SQL refused it: {kind}"
        raise ApplicationError(text, type=kind) from None
