"""Reading SQL from the event loop: each question in a thread, and no longer than its time."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from api.problems import ProblemError, unavailable
from domain.case import Case
from readmodel import queries
from readmodel.database import ReadConnection, reading
from readmodel.search import CaseFilters

T = TypeVar("T")
log = logging.getLogger("hotline.api")

THREADS = 4
"""Questions that are asked at once; fewer than the connections of the engine's pool."""
ANSWER_SECONDS = 5.0
"""Longest wait for an answer: a little more than PostgreSQL gives one statement."""
RETRY_SECONDS = 5


class Reader:
    """The read model, as the API needs it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sql")
        # Whoever waits for an action must not stand in line behind a search.
        self._lookout = ThreadPoolExecutor(1, thread_name_prefix="sql-versions")
        self._looking: Connection | None = None

    def close(self) -> None:
        """Let go of threads and connections."""
        for threads in (self._threads, self._lookout):
            threads.shutdown(wait=True, cancel_futures=True)
        if self._looking is not None:
            self._looking.close()
        self._engine.dispose()

    async def versions(self, numbers: Sequence[str]) -> Mapping[str, int]:
        """The versions that SQL shows of these cases. Raises what SQL raised."""
        return await asyncio.get_running_loop().run_in_executor(self._lookout, self._look, numbers)

    async def case(self, number: str) -> Case | None:
        """The case as SQL shows it; None where it shows none. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: queries.get_case(sql, number))

    async def page(self, filters: CaseFilters, cursor: str | None, limit: int) -> queries.CasePage:
        """A page of cases, newest first. Raises BadCursorError, and ProblemError with SQL down."""
        return await self._answer(lambda sql: queries.list_cases(sql, filters, cursor, limit))

    async def timeline(self, number: str, after: int, limit: int) -> queries.TimelinePage | None:
        """A page of what happened, oldest first; None where SQL shows no such case. Raises ProblemError."""

        def ask(sql: ReadConnection) -> queries.TimelinePage | None:
            page = queries.timeline(sql, number, after, limit)
            return page if page.items or queries.versions(sql, [number]) else None

        return await self._answer(ask)

    async def alive(self, seconds: float) -> bool:
        """Whether SQL answers within so many seconds, with the tables in place."""
        try:
            async with asyncio.timeout(seconds):
                await self._run(lambda sql: queries.versions(sql, ["0"]))
        except (TimeoutError, SQLAlchemyError):
            return False
        return True

    def _look(self, numbers: Sequence[str]) -> Mapping[str, int]:
        """On a connection that is kept, which takes half the work out of the commonest question of all."""
        if self._looking is None:
            self._looking = self._engine.connect()
        try:
            found = queries.versions(ReadConnection(self._looking), numbers)
            self._looking.rollback()
        except BaseException:
            self._looking.invalidate()
            self._looking.close()
            self._looking = None
            raise
        return found

    async def _answer(self, question: Callable[[ReadConnection], T]) -> T:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._run(question)
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("SQL does not answer: %s", type(error).__name__)
            raise away() from None

    async def _run(self, question: Callable[[ReadConnection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    def _ask(self, question: Callable[[ReadConnection], T]) -> T:
        with reading(self._engine) as connection:
            return question(connection)


def away(detail: str = "SQL does not answer. Complaints are still taken, and single ones can be read.") -> ProblemError:
    """The problem of a read model that is down or behind."""
    return unavailable("read-model-unavailable", detail, RETRY_SECONDS)
