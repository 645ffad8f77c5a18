"""Files and locks of the data folder: private files that are replaced atomically, `run.json`, and exclusive locks."""

import json
import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

OWNER_ONLY = 0o600
RUN_FILE = "run.json"
"""Programs that `hotline up` runs, for commands and for its next start."""

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
    """Return a value that changes whenever the file is replaced; None if there is no file, or it cannot be reached."""
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
    """Return the address at which `hotline up` runs Temporal for this data folder; None if it does not."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((data_dir / RUN_FILE).read_bytes())["temporal"]["address"])
    return None
