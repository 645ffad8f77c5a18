"""Private files that are replaced atomically, and locks."""

import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

OWNER_ONLY = 0o600

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
    """Return a value that changes whenever the file is replaced; None if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def exclusive_lock(path: Path, busy: Exception) -> AbstractContextManager[object]:
    """Lock the file at `path` until the context ends. Raises `busy` if another process has it."""
    try:
        return FileLock(path, blocking=False).acquire()
    except Timeout:
        raise busy from None
