"""Health of the read model and of the keys that its processes have, for `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from api.health import Component, fault, fine
from api.sql import Reader
from readmodel.base.database import writing
from readmodel.cases.queries import count_open, versions
from readmodel.processes import LIVE, keys_by_process, process_name

LOCK_SECONDS = 1.5
"""Longest wait for the lock of a writer: less than a whole check, so that its result names the lock."""
COUNTED_SECONDS = 10.0
"""Longest age of the two counts of open cases: each reads an index of all open cases."""
AGAIN_SECONDS = 0.5
"""Pause before a difference is counted again, in which SQL and Temporal's list show what was under way."""
TOLERATED_CASES = 20
TOLERATED_PERCENT = 1
"""Difference of the counts that is tolerated: this many cases and this share, as both lists lag behind under load."""


@dataclass
class SqlHealth:
    """Health of the read model.

    Attributes:
        engine: engine to write with; its owner disposes of it.
        count_running: returns the number of open cases that Temporal runs.
        key_ids: returns the ids of this process's keys, each with when it was made.
    """

    reader: Reader
    engine: Engine
    count_running: Callable[[], Awaitable[int]]
    key_ids: Callable[[], Mapping[str, datetime]]
    # A thread of its own: a lock that somebody holds must not take the threads of requests.
    _thread: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "sql-health"))
    _compared: Component | None = None
    _counted_at: float = -COUNTED_SECONDS

    async def sql(self) -> Component:
        """Report if SQL answers, has its tables, and lets a transaction begin that writes."""
        try:
            await self.reader.read(versions, ["0"])
        except SQLAlchemyError:
            remedy = "Start the database; if tables are missing, `hotline migrate`, then `hotline rebuild readmodel`."
            return fault("does not answer, or its tables are missing", remedy)
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                writable = await asyncio.get_running_loop().run_in_executor(self._thread, self._writable)
        except (TimeoutError, SQLAlchemyError):
            writable = False
        if not writable:
            remedy = "End the program that holds the lock, or make the database writable again."
            return fault("answers, and cannot be written to", remedy)
        return fine("answers")

    async def keys(self, at: datetime) -> Component:
        found = await self.reader.read(keys_by_process, at)
        # After a rotation each process has yet to state the new key.
        older = [key_id for key_id, made_at in self.key_ids().items() if made_at <= at - LIVE]
        rotated = self.key_ids().keys() - older if older else ()
        known = frozenset[str]().union(*found.values()).difference(rotated)
        lacking = [f"{process} lacks {', '.join(known - ids)}" for process, ids in found.items() if known - ids]
        if not lacking:
            return fine("every process has the same keys")
        remedy = (
            "Copy the file of keys of a machine that has them, and run `hotline keys merge FILE` on that of each"
            " process named; to HOTLINE_KEYS add them, and start it again. If they were retired, retire them on every"
            " machine."
        )
        return fault(f"keys differ: {'; '.join(sorted(lacking))}", remedy)

    async def misses(self, worker: str, at: datetime) -> bool:
        """Return True if other workers work on this database, and not the one with this identity in Temporal."""
        process, _, host = worker.partition("@")
        workers = [each for each in await self.reader.read(keys_by_process, at) if each.startswith("worker ")]
        return bool(workers) and not any(each.startswith(process_name("worker", host, process)) for each in workers)

    async def read_model(self) -> Component:
        """Report if SQL has about as many open cases as Temporal runs; the comparison is repeated every 10 s."""
        if self._compared is None or monotonic() - self._counted_at >= COUNTED_SECONDS:
            self._compared = await self._compare()
            self._counted_at = monotonic()
        return self._compared

    async def _compare(self) -> Component:
        found = await self._counts()
        if _differ(*found):
            await asyncio.sleep(AGAIN_SECONDS)
            found = await self._counts()
        running, held = found
        detail = f"SQL has {held} open cases, Temporal runs {running}"
        if not _differ(running, held):
            return fine(detail)
        behind = "Run `hotline rebuild readmodel`: lists lack cases, or show them in an earlier state."
        lost = "Run `hotline rebuild workflows`: cases that Temporal does not run take no action and keep no promise."
        return fault(detail, behind if held < running else lost)

    async def _counts(self) -> tuple[int, int]:
        # Temporal first: a case is in its list before it is in SQL.
        return await self.count_running(), await self.reader.read(count_open)

    def _writable(self) -> bool:
        """Return True if a transaction begins that may write. Raises SQLAlchemyError; on SQLite that is the answer."""
        with writing(self.engine) as connection:
            on_sqlite = connection.dialect.name == "sqlite"
            return on_sqlite or connection.scalar(text("SHOW transaction_read_only")) == "off"


def _differ(running: int, held: int) -> bool:
    """Return True if the difference is more than is tolerated, or if only one of the two is 0."""
    tolerated = TOLERATED_CASES + max(running, held) * TOLERATED_PERCENT // 100
    return abs(running - held) > tolerated or (running == 0) != (held == 0)
