"""Files and locks of the data folder: private files that are replaced atomically, `run.json`, and the API's lock."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

OWNER_ONLY = 0o600
RUN_FILE = "run.json"
"""Programs that `hotline up` runs, for commands and for its next start."""
SERVING_LOCK = "serving.lock"

Stamp = tuple[int, int, int]
"""Time of the last change, size and inode of a file."""


def write_private(path: Path, text: str) -> None:
    """Replace the file at `path` atomically by one that only its owner may read; it is on the disk afterwards."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_native_id()}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def file_stamp(path: Path) -> Stamp | None:
    """Another value whenever the file is replaced; None if there is no file, or it cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def exclusive_lock(path: Path, busy: Exception) -> AbstractContextManager[object]:
    """Lock the file at `path` until the context ends. Raises `busy` if another process has it."""
    try:
        return FileLock(path, blocking=False).acquire()
    except Timeout:
        raise busy from None


def temporal_address(data_dir: Path) -> str | None:
    """Address at which `hotline up` runs Temporal for this data folder; None if it does not."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((data_dir / RUN_FILE).read_bytes())["temporal"]["address"])
    return None


class ServingLock:
    """A lock that the API processes of a machine share, each while it serves people.

    A worker hears from Temporal of a call some 20 ms after it came in: work on many cases would have begun more then.
    The kernel keeps the lock, not the disk, and releases it when a process dies. If it does not work, nobody is told.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SERVING_LOCK
        self._requests = 0
        self._held: IO[bytes] | None = None

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Hold the lock in this context. Contexts of one process may overlap."""
        self._requests += 1
        if self._held is None:
            self._held = self._hold()
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests and self._held is not None:
                self._held.close()
                self._held = None

    def _hold(self) -> IO[bytes] | None:
        """None if the file cannot be made, or is just being tried: the next request tries again."""
        with suppress(OSError), ExitStack() as opened:
            file = opened.enter_context(open(self._path, "ab", opener=partial(os.open, mode=OWNER_ONLY)))
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            opened.pop_all()
            return file
        return None

    def is_held(self) -> bool:
        try:
            with self._path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
