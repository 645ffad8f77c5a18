"""The log channel: notifications as lines of a file, for a house that has no other channel yet, and for tests."""

import asyncio
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic_core import from_json, to_json

from readmodel.mailbox import Message

OWNER_ONLY = 0o600
BLOCK = 65_536


class LogChannel:
    """Appends one JSON object a line, synced to the disk, each key once whatever dies when.

    Processes that share the file take turns; each looks at what others have appended since it looked last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    async def deliver(self, messages: Sequence[Message]) -> Mapping[str, str]:
        """Append them all. Raises OSError where the file cannot be written; what was written is known next time."""
        await asyncio.to_thread(self._append, messages)
        return {}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that are in the file."""
        return await asyncio.to_thread(self._find, set(keys))

    def _append(self, messages: Sequence[Message]) -> None:
        with self._locked() as file:
            known = self._written(file, messages)
            lines = [_line(message) for message in messages if message.key not in known]
            # Said before the write as well: should it fail midway, the next look begins here and finds its lines.
            self._note(file)
            _write(file, b"".join(lines))
            self._note(file)

    def _find(self, keys: set[str]) -> set[str]:
        with self._locked() as file:
            found = _keys(file, 0, keys)
            self._note(file)
        return found

    def _written(self, file: int, messages: Sequence[Message]) -> set[str]:
        """The keys that are in the file already, as far as they can be."""
        keys = {message.key for message in messages}
        if self._seen is None:
            # Nobody has asked yet, so these were due, not in doubt; but a try that failed may have left its line.
            return _keys(file, 0, keys) if any(message.tries > 1 for message in messages) else set()
        stat = os.fstat(file)
        inode, size = self._seen
        # Another file has taken its place (rotated), or it was cut: all of it is news.
        return _keys(file, size if inode == stat.st_ino and size <= stat.st_size else 0, keys)

    def _note(self, file: int) -> None:
        stat = os.fstat(file)
        self._seen = (stat.st_ino, stat.st_size)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, OWNER_ONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _mend(file)
            yield file
        finally:
            os.close(file)


def _line(message: Message) -> bytes:
    return to_json(message._asdict()) + b"\n"


def _keys(file: int, offset: int, among: set[str]) -> set[str]:
    """Those of the keys that a line from `offset` on has."""
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(offset)
        return {key for line in reader if (key := from_json(line)["key"]) in among}


def _write(file: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)


def _mend(file: int) -> None:
    """Cut off a last line that its writer did not live to finish: nobody was told that it was delivered."""
    size = os.fstat(file).st_size
    end = size
    while end and os.pread(file, 1, end - 1) != b"\n":
        start = max(end - BLOCK, 0)
        end = start + os.pread(file, end - start, start).rfind(b"\n") + 1
    if end != size:
        os.ftruncate(file, end)
