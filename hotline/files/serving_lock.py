"""Lock by which the API tells the workers of its machine that it serves people.

A worker hears from Temporal of a call some 20 ms after it came in; work on many cases would have begun more by then.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from hotline.files.atomic import OWNER_ONLY

NAME = "serving.lock"


class ServingLock:
    """A lock that the API processes of a machine share, each while it serves people.

    The kernel keeps it, not the disk, and releases it when a process dies. Where it does not work, nobody is told.

    Args:
        folder: data folder of API and worker.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
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
        """Return the locked file; None if it cannot be made, or is just being tried: the next request tries again."""
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
