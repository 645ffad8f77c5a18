"""Background check of the read model's file on SQLite, for `/readyz`. PostgreSQL has checks of its own.

The pages are checked table by table, so that no look reads the whole file at once.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TypeVar

REST = 20
"""Seconds of rest for each second of reading: the check takes a twentieth of the disk's time."""
PAUSE_SECONDS = 60.0
"""Shortest pause between two checks of the whole file."""

T = TypeVar("T")
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name"
log = logging.getLogger("hotline.api")


class Integrity:
    """Check of a SQLite file, table by table with rests, which begins when somebody asks for the last result.

    Args:
        file: file of the read model; None on PostgreSQL.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        # A thread of its own: a disk that hangs must not take the threads of others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="integrity")
        self._task: asyncio.Task[None] | None = None
        self._due_at = 0.0
        self._damage: str | None = None

    def damage(self) -> str | None:
        """Return the damage that the last check found, else None. Begin the next check when it is due."""
        if self._file and (self._task is None or self._task.done()) and monotonic() >= self._due_at:
            self._task = asyncio.create_task(self._check(self._file))
        return self._damage

    async def _check(self, file: Path) -> None:
        found = None
        try:
            for table in await self._rested(tables_of, file):
                if found := await self._rested(damage_of, file, table):
                    found = f"table {table}: {found}"
                    break
        except sqlite3.DatabaseError as error:
            # A file that is busy or away says nothing about its pages.
            if isinstance(error, sqlite3.OperationalError):
                return
            found = str(error)
        finally:
            self._due_at = monotonic() + PAUSE_SECONDS
        if found and found != self._damage:
            log.error("%s is damaged: %s", file, found)
        self._damage = found

    async def _rested(self, read: Callable[..., T], *arguments: object) -> T:
        """Return the answer of a function that reads the file, after a rest that fits the time which that took."""
        began = monotonic()
        answer = await asyncio.get_running_loop().run_in_executor(self._thread, read, *arguments)
        await asyncio.sleep(REST * (monotonic() - began))
        return answer


def tables_of(file: Path) -> list[str]:
    """Return the tables of the file. Raises sqlite3.Error."""
    with _read_only(file) as connection:
        return [name for (name,) in connection.execute(_TABLES)]


def damage_of(file: Path, table: str) -> str | None:
    """Return what is wrong with the pages of a table and its indexes; None if they are sound.

    The connection only reads, and in the log of SQLite a reader stops no writer. Raises sqlite3.OperationalError if the
    file cannot be read now.
    """
    quoted = table.replace("'", "''")
    try:
        with _read_only(file) as connection:
            [(first,), *_] = connection.execute(f"PRAGMA quick_check('{quoted}')").fetchall()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if first == "ok" else " ".join(str(first).split())


@contextmanager
def _read_only(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection
