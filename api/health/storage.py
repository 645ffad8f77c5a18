"""Folders and files of this machine that the service writes to, and damage of SQLite files, for `/readyz`."""

import asyncio
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TypeVar

from api.health import Component, fault, fine

T = TypeVar("T")
log = logging.getLogger("hotline.api")
LOW_BYTES = 512 * 1024**2
"""Free space below which a disk is reported: some 10,000 cases, at 50 KB each in both databases."""
PROBE_BYTES = 64 * 1024
"""Size of the file that tells if a folder can be written to: more than one commit of either database."""
MIB = 1024**2

READ_MODEL = "the read model"
TEMPORAL = "Temporal"


class Storage:
    """Folders and SQLite files of the service on this machine.

    Args:
        folders: folders that the service writes to; one that it may not write to from the beginning is left out.
        files: SQLite files by the name of their database; a file that is missing counts as deleted.
        damage: returns the damage of the read model's file, as far as it is known, else None.
        key_fault: returns what is wrong with the keys, else None.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        files: Mapping[str, Path],
        damage: Callable[[], str | None] = lambda: None,
        key_fault: Callable[[], str | None] = lambda: None,
    ) -> None:
        writable = (folder for folder in folders if os.access(folder, os.W_OK))
        self._folders = sorted({*writable, *(file.parent for file in files.values())})
        self._files = files
        self._damage = damage
        self._key_fault = key_fault
        self._opened: dict[str, tuple[int, int]] = {}
        # Threads of their own, and one for Temporal: a disk that hangs must not take the threads of others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")
        self._temporal_thread = ThreadPoolExecutor(1, thread_name_prefix="storage-temporal")
        self._changed()

    async def disk(self) -> Component:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._disk)

    async def store(self) -> Component:
        """Report if the SQLite files are those that were there when this process began, and sound, as are the keys."""
        damage = self._damage()
        changed, keys = await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: (self._changed(), self._key_fault())
        )
        if changed:
            return fault(
                f"{'; '.join(changed)} under the running service, whose writes are lost at its end",
                "Do not stop the service before the open file is copied, as docs/backup.md, Lost files, describes.",
            )
        if damage:
            return fault(
                f"the file of {READ_MODEL} is damaged: {damage}",
                "Stop the service, move the file away, and put back that of the last backup if there is one. Then"
                " start the service and run `hotline rebuild readmodel`.",
            )
        if keys:
            remedy = "Put back the file of the last backup before a program starts again: those that run have read it."
            return fault(keys, remedy)
        return fine("the files of databases and keys are in place")

    async def temporal_unwritable(self) -> str | None:
        """Reason why Temporal's folder cannot be written to; None if it can, or is on another machine."""
        if not (file := self._files.get(TEMPORAL)):
            return None
        return await asyncio.get_running_loop().run_in_executor(self._temporal_thread, unwritable, file.parent)

    def _disk(self) -> Component:
        faults, left = [], []
        for folder in self._folders:
            if reason := unwritable(folder):
                faults.append(f"{folder} cannot be written to: {reason}")
                continue
            free = shutil.disk_usage(folder).free
            left.append(f"{folder} has {free // MIB} MiB left")
            if free < LOW_BYTES:
                faults.append(f"{left[-1]}, less than {LOW_BYTES // MIB}")
        if not faults:
            return fine("; ".join(left) or "nothing is written on this machine")
        remedy = "Free or add disk space, or make the folder writable again; docs/when-something-is-wrong.md."
        return fault("; ".join(faults), remedy)

    def _changed(self) -> list[str]:
        """In words, what became of the files that are not those of the start."""
        changed = []
        for name, path in self._files.items():
            try:
                found = path.stat()
            except FileNotFoundError:
                changed.append(f"the file of {name}, {path}, was deleted")
                continue
            present = (found.st_dev, found.st_ino)
            if self._opened.setdefault(name, present) != present:
                changed.append(f"the file of {name}, {path}, was replaced")
        return changed


def unwritable(folder: Path) -> str | None:
    """Reason why a small file cannot be written in the folder; None if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
    except OSError as error:
        return error.strerror or str(error)
    return None


REST = 20
"""Seconds of rest for each second of reading: the check takes a twentieth of the disk's time."""
PAUSE_SECONDS = 60.0
"""Shortest pause between two checks of the whole file."""

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name"


class Integrity:
    """Check of a SQLite file, table by table with rests, begun by who asks for the last result; None on PostgreSQL."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        # A thread of its own: a disk that hangs must not take the threads of others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="integrity")
        self._task: asyncio.Task[None] | None = None
        self._due_at = 0.0
        self._damage: str | None = None

    def damage(self) -> str | None:
        """Damage that the last check found, else None; begins the next check when it is due."""
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
        except sqlite3.OperationalError:
            return  # a file that is busy or away says nothing about its pages
        except sqlite3.DatabaseError as error:
            found = str(error)
        finally:
            self._due_at = monotonic() + PAUSE_SECONDS
        if found and found != self._damage:
            log.error("%s is damaged: %s", file, found)
        self._damage = found

    async def _rested(self, read: Callable[..., T], *arguments: object) -> T:
        """Rest after reading the file, for a time that fits that of the reading."""
        began = monotonic()
        answer = await asyncio.get_running_loop().run_in_executor(self._thread, read, *arguments)
        await asyncio.sleep(REST * (monotonic() - began))
        return answer


def tables_of(file: Path) -> list[str]:
    """Raise sqlite3.Error if the file cannot be read."""
    with _read_only(file) as connection:
        return [name for (name,) in connection.execute(_TABLES)]


def damage_of(file: Path, table: str) -> str | None:
    """Fault of the pages of a table and its indexes; None if they are sound.

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
