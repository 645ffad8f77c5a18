"""The log channel: notifications as lines of a file, for a company that has no other channel yet, and for tests."""

import asyncio
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic_core import from_json, to_json

from activities.notifications.channels.base import Channel, ProgramConfig, Resources
from readmodel.notifications import Delivery

OWNER_ONLY = 0o600
BLOCK_BYTES = 65_536


class LogConfig(ProgramConfig):
    """The file HOTLINE_NOTIFICATION_LOG."""

    kind: Literal["log"]

    def channel(self, name: str, resources: Resources) -> Channel:  # noqa: ARG002 - see ChannelConfig
        return LogChannel(resources.log_file)


class LogChannel:
    """Channel that appends one JSON object a line, synced to the disk, and each key once even after a crash.

    Processes that share the file lock it in turn. Each first reads what others appended since it read last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        """Inode and size of the file when it was read last; None before."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Append all of them. Raises OSError if the file cannot be written; lines that were written stay known."""
        await asyncio.to_thread(self._append, deliveries)
        return {}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        return await asyncio.to_thread(self._find, set(keys))

    def _append(self, deliveries: Sequence[Delivery]) -> None:
        with self._locked() as file:
            known = self._written(file, deliveries)
            # If the write fails midway, the next reading begins here and finds the lines that it left.
            self._remember(file)
            for delivery in deliveries:
                if delivery.key not in known:
                    file.write(to_json({**delivery.notification._asdict(), "tries": delivery.tries}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._remember(file)

    def _find(self, keys: set[str]) -> set[str]:
        with self._locked() as file:
            found = _keys(file, 0, keys)
            self._remember(file)
        return found

    def _written(self, file: BinaryIO, deliveries: Sequence[Delivery]) -> set[str]:
        """Keys that are in the file already, as far as they can be."""
        keys = {delivery.key for delivery in deliveries}
        if self._seen is None:
            # Before the first reading nothing was in doubt; but a try that failed may have left its line.
            return _keys(file, 0, keys) if any(delivery.tries > 1 for delivery in deliveries) else set()
        stat = os.fstat(file.fileno())
        inode, size = self._seen
        # A file that was rotated or truncated is read from its start.
        return _keys(file, size if inode == stat.st_ino and size <= stat.st_size else 0, keys)

    def _remember(self, file: BinaryIO) -> None:
        stat = os.fstat(file.fileno())
        self._seen = (stat.st_ino, stat.st_size)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a+b", opener=partial(os.open, mode=OWNER_ONLY)) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _cut_torn_line(file)
            yield file


def _keys(file: BinaryIO, offset: int, among: set[str]) -> set[str]:
    """Read only the lines from `offset` on."""
    file.seek(offset)
    return {key for line in file if (key := from_json(line)["key"]) in among}


def _cut_torn_line(file: BinaryIO) -> None:
    """Cut off a last line that a crash left unfinished: it was never reported as delivered."""
    number = file.fileno()
    size = end = os.fstat(number).st_size
    while end and os.pread(number, 1, end - 1) != b"\n":
        start = max(end - BLOCK_BYTES, 0)
        end = start + os.pread(number, end - start, start).rfind(b"\n") + 1
    if end != size:
        file.truncate(end)
