"""Titles of incidents, for the details of cases: a worker reads them again and again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio.exceptions import ApplicationError

from activities.projection import read
from readmodel.incidents.incidents import titles

REFRESH_SECONDS = 2.0
"""Time between two looks: a new incident's cases show its title this late at the latest."""
SHOWN_FOR = timedelta(days=90)
"""Time after its end for which the title of an incident is known; its cases are closed by then."""


class IncidentTitles:
    """Titles of the incidents that are open or ended lately, by number: the last ones read while SQL is down."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.titles: Mapping[str, str] = {}

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        reading = asyncio.create_task(self._read_on())
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read_on(self) -> None:
        while True:
            # It is no news that SQL is down.
            with suppress(ApplicationError, SQLAlchemyError):
                self.titles = await read(self._engine, lambda sql: titles(sql, datetime.now(UTC) - SHOWN_FOR))
            await asyncio.sleep(REFRESH_SECONDS)
